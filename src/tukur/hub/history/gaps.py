"""Where samples are missing: gaps that agents reported, and stretches without a reason."""

import itertools
from collections.abc import Sequence
from typing import Any

from tukur.hub.models.record import RecordGap, RecordGaps
from tukur.hub.store.record.gaps import GAP_MS, Hole
from tukur.hub.store.store import HostRow
from tukur.hub.store.waists import Facts
from tukur.protocol.messages import GAP_NS, Heartbeat

_MAX_GAPS = 10_000
"""Gaps read of one range, at most."""
_SECOND_MS = 1000
"""Between a sample and the next: a gap that begins one second after a sample follows it."""

Stretch = tuple[int, int]


async def gaps(
    facts: Facts,
    host: HostRow,
    from_ms: int,
    to_ms: int,
    limit: int,
    spooled: int,
    beats: Sequence[Heartbeat] = (),
) -> RecordGaps:
    """The stretches without samples that touch [from, to), the oldest first.

    `beats`: the agent's newest heartbeats, in the hub's time: of samples whose block is still to come.
    """
    boots = await facts.lives.boots(host.number)
    reported = await facts.gaps.reported(list(boots), from_ms, to_ms, _MAX_GAPS)
    holes = await facts.gaps.holes(host.number, from_ms, to_ms, _MAX_GAPS)
    holes += unstored(beats, host.last_ms or 0)
    listed = [_reported(row, boots[row.boot][0]) for row in reported]
    listed += [_unreported(hole) for hole in unexplained(holes, reported)]
    listed = [gap for gap in listed if gap.from_ms < to_ms and gap.to_ms >= from_ms]
    listed.sort(key=lambda gap: (gap.from_ms, gap.to_ms))
    return RecordGaps(
        from_ms=from_ms, to_ms=to_ms, gaps=listed[:limit], more=len(listed) > limit, spooled=spooled
    )


def unstored(beats: Sequence[Heartbeat], last_ms: int) -> list[Hole]:
    """Where the agent says that it missed samples, after the newest recorded one."""
    return [
        Hole(before.wall_ns // 1_000_000, after.wall_ns // 1_000_000, "not_sampled")
        for before, after in itertools.pairwise(beats)
        if after.wall_ns // 1_000_000 > last_ms
        and after.wall_ns - before.wall_ns > GAP_NS
        # Else only heartbeats are missing: the samples will be in their block.
        and after.missed - before.missed > 1
    ]


def unexplained(holes: Sequence[Hole], reported: Sequence[Any]) -> list[Hole]:
    """What of the holes no gap accounts for: pieces that are longer than a missed sample."""
    pieces: list[Hole] = []
    for hole in holes:
        left = [(hole.last_ms, hole.first_ms)]
        for row in reported:
            begin, end = row.first_ms - _SECOND_MS, row.last_ms + _SECOND_MS
            left = [piece for stretch in left for piece in _without(stretch, begin, end)]
        pieces += [Hole(begin, end, hole.reason) for begin, end in left if end - begin > GAP_MS]
    return pieces


def _without(stretch: Stretch, begin: int, end: int) -> list[Stretch]:
    first, last = stretch
    if end <= first or begin >= last:
        return [stretch]
    return [piece for piece in ((first, begin), (end, last)) if piece[0] < piece[1]]


def _reported(row: Any, boot_id: str) -> RecordGap:
    return RecordGap(
        from_ms=row.first_ms,
        to_ms=row.last_ms,
        boot_id=boot_id,
        reason=row.reason,
        blocks=row.blocks or None,
        samples=row.samples if row.blocks else None,
    )


def _unreported(hole: Hole) -> RecordGap:
    return RecordGap(
        from_ms=hole.last_ms,
        to_ms=hole.first_ms,
        boot_id=None,
        reason=hole.reason,
        blocks=None,
        samples=None,
    )
