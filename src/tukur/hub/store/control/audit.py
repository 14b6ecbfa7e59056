"""The audit log as it is kept: rows are added, never changed, never deleted."""

import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import insert, select, update

from tukur.hub.models.audit import START, Entry
from tukur.hub.store.backends.bulk import insert_new
from tukur.hub.store.backends.database import Database, retry_on_conflict
from tukur.hub.store.schema import audit, audit_head

_READ = 500


class EntryContent(msgspec.Struct, frozen=True, kw_only=True):
    """The content of an entry, without number, time, hash and signature."""

    actor: str
    origin: str
    action: str
    target: str
    result: str
    detail: str


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """Which entries; an empty text asks for nothing."""

    actor: str = ""
    action: str = ""
    """An action, or its beginning up to a dot: ``order`` for all of orders."""
    target: str = ""
    result: str = ""
    from_ms: int = 0
    to_ms: int = 2**62
    before: int | None = None
    """Older than this entry."""


class AuditStore:
    """All methods raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @retry_on_conflict
    async def append(self, content: EntryContent, seal: Callable[[Entry, bytes], Entry]) -> Entry:
        """Adds an entry after the newest; two programs that do it at once follow each other.

        `seal`: gives the entry its hash, from the hash of the entry before, and its signature.
        """
        async with self._database.write() as connection:
            await insert_new(connection, audit_head, [{"id": 1, "seq": 0, "hash": START}])
            last = (await connection.execute(select(audit_head).with_for_update())).one()
            entry = Entry(
                seq=last.seq + 1,
                at_ms=time.time_ns() // 1_000_000,
                hash=b"",
                signature=b"",
                **msgspec.structs.asdict(content),
            )
            entry = seal(entry, bytes(last.hash))
            await connection.execute(insert(audit), msgspec.structs.asdict(entry))
            await connection.execute(update(audit_head).values(seq=entry.seq, hash=entry.hash))
        return entry

    async def hash_at(self, seq: int) -> bytes | None:
        """The hash of an entry; None: there is none of this number."""
        async with self._database.read() as connection:
            found = await connection.execute(select(audit.c.hash).where(audit.c.seq == seq))
            value = found.scalar_one_or_none()
        return None if value is None else bytes(value)

    async def find(self, query: AuditQuery, limit: int) -> list[Entry]:
        """The newest first."""
        columns = audit.c
        wanted = select(audit).where(columns.at_ms >= query.from_ms, columns.at_ms < query.to_ms)
        for name in ("actor", "target", "result"):
            if value := getattr(query, name):
                wanted = wanted.where(columns[name] == value)
        if query.action:
            wanted = wanted.where(
                (columns.action == query.action)
                | columns.action.startswith(f"{query.action}.", autoescape=True)
            )
        if query.before is not None:
            wanted = wanted.where(columns.seq < query.before)
        async with self._database.read() as connection:
            found = await connection.execute(wanted.order_by(columns.seq.desc()).limit(limit))
            return [_entry(row) for row in found]

    async def chain(self) -> AsyncGenerator[list[Entry], None]:
        """All, the oldest first."""
        last = 0
        while True:
            wanted = select(audit).where(audit.c.seq > last).order_by(audit.c.seq).limit(_READ)
            async with self._database.read() as connection:
                entries = [_entry(row) for row in await connection.execute(wanted)]
            if not entries:
                return
            last = entries[-1].seq
            yield entries


def _entry(row: Any) -> Entry:
    return Entry(**row._mapping)  # noqa: SLF001 - a public name of SQLAlchemy's, in spite of its look
