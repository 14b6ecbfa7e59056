"""Where samples are missing: gaps that agents reported, and stretches without a reason."""

from collections.abc import Sequence
from typing import Any

from tukur.hub.models.record import RecordGap, RecordGaps
from tukur.hub.store.record.gaps import MISSING_NS, Hole
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
    listed += [_unreported(begin, end) for begin, end in unexplained(holes, reported)]
    listed = [gap for gap in listed if gap.from_ms < to_ms and gap.to_ms >= from_ms]
    listed.sort(key=lambda gap: (gap.from_ms, gap.to_ms))
    return RecordGaps(
        from_ms=from_ms, to_ms=to_ms, gaps=listed[:limit], more=len(listed) > limit, spooled=spooled
    )


def unexplained(holes: Sequence[Hole], reported: Sequence[Any]) -> list[Stretch]:
    """What of the holes no gap accounts for: pieces that are longer than a missed sample."""
    pieces: list[Stretch] = []
    for hole in holes:
        left = [(hole.last_ms, hole.first_ms)]
        for row in reported:
            begin, end = row.first_ms - _SECOND_MS, row.last_ms + _SECOND_MS
            left = [piece for stretch in left for piece in _without(stretch, begin, end)]
        pieces += left
    return [(begin, end) for begin, end in pieces if end - begin > MISSING_NS // 1_000_000]


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


def _unreported(from_ms: int, to_ms: int) -> RecordGap:
    return RecordGap(
        from_ms=from_ms, to_ms=to_ms, boot_id=None, reason="not_recorded", blocks=None, samples=None
    )
