"""How much disk space the database uses, and returning what deletions freed."""

import os
from pathlib import Path

from sqlalchemy import text

from tukur.hub.store.backends.database import Database

RETURNED_PAGES = 2000
"""Pages returned by one transaction, at most."""
SLACK = 0.1
"""Share of free pages that is kept for new data."""

_TABLES = (
    "select coalesce(sum(data_length + index_length), 0) from information_schema.tables "
    "where table_schema = database()"
)


class Space:
    """Bytes of the whole database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def used(self) -> int:
        """Bytes in use; free pages of the file do not count."""
        async with self._database.read() as connection:
            if connection.dialect.name != "sqlite":
                return int((await connection.execute(text(_TABLES))).scalar_one())
            pages, free, size = [
                int((await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one())
                for name in ("page_count", "freelist_count", "page_size")
            ]
            return (pages - free) * size

    async def file_bytes(self) -> int:
        """Bytes of the file, free pages included; of a server what it reports."""
        if not await self.is_exact():
            return await self.used()
        async with self._database.read() as connection:
            pages, size = [
                int((await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one())
                for name in ("page_count", "page_size")
            ]
            return pages * size

    async def rewrite(self) -> None:
        """Rewrites the file without free pages; there must be space for a second one.

        Afterwards free pages can be returned one by one, also in a file made by an older version.
        """
        if await self.is_exact():
            await self._database.outside_transaction("PRAGMA auto_vacuum=INCREMENTAL", "VACUUM")

    async def is_exact(self) -> bool:
        """Whether `used` is exact rather than an older estimate of a server."""
        async with self._database.read() as connection:
            return connection.dialect.name == "sqlite"

    async def left(self, data_dir: Path) -> int | None:
        """Free bytes on the disk of an embedded database; None: the database is on a server."""
        if not await self.is_exact():
            return None
        found = os.statvfs(data_dir)
        return found.f_bavail * found.f_frsize

    async def give_back(self) -> int:
        """Returns free pages of the file to the disk; how many. 0: only the reserve is free."""
        async with self._database.write() as connection:
            if connection.dialect.name != "sqlite":
                return 0
            pages, free = [
                int((await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one())
                for name in ("page_count", "freelist_count")
            ]
            if free <= pages * SLACK:
                return 0
            wanted = min(free - int(pages * SLACK), RETURNED_PAGES)
            done = await connection.exec_driver_sql(f"PRAGMA incremental_vacuum({wanted})")
            done.all() if done.returns_rows else None
            after = int((await connection.exec_driver_sql("PRAGMA freelist_count")).scalar_one())
            return free - after
