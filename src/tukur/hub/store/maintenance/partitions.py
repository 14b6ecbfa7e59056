"""Daily partitions of the record on a server: an old day is dropped as a file, not row by row.

SQLite has no partitions: there all of this does nothing.
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
"""Tables with the column that they are partitioned by."""
AHEAD_MS = 2 * DAY_MS
"""How long in advance partitions are created. What is later still goes into the last one."""
MAX_DAYS = 400

_PARTITIONS = text(
    "SELECT partition_name, partition_description, table_rows FROM information_schema.partitions "
    "WHERE table_schema = DATABASE() AND table_name = :name AND partition_name IS NOT NULL "
    "ORDER BY partition_ordinal_position"
)


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition as the server describes it."""

    name: str
    before_ms: int | None
    """Its upper bound; None: unbounded."""
    rows: int
    """The server's estimate."""


class PartitionStore:
    """Creates and drops partitions. A change never waits for a lock: it is retried while a table is in use.

    If the server refuses, all works without: a warning is logged, and rows are deleted one by one.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._fault = ""

    async def ensure(self, from_ms: int, to_ms: int) -> None:
        """Creates the missing partitions for each day of the range and for the next days."""
        first = max(from_ms, to_ms - MAX_DAYS * DAY_MS) // DAY_MS * DAY_MS
        wanted = range(first + DAY_MS, to_ms + AHEAD_MS + 1, DAY_MS)
        for table, _ in PARTITIONED:
            lowest: int | None = None
            for part in await self.partitions(table):
                inside = [bound for bound in wanted if _within(bound, lowest, part.before_ms)]
                if inside:
                    # Copies the rows of the split partition: the days to come have none.
                    done = await self._change(
                        f"ALTER TABLE {table.name} REORGANIZE PARTITION {part.name} INTO "
                        f"({', '.join([*map(_partition_of, inside), _rest(part)])})"
                    )
                    if not done:
                        return
                lowest = part.before_ms

    async def drop(self, before_ms: int) -> AsyncGenerator[int, None]:
        """Drops the partitions of blocks that end by then; yields the estimated number of rows of each."""
        async for rows in self._drop(block, before_ms):
            yield rows

    async def drop_minutes(self, before_ms: int) -> AsyncGenerator[int, None]:
        """The same for the minutes."""
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
        """The partitions of a table, the earliest first; none on SQLite."""
        async with self._database.read() as connection:
            if connection.dialect.name == "sqlite":
                return []
            rows = (await connection.execute(_PARTITIONS, {"name": table.name})).all()
        return [
            Partition(name, None if bound == "MAXVALUE" else int(bound), int(estimate or 0))
            for name, bound, estimate in rows
        ]

    async def has_partitions(self) -> bool:
        """Whether this database has partitions."""
        return bool(await self.partitions(block))

    async def _change(self, statement: str) -> bool:
        """Runs a statement; False: the server refused."""
        try:
            await self._retried(statement)
        except StoreError as error:
            if error.code != self._fault:
                log.warning("daily partitions cannot be changed: %s", error)
            self._fault = error.code
            return False
        self._fault = ""
        return True

    async def _retried(self, statement: str) -> None:
        attempts = stamina.retry_context(
            on=ConflictError, attempts=20, timeout=20, wait_initial=0.05, wait_max=1.0
        )
        async for attempt in attempts:
            with attempt:
                # In a record without partitions the first change copies everything.
                async with self._database.write(no_timeout=True) as connection:
                    await _without_waiting(connection, statement)


async def _without_waiting(connection: AsyncConnection, statement: str) -> None:
    """Changes a table only if nobody is using it: later queries would have to wait behind us."""
    # MySQL's minimum is a second.
    wait_s = 0 if getattr(connection.dialect, "is_mariadb", False) else 1
    before = (await connection.exec_driver_sql("SELECT @@SESSION.lock_wait_timeout")).scalar_one()
    await connection.exec_driver_sql(f"SET SESSION lock_wait_timeout={wait_s}")
    try:
        await connection.exec_driver_sql(statement)
    finally:
        await connection.exec_driver_sql(f"SET SESSION lock_wait_timeout={before}")


def _within(bound: int, lowest: int | None, highest: int | None) -> bool:
    return (lowest is None or bound > lowest) and (highest is None or bound < highest)


def _partition_of(before_ms: int) -> str:
    """The partition of the day that ends then, named by its date."""
    day = datetime.fromtimestamp((before_ms - DAY_MS) / 1000, UTC)
    return f"PARTITION d{day:%Y%m%d} VALUES LESS THAN ({before_ms})"


def _rest(part: Partition) -> str:
    bound = "MAXVALUE" if part.before_ms is None else f"({part.before_ms})"
    return f"PARTITION {part.name} VALUES LESS THAN {bound}"
