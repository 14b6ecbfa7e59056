"""What was given up: gaps, joined where they follow each other, kept until the hub has them."""

from collections.abc import Iterable

import msgspec

from tukur.agent.spool.format import Span
from tukur.protocol.messages import Gap

_FOLLOWS_NS = 1_500_000_000
"""Samples are a second apart: between two blocks that are farther from each other than this something else
was recorded, or nothing."""

Key = tuple[str, int]
"""(boot_id, first_ns) of a gap."""


def gap_of(span: Span, reason: str) -> Gap:
    """The gap that one block leaves."""
    return Gap(
        boot_id=span.boot_id,
        first_ns=span.first_ns,
        last_ns=span.last_ns,
        first_wall_ns=span.first_wall_ns,
        last_wall_ns=span.last_wall_ns,
        blocks=1,
        samples=span.samples,
        reason=reason,
    )


def gap_between(before: Span | None, after: Span | None) -> Gap | None:
    """Where a record was of which not even the head can be read: between its neighbours, if those tell."""
    if before is None or after is None or before.boot_id != after.boot_id:
        return None
    if before.last_ns >= after.first_ns or before.last_wall_ns >= after.first_wall_ns:
        return None
    return Gap(
        boot_id=before.boot_id,
        first_ns=before.last_ns + 1,
        last_ns=after.first_ns - 1,
        first_wall_ns=before.last_wall_ns + 1,
        last_wall_ns=after.first_wall_ns - 1,
        blocks=0,
        samples=0,
        reason="damaged",
    )


def covers(gap: Gap, span: Span) -> bool:
    """Whether the block of this span is part of what was given up."""
    return gap.boot_id == span.boot_id and gap.first_ns <= span.first_ns and span.last_ns <= gap.last_ns


def joined(gaps: Iterable[Gap]) -> list[Gap]:
    """Gaps by time, with those as one that follow each other without a sample between them."""
    found: list[Gap] = []
    for gap in gaps:
        whole = _joined(found[-1], gap) if found else None
        if whole is None:
            found.append(gap)
        else:
            found[-1] = whole
    return found


def _joined(older: Gap, newer: Gap) -> Gap | None:
    if (older.boot_id, older.reason) != (newer.boot_id, newer.reason) or not (older.blocks and newer.blocks):
        return None
    if not 0 < newer.first_ns - older.last_ns <= _FOLLOWS_NS:
        return None
    return msgspec.structs.replace(
        older,
        last_ns=newer.last_ns,
        last_wall_ns=newer.last_wall_ns,
        blocks=older.blocks + newer.blocks,
        samples=older.samples + newer.samples,
    )


class Gaps:
    """Those that the hub does not have yet, by key."""

    def __init__(self) -> None:
        self.held: dict[Key, Gap] = {}

    def add(self, gap: Gap) -> Gap:
        """Holds one; what is held now of it: it may have become part of one before it."""
        for key, older in self.held.items():
            whole = _joined(older, gap)
            if whole is not None:
                self.held[key] = whole
                return whole
        self.held[gap.boot_id, gap.first_ns] = gap
        return gap

    def restore(self, gap: Gap) -> bool:
        """Holds one that was read from disk; False: it is there already, and as long."""
        known = self.held.get((gap.boot_id, gap.first_ns))
        if known is not None and known.last_ns >= gap.last_ns:
            return False
        self.held[gap.boot_id, gap.first_ns] = gap
        return True

    def settle(self, key: Key, last_ns: int) -> bool:
        """The hub has it up to there; False: it is longer by now, or not held."""
        gap = self.held.get(key)
        if gap is None or gap.last_ns > last_ns:
            return False
        del self.held[key]
        return True
