"""Reads one text of each life's image: what lives are put together by."""

from collections.abc import Sequence

from sqlalchemy import select

from tukur.hub.store.backends.database import Database
from tukur.hub.store.record.commands import IMAGES
from tukur.hub.store.schema import command, image

_CHUNK = 5000
"""Values in one IN list: SQLite takes 32,766 at most."""

LABELS = ("name", "user", "unit", "container", "pod", "slice")
"""Columns of ``command`` that lives can be put together by."""


class ImageTextStore:
    """Queries for one column of many images: a day has a hundred thousand, and most of each is not wanted."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def labels(self, boot_no: int, start_ns: Sequence[int], label: str) -> dict[tuple[int, int], str]:
        """(start_ns, pid) to the label that each life had last; of all lives that begin so."""
        if label not in LABELS:
            raise ValueError(f"label {label!r}; one of {', '.join(LABELS)} expected")
        columns = image.c
        found: dict[tuple[int, int], str] = {}
        async with self._database.read() as connection:
            for at in range(0, len(start_ns), _CHUNK):
                wanted = (
                    select(columns.start_ns, columns.pid, command.c[label])
                    .select_from(IMAGES)
                    .where(columns.boot == boot_no, columns.start_ns.in_(start_ns[at : at + _CHUNK]))
                    .order_by(columns.since_ns)
                )
                rows = await connection.execute(wanted)
                found.update({(start, pid): text for start, pid, text in rows})
        return found
