"""Reads how lives ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.sql.elements import ColumnElement

from tukur.hub.store.backends.database import Database
from tukur.hub.store.record.rollups import MINUTE_MS
from tukur.hub.store.record.rows import GROUP_MS
from tukur.hub.store.schema import block, life_group, process


@dataclass(frozen=True, slots=True)
class ExitCursor:
    """The last life of a page of results."""

    last_ms: int
    start_ns: int
    pid: int


_ONLY: dict[str, ColumnElement[bool] | None] = {
    "all": None,
    "failed": or_(process.c.exit_code > 0, process.c.exit_signal.is_not(None)),
    "signal": process.c.exit_signal.is_not(None),
    "oom": process.c.cause == "oom",
}


class ExitStore:
    """Queries over ended lives, aggregates of lives, and losses. All methods raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ended(
        self,
        boots: Sequence[int],
        from_ms: int,
        to_ms: int,
        only: str,
        limit: int,
        after: ExitCursor | None,
    ) -> list[Any]:
        """Process rows of lives that ended in [from, to), newest first."""
        columns = process.c
        found: list[Any] = []
        async with self._database.read() as connection:
            # Boot by boot: the index then yields them in order, so that a year costs no more than an hour.
            for boot in boots:
                wanted = select(process).where(
                    columns.boot == boot,
                    columns.ended.is_(True),
                    columns.last_ms >= from_ms,
                    columns.last_ms < to_ms,
                )
                chosen = _ONLY[only]
                if chosen is not None:
                    wanted = wanted.where(chosen)
                if after is not None:
                    wanted = wanted.where(columns.last_ms <= after.last_ms, _beyond(after))
                ordered = wanted.order_by(
                    columns.last_ms.desc(), columns.start_ns.desc(), columns.pid.desc()
                ).limit(limit)
                found.extend(await connection.execute(ordered))
        found.sort(key=lambda row: (-row.last_ms, -row.start_ns, -row.pid))
        return found[:limit]

    async def groups(self, boots: Sequence[int], from_ms: int, to_ms: int) -> list[Any]:
        """Aggregates of lives in the ten-second periods that overlap [from, to), by their CPU time."""
        columns = life_group.c
        keys = (columns.boot, columns.parent_start_ns, columns.ppid, columns.name, columns.uid)
        cpu_ns = func.sum(columns.cpu_ns).label("cpu_ns")
        wanted = (
            select(
                *keys,
                func.sum(columns.lives).label("lives"),
                cpu_ns,
                func.max(columns.rss_peak).label("rss_peak"),
                func.sum(columns.read_bytes).label("read_bytes"),
                func.sum(columns.write_bytes).label("write_bytes"),
            )
            .where(
                columns.boot.in_(boots),
                columns.at_ms >= from_ms // GROUP_MS * GROUP_MS,
                columns.at_ms < to_ms,
            )
            .group_by(*keys)
            .order_by(cpu_ns.desc())
            .limit(1000)
        )
        async with self._database.read() as connection:
            return list(await connection.execute(wanted))

    async def lost(self, host_no: int, from_ms: int, to_ms: int) -> Any:
        """Sums of what the blocks of [from, to) lost: lives, cpu_ns, execs, finals."""
        names = ("lives", "cpu_ns", "execs", "finals")
        sums = [func.coalesce(func.sum(block.c[f"lost_{name}"]), 0).label(name) for name in names]
        wanted = select(*sums).where(
            block.c.host == host_no,
            block.c.last_ms >= from_ms,
            block.c.last_ms < to_ms + 2 * MINUTE_MS,
            block.c.first_ms < to_ms,
        )
        async with self._database.read() as connection:
            return (await connection.execute(wanted)).one()


def _beyond(after: ExitCursor) -> ColumnElement[bool]:
    columns = process.c
    return or_(
        columns.last_ms < after.last_ms,
        and_(columns.last_ms == after.last_ms, columns.start_ns < after.start_ns),
        and_(
            columns.last_ms == after.last_ms,
            columns.start_ns == after.start_ns,
            columns.pid < after.pid,
        ),
    )
