"""Which sample an instant means: that of its wall second, and each of them where the second passed twice."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tukur.blocks import HostPoint
from tukur.hub.store.record.blocks import BlockRow
from tukur.protocol.messages import CLOCK_SET_NS
from tukur.records import HostRates

SECOND_MS = 1000
EARLY_MS = 100
"""A sample so shortly before a second that has none is that second's: clocks are slewed, times shifted."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One recorded sample."""

    row: BlockRow
    """The block that holds it."""
    wall_ns: int
    boot_ns: int
    rates: HostRates

    @property
    def at_ms(self) -> int:
        """When it was taken, by the host's wall clock."""
        return self.wall_ns // 1_000_000


def span_of(at_ms: int) -> tuple[int, int]:
    """[from, to) in milliseconds: where the samples lie that an instant may mean."""
    second = at_ms // SECOND_MS * SECOND_MS
    return second - EARLY_MS, second + SECOND_MS


def is_exact(sample_ms: int, asked_ms: int) -> bool:
    """Whether a sample is that of the second that was asked for."""
    begin, end = span_of(asked_ms)
    return begin <= sample_ms < end


def moments_of(blocks: Iterable[tuple[BlockRow, Sequence[HostPoint]]], at_ms: int) -> list[Moment]:
    """The sample of the second of `at_ms`; empty where it has none.

    Several, in the order in which they were taken, where the clock was set back and the second passed again.
    """
    begin, end = span_of(at_ms)
    found = [
        Moment(row, point.wall_ns, point.boot_ns, point.rates)
        for row, points in blocks
        for point in points
        if begin <= point.wall_ns // 1_000_000 < end
    ]
    chosen = [_of_one_pass(passed, at_ms) for passed in _passes(found)]
    within = [moment for moment in chosen if moment.at_ms >= begin + EARLY_MS]
    return within or chosen


def _passes(moments: list[Moment]) -> list[list[Moment]]:
    """Samples between which nobody set the clock, together."""
    passes: list[list[Moment]] = []
    for moment in sorted(moments, key=lambda each: (each.row.boot, each.boot_ns)):
        before = passes[-1][-1] if passes else None
        if before is not None and before.row.boot == moment.row.boot and not _clock_set(before, moment):
            passes[-1].append(moment)
        else:
            passes.append([moment])
    return passes


def _clock_set(before: Moment, after: Moment) -> bool:
    return abs((after.wall_ns - after.boot_ns) - (before.wall_ns - before.boot_ns)) > CLOCK_SET_NS


def _of_one_pass(moments: list[Moment], at_ms: int) -> Moment:
    """The newest not after the instant, else the first; one before the second only where it has no other."""
    second = at_ms // SECOND_MS * SECOND_MS
    inside = [moment for moment in moments if moment.at_ms >= second] or moments[-1:]
    past = [moment for moment in inside if moment.at_ms <= at_ms]
    return past[-1] if past else inside[0]
