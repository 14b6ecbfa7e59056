"""The two ways into the database: a transaction that writes, a transaction that reads."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

import stamina
from sqlalchemy import Table, func
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from tukur.hub.store.engine import Backend, told
from tukur.hub.store.errors import ConflictError

P = ParamSpec("P")
T = TypeVar("T")


def repeated(call: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """A call that is one transaction: where the server undid it for another's sake it is done again."""

    @functools.wraps(call)
    async def again(*args: P.args, **kwargs: P.kwargs) -> T:
        attempts = stamina.retry_context(
            on=ConflictError, attempts=6, timeout=40, wait_initial=0.02, wait_max=1.0, wait_jitter=0.05
        )
        async for attempt in attempts:
            with attempt:
                return await call(*args, **kwargs)
        raise AssertionError("the last attempt returns or raises")

    return again


class Database:
    """One writer, a few readers."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._writer, self._readers = backend.engines()

    @contextlib.asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that commits at the end, or changes nothing. Raises StoreError."""
        with told(self.backend):
            async with asyncio.timeout(self.backend.patience_s), self._writer.begin() as connection:
                yield connection

    @contextlib.asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that sees one state of the database. Raises StoreError."""
        with told(self.backend):
            async with asyncio.timeout(self.backend.patience_s), self._readers.connect() as connection:
                yield connection

    async def alone(self, *statements: str) -> None:
        """Runs statements that no transaction may hold. Raises StoreError."""
        with told(self.backend):
            async with self._writer.connect() as connection:
                raw = await connection.get_raw_connection()
                for statement in statements:
                    await raw.driver_connection.execute(statement)  # type: ignore[union-attr]

    async def close(self) -> None:
        """Closes all connections."""
        await self._writer.dispose()
        await self._readers.dispose()


async def insert_new(connection: AsyncConnection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Inserts the rows; one whose key is there already changes nothing."""
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        await connection.execute(sqlite.insert(table).on_conflict_do_nothing(), rows)
    else:
        # INSERT IGNORE would store what does not fit as something else.
        key = next(iter(table.primary_key))
        await connection.execute(mysql.insert(table).on_duplicate_key_update({key.name: key}), rows)


async def merge(
    connection: AsyncConnection,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    added: Sequence[str],
    highest: Sequence[str] = (),
    lowest: Sequence[str] = (),
    taken: Sequence[str] = (),
) -> None:
    """Inserts the rows; where the key is there, columns are added up, the highest, lowest or newest kept."""
    if rows:
        columns = tuple(added), tuple(highest), tuple(lowest), tuple(taken)
        await connection.execute(_merging(connection.dialect.name, table, *columns), rows)


@functools.lru_cache
def _merging(
    dialect: str,
    table: Table,
    added: Sequence[str],
    highest: Sequence[str],
    lowest: Sequence[str],
    taken: Sequence[str],
) -> Any:
    # Kept: for a host's figures SQLAlchemy takes longer to put it together than the database to run it.
    statement: Any
    most: Any
    least: Any
    if dialect == "sqlite":
        statement = sqlite.insert(table)
        new, most, least = statement.excluded, func.max, func.min
    else:
        statement = mysql.insert(table)
        new, most, least = statement.inserted, func.greatest, func.least
    # What one side does not know is what the other says.
    pairs = {
        name: (func.coalesce(table.c[name], new[name]), func.coalesce(new[name], table.c[name]))
        if table.c[name].nullable
        else (table.c[name], new[name])
        for name in (*added, *highest, *lowest)
    }
    values: dict[str, ColumnElement[Any]] = {
        **{name: func.coalesce(table.c[name] + new[name], pairs[name][0]) for name in added},
        **{name: most(*pairs[name]) for name in highest},
        **{name: least(*pairs[name]) for name in lowest},
        **{name: new[name] for name in taken},
    }
    if dialect == "sqlite":
        keys = [column.name for column in table.primary_key]
        statement = statement.on_conflict_do_update(index_elements=keys, set_=values)
    else:
        statement = statement.on_duplicate_key_update(**values)
    return statement
