"""The days of the record as partitions, on a server: a day that is too old goes as a file, not row by row.

SQLite has none: there all of this does nothing.
"""

import logging
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import stamina
from sqlalchemy import Column, Table, text
from sqlalchemy.ext.asyncio import AsyncConnection

from tukur.hub.store.backends.database import Database
from tukur.hub.store.errors import ConflictError, StoreError
from tukur.hub.store.maintenance.retention_policy import DAY_MS
from tukur.hub.store.schema import block, host_minute, process_minute

log = logging.getLogger(__name__)

PARTITIONED: tuple[tuple[Table, Column[int]], ...] = (
    (block, block.c.first_ms),
    (host_minute, host_minute.c.minute_ms),
    (process_minute, process_minute.c.minute_ms),
)
"""Tables, and what their days are made by."""
AHEAD_MS = 2 * DAY_MS
"""Days are made so long before they begin. What is later still has a partition of its own."""
MAX_DAYS = 400

_PARTITIONS = text(
    "SELECT partition_name, partition_description, table_rows FROM information_schema.partitions "
    "WHERE table_schema = DATABASE() AND table_name = :name AND partition_name IS NOT NULL "
    "ORDER BY partition_ordinal_position"
)


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition as the server tells it."""

    name: str
    before_ms: int | None
    """It holds what is earlier, and not in the one before it; None: all that is left."""
    rows: int
    """As the server estimates."""


class PartitionStore:
    """Makes days, and drops them. A change waits for nobody: it is tried again where a table is in use.

    Where the server does not let it, all works without: the log says so, and rows are deleted one by one.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._fault = ""

    async def ensure(self, from_ms: int, to_ms: int) -> None:
        """Sees to it that each day of the range, and the next ones, have a partition each."""
        first = max(from_ms, to_ms - MAX_DAYS * DAY_MS) // DAY_MS * DAY_MS
        wanted = range(first + DAY_MS, to_ms + AHEAD_MS + 1, DAY_MS)
        for table, _ in PARTITIONED:
            lowest: int | None = None
            for part in await self.partitions(table):
                inside = [bound for bound in wanted if _within(bound, lowest, part.before_ms)]
                if inside:
                    # Rows that it holds are copied: of the day that is coming there are none.
                    done = await self._change(
                        f"ALTER TABLE {table.name} REORGANIZE PARTITION {part.name} INTO "
                        f"({', '.join([*map(_day, inside), _rest(part)])})"
                    )
                    if not done:
                        return
                lowest = part.before_ms

    async def drop(self, before_ms: int) -> AsyncGenerator[int, None]:
        """Drops the blocks' days that are over by then; yields about how many rows each had."""
        async for rows in self._drop(block, before_ms):
            yield rows

    async def drop_minutes(self, before_ms: int) -> AsyncGenerator[int, None]:
        """The same of the minutes."""
        for table in (host_minute, process_minute):
            async for rows in self._drop(table, before_ms):
                yield rows

    async def _drop(self, table: Table, before_ms: int) -> AsyncGenerator[int, None]:
        for part in await self.partitions(table):
            if part.before_ms is None or part.before_ms > before_ms:
                return
            if not await self._change(f"ALTER TABLE {table.name} DROP PARTITION {part.name}"):
                return
            yield part.rows

    async def partitions(self, table: Table) -> Sequence[Partition]:
        """Of a table, the earliest first; none on SQLite."""
        async with self._database.read() as connection:
            if connection.dialect.name == "sqlite":
                return []
            rows = (await connection.execute(_PARTITIONS, {"name": table.name})).all()
        return [
            Partition(name, None if bound == "MAXVALUE" else int(bound), int(estimate or 0))
            for name, bound, estimate in rows
        ]

    async def has_partitions(self) -> bool:
        """Whether this database keeps days by themselves."""
        return bool(await self.partitions(block))

    async def _change(self, statement: str) -> bool:
        """Whether it was done."""
        try:
            await self._in_time(statement)
        except StoreError as error:
            if error.code != self._fault:
                log.warning("the days of the record are not kept apart: %s", error)
            self._fault = error.code
            return False
        self._fault = ""
        return True

    async def _in_time(self, statement: str) -> None:
        attempts = stamina.retry_context(
            on=ConflictError, attempts=20, timeout=20, wait_initial=0.05, wait_max=1.0
        )
        async for attempt in attempts:
            with attempt:
                # Of a record that had no days yet the first change copies all that there is.
                async with self._database.write(no_timeout=True) as connection:
                    await _at_once(connection, statement)


async def _at_once(connection: AsyncConnection, statement: str) -> None:
    """Changes a table if nobody reads it right now: else all who come later would wait behind us."""
    # MySQL's least is a second.
    least = 0 if getattr(connection.dialect, "is_mariadb", False) else 1
    before = (await connection.exec_driver_sql("SELECT @@SESSION.lock_wait_timeout")).scalar_one()
    await connection.exec_driver_sql(f"SET SESSION lock_wait_timeout={least}")
    try:
        await connection.exec_driver_sql(statement)
    finally:
        await connection.exec_driver_sql(f"SET SESSION lock_wait_timeout={before}")


def _within(bound: int, lowest: int | None, highest: int | None) -> bool:
    return (lowest is None or bound > lowest) and (highest is None or bound < highest)


def _day(before_ms: int) -> str:
    """The partition of the day that ends then: named by its date."""
    day = datetime.fromtimestamp((before_ms - DAY_MS) / 1000, UTC)
    return f"PARTITION d{day:%Y%m%d} VALUES LESS THAN ({before_ms})"


def _rest(part: Partition) -> str:
    bound = "MAXVALUE" if part.before_ms is None else f"({part.before_ms})"
    return f"PARTITION {part.name} VALUES LESS THAN {bound}"
