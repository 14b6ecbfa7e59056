"""Writes and reads the gaps that agents report, and finds where samples are missing without a report."""

import asyncio
import itertools
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from tukur.blocks import BlockDamagedError, decode_host_samples
from tukur.hub.store.backends.bulk import merge
from tukur.hub.store.backends.database import Database
from tukur.hub.store.payloads import Payloads
from tukur.hub.store.schema import block, gap, run
from tukur.protocol.messages import GAP_NS, Gap

log = logging.getLogger(__name__)

GAP_MS = GAP_NS // 1_000_000
_SUSPECT_MS = 1250
"""A block that lasted longer than its samples by so much is looked into."""
_MAX_SUSPECTS = 2000
_OVERLAP = 8
"""So many blocks that end later may have begun before one: the clock was set back."""
_REASON = 32


@dataclass(frozen=True, slots=True)
class Hole:
    """Where no sample lies: the last one before, the first one after, and why nobody reported it."""

    last_ms: int
    first_ms: int
    reason: str = "not_recorded"
    """``not_recorded``, ``not_sampled`` or ``clock_set``; see ``hub.models.record``."""


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

    def __init__(self, database: Database, payloads: Payloads) -> None:
        self._database = database
        self._payloads = payloads

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
        """Where, within [from, to), no sample lies for longer than a gap takes, the oldest first."""
        columns = block.c
        mine = columns.host == host_no
        async with self._database.read() as connection:
            before = select(func.max(columns.last_ms)).where(mine, columns.last_ms < from_ms)
            after = select(func.min(columns.last_ms)).where(mine, columns.last_ms >= to_ms)
            first, last = [(await connection.execute(edge)).scalar_one() for edge in (before, after)]
            chosen = [mine, columns.last_ms >= (from_ms if first is None else first)]
            chosen += [] if last is None else [columns.last_ms <= last]
            holes = [_between(row) for row in await connection.execute(_neighbours(chosen, limit))]
            suspects = await self._payloads.get(connection, _suspects(chosen), tasks=False)
        holes += await asyncio.to_thread(_within, suspects)
        inside = [hole for hole in holes if hole.first_ms > from_ms and hole.last_ms < to_ms]
        return sorted(inside, key=lambda hole: hole.last_ms)[:limit]


def _neighbours(chosen: Sequence[Any], limit: int) -> Select[Any]:
    """Blocks, of any boot, that begin later than the one before them by the wall clock ends."""
    columns = block.c
    order: Any = {"order_by": (columns.last_ms, columns.boot, columns.first_ns)}
    pairs = (
        select(
            columns.boot,
            columns.first_ns,
            columns.missed,
            func.min(columns.first_ms).over(**order, rows=(0, _OVERLAP)).label("begin_ms"),
            func.lag(columns.boot).over(**order).label("before_boot"),
            func.lag(columns.last_ns).over(**order).label("before_ns"),
            func.lag(columns.last_ms).over(**order).label("before_ms"),
        )
        .where(*chosen)
        .subquery()
    )
    began = (run.c.boot == pairs.c.boot) & (run.c.first_ns == pairs.c.first_ns)
    found = select(pairs, run.c.first_ns.label("run_ns")).outerjoin(run, began)
    return found.where(pairs.c.begin_ms - pairs.c.before_ms > GAP_MS).order_by(pairs.c.begin_ms).limit(limit)


def _between(row: Any) -> Hole:
    reason = "not_recorded"
    if row.boot == row.before_boot and row.run_ns is None:
        passed_ns = row.first_ns - row.before_ns
        if passed_ns <= GAP_NS:
            reason = "clock_set"
        elif (row.missed + 2) * 1_000_000_000 >= passed_ns:
            # The agent counted what it missed; else blocks are missing, or still to come.
            reason = "not_sampled"
    return Hole(int(row.before_ms), int(row.begin_ms), reason)


def _suspects(chosen: Sequence[Any]) -> Select[Any]:
    """Blocks that lasted longer than so many samples take."""
    columns = block.c
    lasted = columns.last_ms - columns.first_ms
    wanted = select(columns.boot, columns.first_ns, columns.first_ms).where(*chosen)
    wanted = wanted.where(lasted - (columns.samples - 1) * 1000 > _SUSPECT_MS)
    return wanted.order_by(columns.last_ms).limit(_MAX_SUSPECTS)


def _within(rows: Sequence[Any]) -> list[Hole]:
    """Between the samples of one block."""
    holes = []
    for row in rows:
        try:
            found = decode_host_samples(row.host_columns, row.first_ms)
        except BlockDamagedError as error:
            log.error(
                "block %d of boot %d is damaged, its gaps are unknown: %s", row.first_ns, row.boot, error
            )
            continue
        own = found.samples[int(found.baseline) :]
        for (wall_ns, boot_ns, _), (next_wall_ns, next_boot_ns, _) in itertools.pairwise(own):
            if next_wall_ns - wall_ns > GAP_NS:
                reason = "not_sampled" if next_boot_ns - boot_ns > GAP_NS else "clock_set"
                holes.append(Hole(wall_ns // 1_000_000, next_wall_ns // 1_000_000, reason))
    return holes
