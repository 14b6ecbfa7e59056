"""Where samples are missing: gaps that agents reported, and stretches without a reason."""

from collections.abc import Sequence
from typing import Any

from tukur.hub.models.record import RecordGap, RecordGaps
from tukur.hub.store.record.gaps import GAP_MS, Hole
from tukur.hub.store.store import HostRow
from tukur.hub.store.waists import Facts

_MAX_GAPS = 10_000
"""Gaps read of one range, at most."""
_SECOND_MS = 1000
"""Between a sample and the next: a gap that begins one second after a sample follows it."""

Stretch = tuple[int, int]


async def gaps(facts: Facts, host: HostRow, from_ms: int, to_ms: int, limit: int, spooled: int) -> RecordGaps:
    """The stretches without samples that touch [from, to), the oldest first."""
    boots = await facts.lives.boots(host.number)
    reported = await facts.gaps.reported(list(boots), from_ms, to_ms, _MAX_GAPS)
    holes = await facts.gaps.holes(host.number, from_ms, to_ms, _MAX_GAPS)
    listed = [_reported(row, boots[row.boot][0]) for row in reported]
    listed += [_unreported(hole) for hole in unexplained(holes, reported)]
    listed = [gap for gap in listed if gap.from_ms < to_ms and gap.to_ms >= from_ms]
    listed.sort(key=lambda gap: (gap.from_ms, gap.to_ms))
    return RecordGaps(
        from_ms=from_ms, to_ms=to_ms, gaps=listed[:limit], more=len(listed) > limit, spooled=spooled
    )


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
