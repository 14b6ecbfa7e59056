"""The two ways into the database: a transaction that writes, a transaction that reads."""

import asyncio
import contextlib
import contextvars
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import ParamSpec, TypeVar

import stamina
from sqlalchemy.ext.asyncio import AsyncConnection

from tukur.hub.store.backends.engine import Backend, store_errors
from tukur.hub.store.errors import ConflictError

P = ParamSpec("P")
T = TypeVar("T")


def retry_on_conflict(call: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """Repeats a call that is one transaction if the server rolled it back because of a conflict."""

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


class CancellableReads:
    """The reads of one context, which can be cancelled from outside.

    Cancelling the task is not enough: the database would run the query to its end.
    """

    def __init__(self) -> None:
        self._open: dict[AsyncConnection, Backend] = {}

    def context(self) -> contextvars.Context:
        """A context whose reads :meth:`end` cancels."""
        context = contextvars.copy_context()
        context.run(_OPEN_READS.set, self._open)
        return context

    async def end(self) -> None:
        """Cancels each of them: it fails with EndedError."""
        for connection, backend in list(self._open.items()):
            await backend.interrupt(connection)


_OPEN_READS: contextvars.ContextVar[dict[AsyncConnection, Backend] | None] = contextvars.ContextVar(
    "open_reads", default=None
)


@contextlib.contextmanager
def _open(backend: Backend, connection: AsyncConnection) -> Iterator[None]:
    reads = _OPEN_READS.get()
    if reads is None:
        yield
        return
    reads[connection] = backend
    try:
        yield
    finally:
        del reads[connection]


class Database:
    """One writer, a few readers."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._writer, self._readers = backend.engines()

    @contextlib.asynccontextmanager
    async def write(self, *, no_timeout: bool = False) -> AsyncIterator[AsyncConnection]:
        """A transaction that commits at the end, or changes nothing; no_timeout: without a time limit.

        Raises StoreError.
        """
        timeout_s = None if no_timeout else self.backend.timeout_s
        with store_errors(self.backend):
            async with asyncio.timeout(timeout_s), self._writer.begin() as connection:
                yield connection

    @contextlib.asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that sees one state of the database. Raises StoreError."""
        with store_errors(self.backend):
            async with asyncio.timeout(self.backend.timeout_s), self._readers.connect() as connection:
                with _open(self.backend, connection):
                    yield connection

    @contextlib.asynccontextmanager
    async def snapshot(self) -> AsyncIterator["Snapshot"]:
        """The database as it is now, for many reads, however long they take. Raises StoreError."""
        with store_errors(self.backend):
            async with self._readers.connect() as connection:
                yield Snapshot(self.backend, connection)

    async def ensure_connected(self) -> None:
        """Opens the writing connection if it is closed, and with it takes the hub's lock on the server.

        Raises StoreError.
        """
        async with self.write():
            pass

    async def outside_transaction(self, *statements: str) -> None:
        """Runs statements that are not allowed in a transaction. Raises StoreError."""
        with store_errors(self.backend):
            async with self._writer.connect() as connection:
                raw = await connection.get_raw_connection()
                for statement in statements:
                    await raw.driver_connection.execute(statement)  # type: ignore[union-attr]

    async def close(self) -> None:
        """Closes all connections."""
        await self._writer.dispose()
        await self._readers.dispose()


class Snapshot(Database):
    """Read only: all reads are one transaction, without a time limit, and see one state."""

    def __init__(self, backend: Backend, connection: AsyncConnection) -> None:
        self.backend = backend
        self._connection = connection

    @contextlib.asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """The one transaction. Raises StoreError."""
        with store_errors(self.backend):
            yield self._connection
