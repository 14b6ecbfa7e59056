"""What the database takes of the disk, and giving back what deleting freed."""

import os
from pathlib import Path

from sqlalchemy import text

from tukur.hub.store.backends.database import Database

GIVE_BACK_PAGES = 2000
"""Pages that one transaction gives back, at most."""
SLACK = 0.1
"""Free share of the file that is left for what comes next."""

_TABLES = (
    "select coalesce(sum(data_length + index_length), 0) from information_schema.tables "
    "where table_schema = database()"
)


class Space:
    """Bytes of the whole database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def used(self) -> int:
        """Bytes that hold something; what was freed and not given back does not count."""
        async with self._database.read() as connection:
            if connection.dialect.name != "sqlite":
                return int((await connection.execute(text(_TABLES))).scalar_one())
            pages, free, size = [
                int((await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one())
                for name in ("page_count", "freelist_count", "page_size")
            ]
            return (pages - free) * size

    async def file_bytes(self) -> int:
        """Bytes of the file, free pages included; of a server what it says that it uses."""
        if not await self.is_exact():
            return await self.used()
        async with self._database.read() as connection:
            pages, size = [
                int((await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one())
                for name in ("page_count", "page_size")
            ]
            return pages * size

    async def rewrite(self) -> None:
        """Writes the file anew without what is free in it; there must be room for a second one.

        Afterwards the file can give back free pages by itself, also where an older program made it.
        """
        if await self.is_exact():
            await self._database.outside_transaction("PRAGMA auto_vacuum=INCREMENTAL", "VACUUM")

    async def is_exact(self) -> bool:
        """Whether `used` is counted, rather than what a server estimated some time ago."""
        async with self._database.read() as connection:
            return connection.dialect.name == "sqlite"

    async def left(self, data_dir: Path) -> int | None:
        """Bytes that the disk of an embedded database has left; None: the database is elsewhere."""
        if not await self.is_exact():
            return None
        found = os.statvfs(data_dir)
        return found.f_bavail * found.f_frsize

    async def give_back(self) -> int:
        """Gives free pages of the file back to the disk; how many. 0: no more than a reserve is free."""
        async with self._database.write() as connection:
            if connection.dialect.name != "sqlite":
                return 0
            pages, free = [
                int((await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one())
                for name in ("page_count", "freelist_count")
            ]
            if free <= pages * SLACK:
                return 0
            wanted = min(free - int(pages * SLACK), GIVE_BACK_PAGES)
            done = await connection.exec_driver_sql(f"PRAGMA incremental_vacuum({wanted})")
            done.all() if done.returns_rows else None
            after = int((await connection.exec_driver_sql("PRAGMA freelist_count")).scalar_one())
            return free - after
