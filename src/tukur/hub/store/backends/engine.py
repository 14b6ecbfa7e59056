"""What every kind of database has in common for the store: engines, a schema, errors by their kind."""

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
        """(writer, readers). The writer is one connection: what it does happens one after the other."""

    async def prepare(self) -> None:
        """Checks the database and brings the schema up to date. Raises StoreError."""

    async def interrupt(self, connection: AsyncConnection) -> None:
        """Ends the question that the connection works at, if it does: it fails."""

    def kind(self, error: Exception) -> errors.StoreError | None:
        """An error of the driver or the system by its kind; None: it is not the database's."""


def driver_connection(connection: AsyncConnection) -> Any:
    """The driver's own connection; None: it has none any more."""
    if connection.sync_connection is None or connection.invalidated:
        return None
    return connection.sync_connection.connection.driver_connection


@contextlib.contextmanager
def told(backend: Backend) -> Iterator[None]:
    """What the database raises inside becomes a StoreError."""
    try:
        yield
    except PoolTimeoutError as error:
        raise errors.BusyError(f"{backend}: no connection came free in time") from error
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
