"""What the store needs of every kind of database: engines, a schema, errors by kind."""

import contextlib
from collections.abc import Iterator
from typing import Any, Protocol

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tukur.hub.store import errors


class Backend(Protocol):
    """A database that the store can run on. ``str`` of it is its name for people, without secrets."""

    @property
    def timeout_s(self) -> float | None:
        """How long one transaction may take; None: the database bounds it itself."""

    @property
    def largest_block(self) -> int:
        """Bytes of the largest block that it takes, known once it is prepared."""

    def engines(self) -> tuple[AsyncEngine, AsyncEngine]:
        """(writer, readers). The writer is one connection: it runs one transaction after the other."""

    async def prepare(self) -> None:
        """Checks the database and brings the schema up to date. Raises StoreError."""

    async def interrupt(self, connection: AsyncConnection) -> None:
        """Cancels the query that the connection is running, if any: it fails with EndedError."""

    def kind(self, error: Exception) -> errors.StoreError | None:
        """The StoreError for an error of the driver or the system; None: it is not the database's."""


def driver_connection(connection: AsyncConnection) -> Any:
    """The driver's own connection; None: it is closed."""
    if connection.sync_connection is None or connection.invalidated:
        return None
    return connection.sync_connection.connection.driver_connection


@contextlib.contextmanager
def store_errors(backend: Backend) -> Iterator[None]:
    """Turns what the database raises inside into a StoreError."""
    try:
        yield
    except PoolTimeoutError as error:
        raise errors.BusyError(f"{backend}: no connection became free in time") from error
    except TimeoutError as error:
        raise errors.BusyError(f"the database {backend} did not answer in time") from error
    except DBAPIError as error:
        found = backend.kind(error.orig) if isinstance(error.orig, Exception) else None
        raise found or errors.StoreError(f"the database {backend} failed: {error.orig}") from error
    except Exception as error:
        found = backend.kind(error)
        if found is None:
            raise
        raise found from error
