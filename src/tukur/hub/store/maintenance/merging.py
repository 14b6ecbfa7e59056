"""Merges older blocks: the ten-second blocks of a minute become one, a third of their size."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update

from tukur.blocks import BlockDamagedError, Encoded, merge_blocks
from tukur.hub.store.backends.database import Database, retry_on_conflict
from tukur.hub.store.payloads import BLOCK_COLUMNS, Payload, Payloads
from tukur.hub.store.record.rollups import MINUTE_MS
from tukur.hub.store.schema import block, boot
from tukur.protocol.messages import CLOCK_SET_NS

_ADDED = ("missed", "lost_execs", "lost_lives", "lost_cpu_ns", "lost_finals")
_READ = 30
"""Blocks read at once: five minutes of ten-second blocks."""


@dataclass(frozen=True, slots=True)
class Merged:
    """What one call did."""

    blocks: int
    """Blocks that are now part of longer ones."""
    made: int
    saved_bytes: int


class _GoneError(Exception):
    """Some of the blocks were deleted meanwhile because of their age; the others will be."""


class MergeStore:
    """Each boot has a mark up to where its blocks are merged; a block that arrives later stays as it is."""

    def __init__(self, database: Database, payloads: Payloads) -> None:
        self._database = database
        self._payloads = payloads

    async def boots(self) -> list[int]:
        """Every boot's number."""
        async with self._database.read() as connection:
            return [int(number) for number in (await connection.execute(select(boot.c.id))).scalars()]

    async def merge(self, boot_no: int, before_ms: int) -> Merged | None:
        """Merges the next few minutes of a boot that ended before `before_ms`; None: there are none."""
        columns = block.c
        done = select(boot.c.merged_ns).where(boot.c.id == boot_no).scalar_subquery()
        wanted = (
            select(*BLOCK_COLUMNS)
            .where(columns.boot == boot_no, columns.first_ns > done, columns.last_ms < before_ms)
            .order_by(columns.first_ns)
            .limit(_READ)
        )
        async with self._database.read() as connection:
            rows = await self._payloads.get(connection, wanted)
        if not rows:
            return None
        groups = _groups(rows)
        if len(rows) == _READ and len(groups) > 1:
            # The last minute may have more blocks.
            groups.pop()
        merged = Merged(0, 0, 0)
        for group in groups:
            encoded = await asyncio.to_thread(_merged, group) if len(group) > 1 else None
            if encoded is not None and await self._replace(group, encoded):
                size = sum(len(row.tasks) + len(row.host_columns) for row in group)
                merged = Merged(
                    merged.blocks + len(group),
                    merged.made + 1,
                    merged.saved_bytes + size - len(encoded.tasks) - len(encoded.host),
                )
        async with self._database.write() as connection:
            last_ns = groups[-1][-1].first_ns
            await connection.execute(update(boot).where(boot.c.id == boot_no).values(merged_ns=last_ns))
        return merged

    @retry_on_conflict
    async def _replace(self, group: Sequence[Any], encoded: Encoded) -> bool:
        first, last = group[0], group[-1]
        keys = [(row.boot, row.first_ns) for row in group]
        row = {
            **{column.name: getattr(first, column.name) for column in BLOCK_COLUMNS},
            **{name: sum(getattr(part, name) for part in group) for name in _ADDED},
            "last_ns": last.last_ns,
            "last_ms": last.last_ms,
            "samples": encoded.samples,
            "lives": encoded.lives,
        }
        with contextlib.suppress(_GoneError):
            async with self._database.write() as connection:
                if await self._payloads.delete(connection, keys) != len(keys):
                    raise _GoneError
                await self._payloads.put(connection, [row], [Payload(encoded.host, encoded.tasks)])
            return True
        return False


def _groups(rows: Sequence[Any]) -> list[list[Any]]:
    """Blocks by minute, in their order."""
    groups: list[list[Any]] = []
    for row in rows:
        before = groups[-1][-1] if groups else None
        if before is not None and _same_minute(before, row):
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups


def _same_minute(before: Any, row: Any) -> bool:
    """By a wall clock that nobody set between them: a block's samples are in the order of both clocks."""
    shift_ms = (row.first_ms - before.first_ms) - (row.first_ns - before.first_ns) // 1_000_000
    same: bool = row.first_ms // MINUTE_MS == before.first_ms // MINUTE_MS
    return same and bool(abs(shift_ms) <= CLOCK_SET_NS // 1_000_000)


def _merged(group: Sequence[Any]) -> Encoded | None:
    """None if they stay as they are: not contiguous, damaged, or not smaller when merged."""
    try:
        encoded = merge_blocks([(row.tasks, row.host_columns, row.first_ms) for row in group])
    except (BlockDamagedError, ValueError):
        return None
    size = sum(len(row.tasks) + len(row.host_columns) for row in group)
    return encoded if len(encoded.tasks) + len(encoded.host) < size else None
