"""The two ways into the database: a transaction that writes, a transaction that reads."""

import asyncio
import contextlib
import contextvars
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import ParamSpec, TypeVar

import stamina
from sqlalchemy.ext.asyncio import AsyncConnection

from tukur.hub.store.backends.engine import Backend, told
from tukur.hub.store.errors import ConflictError

P = ParamSpec("P")
T = TypeVar("T")


def retry_on_conflict(call: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
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


class CancellableReads:
    """What is read in one context, so that somebody outside can end it.

    To cancel whoever asks is not enough: the database would work on to the end of its answer.
    """

    def __init__(self) -> None:
        self._open: dict[AsyncConnection, Backend] = {}

    def context(self) -> contextvars.Context:
        """Where questions are asked that :meth:`end` is to end."""
        context = contextvars.copy_context()
        context.run(_QUESTIONS.set, self._open)
        return context

    async def end(self) -> None:
        """Each of them fails, with EndedError."""
        for connection, backend in list(self._open.items()):
            await backend.interrupt(connection)


_QUESTIONS: contextvars.ContextVar[dict[AsyncConnection, Backend] | None] = contextvars.ContextVar(
    "questions", default=None
)


@contextlib.contextmanager
def _open(backend: Backend, connection: AsyncConnection) -> Iterator[None]:
    questions = _QUESTIONS.get()
    if questions is None:
        yield
        return
    questions[connection] = backend
    try:
        yield
    finally:
        del questions[connection]


class Database:
    """One writer, a few readers."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._writer, self._readers = backend.engines()

    @contextlib.asynccontextmanager
    async def write(self, *, no_timeout: bool = False) -> AsyncIterator[AsyncConnection]:
        """A transaction that commits at the end, or changes nothing; no_timeout: however long it takes.

        Raises StoreError.
        """
        timeout_s = None if no_timeout else self.backend.timeout_s
        with told(self.backend):
            async with asyncio.timeout(timeout_s), self._writer.begin() as connection:
                yield connection

    @contextlib.asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that sees one state of the database. Raises StoreError."""
        with told(self.backend):
            async with asyncio.timeout(self.backend.timeout_s), self._readers.connect() as connection:
                with _open(self.backend, connection):
                    yield connection

    async def ensure_connected(self) -> None:
        """Makes the writing connection where it is not there: what it holds on the server is held.

        Raises StoreError.
        """
        async with self.write():
            pass

    async def outside_transaction(self, *statements: str) -> None:
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
