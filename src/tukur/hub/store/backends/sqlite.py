"""The embedded database: one file, one connection that writes, a few that read at the same time."""

import asyncio
import contextlib
import errno
import os
import sqlite3
import struct
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from tukur.hub.store import errors
from tukur.hub.store.backends.engine import driver_connection, store_errors
from tukur.hub.store.migrate import migrate

DATABASE = "tukur.db"
"""The file's name in the data directory."""
BUSY_MS = 10_000
READERS = 4


class SqliteFile:
    """A database in a file. See ``engine.Backend``."""

    timeout_s = None
    largest_block = 2 * (2**24 - 1)

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        """Its path."""
        return str(self.path)

    def engines(self) -> tuple[AsyncEngine, AsyncEngine]:
        """(writer, readers)."""
        url = f"sqlite+aiosqlite:///{self.path}"
        writer = create_async_engine(url, pool_size=1, max_overflow=0, pool_timeout=60)
        readers = create_async_engine(url, pool_size=READERS, max_overflow=0, pool_timeout=30)
        for engine, begin in ((writer, "BEGIN IMMEDIATE"), (readers, "BEGIN")):
            event.listen(engine.sync_engine, "connect", _connected)
            event.listen(engine.sync_engine, "begin", _begin(begin))
            event.listen(engine.sync_engine, "invalidate", _roll_back)
        return writer, readers

    async def prepare(self) -> None:
        """Checks the file and brings the schema up to date. Raises StoreError."""
        await asyncio.to_thread(self._prepare)

    def _prepare(self) -> None:
        with store_errors(self):
            _check_file(self.path)
            engine = create_engine(f"sqlite:///{self.path}")
            event.listen(engine, "connect", _connected)
            event.listen(engine, "begin", _begin("BEGIN IMMEDIATE"))
            try:
                with engine.connect() as connection:
                    migrate(connection, str(self))
            finally:
                engine.dispose()

    async def interrupt(self, connection: AsyncConnection) -> None:
        """Cancels the query that the connection is running, if any."""
        driver: Any = driver_connection(connection)
        if driver is not None:
            await driver.interrupt()

    def kind(self, error: Exception) -> errors.StoreError | None:
        """The StoreError for an error; None: it is not the database's."""
        if isinstance(error, sqlite3.Error | OSError):
            return _kind(self.path, error)
        return None


def _connected(connection: Any, _: Any) -> None:
    # SQLAlchemy begins transactions, not the driver.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA page_count")
    if cursor.fetchone() == (0,):
        # Only of a new file, and before anything else: lets freed pages be returned to the disk.
        cursor.execute("PRAGMA auto_vacuum=INCREMENTAL")
    for pragma in (
        f"busy_timeout={BUSY_MS}",
        "journal_mode=WAL",
        # What was acknowledged must survive power loss: the agent has dropped it by then.
        "synchronous=FULL",
        "foreign_keys=ON",
        "cache_size=-16384",
        "mmap_size=268435456",
        "temp_store=MEMORY",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(statement: str) -> Any:
    def begin(connection: Connection) -> None:
        # A writer takes the lock at once: taking it later can fail in a way that waiting does not help.
        connection.exec_driver_sql(statement)

    return begin


def _roll_back(connection: Any, *_: Any) -> None:
    """Ends the transaction of a connection that is given up, as when the task that uses it is cancelled.

    Closing is not enough: SQLite keeps a closed connection's locks until the last of its statements is freed.
    """
    # A second cancellation takes nothing back: the connection's thread has the rollback by then.
    with contextlib.suppress(asyncio.CancelledError, sqlite3.Error):
        connection.rollback()


def _check_file(path: Path) -> None:
    """Finds a truncated file now rather than by some query weeks later."""
    try:
        with path.open("rb") as file:
            head = file.read(32)
            size = os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        return
    if size == 0:
        return
    if len(head) < 32 or not head.startswith(b"SQLite format 3\0"):
        raise errors.DamagedError(f"{path} is not a SQLite database: it begins with {head[:16]!r}")
    (page_size,) = struct.unpack_from(">H", head, 16)
    (pages,) = struct.unpack_from(">I", head, 28)
    page_size = 65536 if page_size == 1 else page_size
    if size < page_size * pages:
        raise errors.DamagedError(
            f"{path} is truncated: {size} bytes, {page_size * pages} expected by its header"
        )


_KINDS: tuple[tuple[tuple[str, ...], type[errors.StoreError], str], ...] = (
    (("disk is full",), errors.DiskFullError, "no space left for the database {path}"),
    (
        ("readonly", "unable to open", "permission denied", "read-only"),
        errors.NotWritableError,
        "the database {path} is not writable: {text}",
    ),
    (("interrupted",), errors.EndedError, "the database {path} cancelled the query"),
    (("locked", "busy"), errors.BusyError, "the database {path} is locked by another program: {text}"),
    (
        ("not a database", "malformed", "corrupt", "no such table", "no such column", "already exists"),
        errors.DamagedError,
        "the database {path} is damaged: {text}",
    ),
)


def _kind(path: Path, error: Exception) -> errors.StoreError:
    text = str(error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return errors.DiskFullError(f"no space left for the database {path}")
    for words, kind, sentence in _KINDS:
        if any(word in text.lower() for word in words):
            # If the shared memory of its log cannot grow, SQLite reports only that it cannot open the file.
            if kind is not errors.DamagedError and _no_space(path):
                return errors.DiskFullError(f"no space left for the database {path}")
            return kind(sentence.format(path=path, text=text))
    if "i/o error" in text.lower():
        if _no_space(path):
            return errors.DiskFullError(f"no space left for the database {path}")
        return errors.InputOutputError(f"the disk of the database {path} fails: {text}")
    return errors.StoreError(f"the database {path} failed: {text}")


def _no_space(path: Path) -> bool:
    try:
        found = os.statvfs(path.parent)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < 64 * 1024
