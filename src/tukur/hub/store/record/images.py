"""Finds the images of lives: what they ran, and when."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from tukur.hub.store.backends.bulk import chunks
from tukur.hub.store.backends.database import Database
from tukur.hub.store.record.commands import IMAGE_COLUMNS, IMAGES
from tukur.hub.store.schema import boot, command, host, image

Key = tuple[int, int]
"""(start_ns, pid) of a life within one boot."""

GROUPING_TEXTS = ("name", "user", "unit", "container", "pod", "slice")
"""Columns of ``command`` that lives can be grouped by."""


class ImageStore:
    """Queries over images. All methods raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def at(self, boot_no: int, start_ns: Sequence[int], at_ns: int) -> dict[Key, Any]:
        """The image that each life had at boot time `at_ns`, or its oldest one.

        Of all lives that start at one of the instants `start_ns`.
        """
        found: dict[Key, Any] = {}
        async with self._database.read() as connection:
            for part in chunks(start_ns):
                wanted = (
                    select(*IMAGE_COLUMNS)
                    .select_from(IMAGES)
                    .where(image.c.boot == boot_no, image.c.start_ns.in_(part))
                    .order_by(image.c.since_ns)
                )
                for row in await connection.execute(wanted):
                    key = (row.start_ns, row.pid)
                    if key not in found or row.since_ns <= at_ns:
                        found[key] = row
        return found

    async def texts(self, boot_no: int, start_ns: Sequence[int], column: str) -> dict[Key, str]:
        """One text of the last image of each life that starts at one of these instants.

        `column`: one of GROUPING_TEXTS. A day has a hundred thousand images: only this column is read.
        """
        if column not in GROUPING_TEXTS:
            raise ValueError(f"column {column!r}; one of {', '.join(GROUPING_TEXTS)} expected")
        found: dict[Key, str] = {}
        async with self._database.read() as connection:
            for part in chunks(start_ns):
                wanted = (
                    select(image.c.start_ns, image.c.pid, command.c[column])
                    .select_from(IMAGES)
                    .where(image.c.boot == boot_no, image.c.start_ns.in_(part))
                    .order_by(image.c.since_ns)
                )
                rows = await connection.execute(wanted)
                found.update({(start, pid): text for start, pid, text in rows})
        return found

    async def name_of(self, host_id: str, boot_id: str, pid: int, start_ns: int) -> str:
        """The name of a life as it was last recorded; empty if it is not known."""
        wanted = (
            select(command.c.name)
            .select_from(IMAGES)
            .join(boot, boot.c.id == image.c.boot)
            .join(host, host.c.id == boot.c.host)
            .where(
                host.c.host_id == host_id,
                boot.c.boot_id == boot_id,
                image.c.start_ns == start_ns,
                image.c.pid == pid,
            )
            .order_by(image.c.since_ns.desc())
            .limit(1)
        )
        async with self._database.read() as connection:
            return (await connection.execute(wanted)).scalar_one_or_none() or ""
