"""Writes and reads the gaps that agents report, and finds where samples are missing without a report."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from tukur.hub.store.backends.bulk import merge
from tukur.hub.store.backends.database import Database
from tukur.hub.store.schema import block, gap
from tukur.protocol.messages import Gap

MISSING_NS = 2_500_000_000
"""Samples are a second apart. A single one missing between two blocks is not reported."""
_REASON = 32


@dataclass(frozen=True, slots=True)
class Hole:
    """Between two blocks: the last sample before, the first one after."""

    last_ms: int
    first_ms: int


async def put_gap(connection: AsyncConnection, boot_no: int, content: Gap) -> None:
    """Stores a gap; if it is known and has grown at its end, it becomes longer."""
    row = {
        "boot": boot_no,
        "first_ns": content.first_ns,
        "last_ns": content.last_ns,
        "first_ms": content.first_wall_ns // 1_000_000,
        "last_ms": content.last_wall_ns // 1_000_000,
        "blocks": content.blocks,
        "samples": content.samples,
        "reason": content.reason[:_REASON],
    }
    grown = ("last_ns", "last_ms", "blocks", "samples")
    await merge(connection, gap, [row], maxima=grown)


class GapStore:
    """Queries over gaps."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def reported(self, boots: Sequence[int], from_ms: int, to_ms: int, limit: int) -> list[Any]:
        """Rows of ``gap`` that overlap [from, to), the oldest first."""
        columns = gap.c
        wanted = (
            select(gap)
            .where(columns.boot.in_(boots), columns.first_ms < to_ms, columns.last_ms >= from_ms)
            .order_by(columns.first_ms, columns.boot)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return list(await connection.execute(wanted))

    async def holes(self, host_no: int, from_ms: int, to_ms: int, limit: int) -> list[Hole]:
        """Where, within [from, to), a block does not follow the one before it, the oldest first."""
        columns = block.c
        mine = columns.host == host_no
        async with self._database.read() as connection:
            before = select(func.max(columns.last_ms)).where(mine, columns.last_ms < from_ms)
            after = select(func.min(columns.last_ms)).where(mine, columns.last_ms >= to_ms)
            first, last = [(await connection.execute(edge)).scalar_one() for edge in (before, after)]
            chosen = [mine, columns.last_ms >= (from_ms if first is None else first)]
            chosen += [] if last is None else [columns.last_ms <= last]
            holes = [
                Hole(int(row.before_ms), int(row.first_ms))
                for row in await connection.execute(_within_boots(chosen, limit))
            ]
            boots = select(func.min(columns.first_ms), func.max(columns.last_ms)).where(*chosen)
            spans = await connection.execute(boots.group_by(columns.boot))
            holes += _between_boots(sorted((int(begin), int(end)) for begin, end in spans))
        inside = [hole for hole in holes if hole.first_ms > from_ms and hole.last_ms < to_ms]
        return sorted(inside, key=lambda hole: hole.last_ms)[:limit]


def _within_boots(chosen: Sequence[Any], limit: int) -> Select[Any]:
    """Blocks that do not follow the one before them, by the boot's own clock: the other may have been set."""
    columns = block.c
    order: Any = {"partition_by": columns.boot, "order_by": columns.first_ns}
    neighbours = (
        select(
            columns.first_ns,
            columns.first_ms,
            func.lag(columns.last_ns).over(**order).label("before_ns"),
            func.lag(columns.last_ms).over(**order).label("before_ms"),
        )
        .where(*chosen)
        .subquery()
    )
    found = select(neighbours.c.before_ms, neighbours.c.first_ms)
    found = found.where(neighbours.c.first_ns - neighbours.c.before_ns > MISSING_NS)
    return found.order_by(neighbours.c.first_ms).limit(limit)


def _between_boots(spans: Sequence[tuple[int, int]]) -> list[Hole]:
    holes, end = [], spans[0][1] if spans else 0
    for begin, last in spans:
        if begin - end > MISSING_NS // 1_000_000:
            holes.append(Hole(end, begin))
        end = max(end, last)
    return holes
