"""Copies a record from one database to another; each run copies only what differs."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table, and_, delete, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from tukur.hub.store.backends.bulk import chunks, insert_new, merge
from tukur.hub.store.backends.database import Database
from tukur.hub.store.errors import StoreError
from tukur.hub.store.maintenance.partitions import PartitionStore
from tukur.hub.store.maintenance.retention import RetentionStore
from tukur.hub.store.schema import block, host, metadata

_ROWS = 500
_BLOCKS = 50
"""Blocks at once: each has some ten KiB."""

Key = tuple[Any, ...]


class ForeignRecordError(StoreError):
    """The target holds a record of other hosts."""

    code = "store_foreign"


@dataclass(frozen=True, slots=True)
class Copied:
    """How far a table is copied."""

    table: str
    rows: int
    """Rows of the source read so far."""
    written: int
    """Of these, the rows that were missing or different in the target."""
    deleted: int
    """Rows that were only in the target."""


class Copy:
    """One run. The source may change meanwhile: the next run finds what this one had read already."""

    def __init__(
        self, source: Database, target: Database, retention: RetentionStore, partitions: PartitionStore
    ) -> None:
        """`retention`: of the source; `partitions`: of the target."""
        self._source = source
        self._target = target
        self._retention = retention
        self._partitions = partitions
        self._referred = {
            key.column.table for table in metadata.tables.values() for key in table.foreign_keys
        }

    async def rows(self) -> int:
        """How many rows the source has in all tables."""
        async with self._source.read() as connection:
            numbers = [
                (await connection.execute(select(func.count()).select_from(table))).scalar_one()
                for table in metadata.sorted_tables
            ]
        return sum(map(int, numbers))

    async def run(self) -> AsyncGenerator[Copied, None]:
        """Copies table by table, each after the tables that it refers to; yields after each step.

        Raises StoreError; ForeignRecordError before anything is written.
        """
        await self._check()
        await self._create_partitions()
        gone: list[tuple[Table, list[Key]]] = []
        for table in metadata.sorted_tables:
            state = Copied(table.name, 0, 0, 0)
            async for rows, written, extra in self._table(table):
                deleted = len(extra)
                if extra and table in self._referred:
                    # Rows that refer to them are deleted first.
                    gone.append((table, extra))
                elif extra:
                    await self._delete(table, extra)
                state = Copied(
                    table.name, state.rows + rows, state.written + written, state.deleted + deleted
                )
                yield state
        for table, keys in reversed(gone):
            await self._delete(table, keys)

    async def _create_partitions(self) -> None:
        oldest, newest_ms = await self._retention.oldest(), await self._retention.newest_ms()
        if oldest is not None:
            until_ms = max(oldest.minutes_ms, newest_ms or 0)
            await self._partitions.ensure(oldest.minutes_ms, until_ms)

    async def _check(self) -> None:
        hosts = []
        for database in (self._source, self._target):
            async with database.read() as connection:
                found = await connection.execute(select(host.c.id, host.c.host_id))
                hosts.append({int(number): host_id for number, host_id in found})
        source, target = hosts
        foreign = [host_id for number, host_id in target.items() if source.get(number) != host_id]
        if foreign:
            raise ForeignRecordError(
                f"{self._target.backend} holds the record of hosts that {self._source.backend} does not know "
                f"({len(foreign)}, one is {foreign[0]}); an empty database expected, or an earlier copy"
            )

    async def _table(self, table: Table) -> AsyncGenerator[tuple[int, int, list[Key]], None]:
        """(rows read, rows written, keys that are only in the target) of each step."""
        key = list(table.primary_key)
        size = _BLOCKS if table is block else _ROWS
        after: Key | None = None
        while True:
            rows = await _read(self._source, table, after, None, size)
            until = _key(rows[-1], key) if len(rows) == size else None
            known = {_key(row, key): row for row in await _read(self._target, table, after, until, None)}
            there = {_key(row, key): row for row in rows}
            changed = [row._asdict() for at, row in there.items() if tuple(known.get(at, ())) != tuple(row)]
            if changed:
                async with self._target.write() as connection:
                    await _put(connection, table, changed)
            yield len(rows), len(changed), [at for at in known if at not in there]
            if until is None:
                return
            after = until

    async def _delete(self, table: Table, keys: Sequence[Key]) -> None:
        for part in chunks(keys, _ROWS):
            async with self._target.write() as connection:
                await connection.execute(delete(table).where(tuple_(*table.primary_key).in_(part)))


def _key(row: Any, key: Sequence[Any]) -> Key:
    return tuple(getattr(row, column.name) for column in key)


async def _read(
    database: Database, table: Table, after: Key | None, until: Key | None, limit: int | None
) -> list[Any]:
    """Rows in the order of the key, after one and up to another."""
    key = list(table.primary_key)
    wanted = select(table).order_by(*key).limit(limit)
    if after is not None:
        wanted = wanted.where(_beyond(key, after))
    if until is not None:
        wanted = wanted.where(~_beyond(key, until), key[0] <= until[0])
    async with database.read() as connection:
        return list(await connection.execute(wanted))


def _beyond(key: Sequence[Any], values: Key) -> ColumnElement[bool]:
    """Whether a row's key is greater: column by column, since MySQL uses no index for row comparisons."""
    found: ColumnElement[bool] = key[-1] > values[-1]
    for column, value in zip(reversed(key[:-1]), reversed(values[:-1]), strict=True):
        found = or_(column > value, and_(column == value, found))
    return and_(key[0] >= values[0], found)


async def _put(connection: AsyncConnection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Inserts the rows; if the key exists, all other columns are replaced."""
    others = tuple(column.name for column in table.columns if not column.primary_key)
    if others:
        await merge(connection, table, rows, replaced=others)
    else:
        await insert_new(connection, table, rows)
