"""Finds lives of all hosts by what they ran: newest first, in steps down indexes."""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, literal, or_, select, tuple_, union_all
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from tukur.hub.store.backends.bulk import chunks
from tukur.hub.store.backends.database import Database
from tukur.hub.store.record.images import Key
from tukur.hub.store.schema import boot, command, command_word, host, image, process
from tukur.hub.store.search_tokens import split

FEW = 500
"""Up to so many commands, lives are found by the index of commands; beyond, lives are scanned in order."""
_PER_STATEMENT = 50
"""Commands in one statement."""
_ORDER = (image.c.since_ms, image.c.boot, image.c.start_ns, image.c.pid, image.c.since_ns)


@dataclass(frozen=True, slots=True)
class LifeQuery:
    """The conditions; one that is empty or None does not apply."""

    terms: tuple[str, ...] = ()
    """Texts in the name, the program or the command line, each from the beginning of a word."""
    user: str = ""
    unit: str = ""
    container: str = ""
    hosts: tuple[int, ...] | None = None
    """Numbers of hosts."""
    from_ms: int = 0
    to_ms: int = 2**62
    """What began in [from, to)."""
    after: tuple[int, ...] | None = None
    """(since_ms, boot, start_ns, pid, since_ns) of the last one of the page before."""

    @property
    def asks_for_commands(self) -> bool:
        """Whether any condition is about the command."""
        return bool(self.terms or self.user or self.unit or self.container)


class LifeStore:
    """Queries over lives and the boots that they belong to. All methods raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def boots(self, host_no: int) -> dict[int, tuple[str, int]]:
        """Number to (boot_id, booted_ms) of each boot of a host."""
        wanted = select(boot.c.id, boot.c.boot_id, boot.c.booted_ms).where(boot.c.host == host_no)
        async with self._database.read() as connection:
            found = await connection.execute(wanted)
            return {row.id: (row.boot_id, row.booted_ms) for row in found}

    async def rows(self, boot_no: int, start_ns: Sequence[int]) -> dict[Key, Any]:
        """The rows of ``process`` of all lives that start at one of these instants."""
        found: dict[Key, Any] = {}
        async with self._database.read() as connection:
            for part in chunks(start_ns):
                wanted = select(process).where(process.c.boot == boot_no, process.c.start_ns.in_(part))
                found.update({(row.start_ns, row.pid): row for row in await connection.execute(wanted)})
        return found

    async def find(self, query: LifeQuery, limit: int) -> list[Any]:
        """The newest `limit` matches: rows of ``image``, the command's number in ``command``."""
        async with self._database.read() as connection:
            numbers = await _commands(connection, query, FEW + 1) if query.asks_for_commands else None
            few = numbers is not None and len(numbers) <= FEW
            boots = [] if few and query.hosts is None else await _boots(connection, query.hosts)
            if numbers is None or not few:
                streams = _by_boots(boots, query, limit)
            else:
                streams = _by_commands(numbers, None if query.hosts is None else boots, query, limit)
            rows: list[Any] = []
            for statement in streams:
                rows += await connection.execute(statement)
                rows = heapq.nlargest(limit, rows, key=_place)
            return rows

    async def owners(self, boots: Sequence[int]) -> dict[int, tuple[str, str, str]]:
        """Boot number to (host_id, host name, boot_id)."""
        wanted = select(boot.c.id, host.c.host_id, host.c.name, boot.c.boot_id).join(host)
        async with self._database.read() as connection:
            found = await connection.execute(wanted.where(boot.c.id.in_(set(boots))))
            return {row.id: (row.host_id, row.name, row.boot_id) for row in found}

    async def texts(self, numbers: Sequence[int]) -> dict[int, Any]:
        """The commands of these numbers."""
        async with self._database.read() as connection:
            found = await connection.execute(select(command).where(command.c.id.in_(set(numbers))))
            return {row.id: row for row in found}


def _place(row: Any) -> tuple[int, ...]:
    return row.since_ms, row.boot, row.start_ns, row.pid, row.since_ns


async def _boots(connection: AsyncConnection, hosts: Sequence[int] | None) -> list[int]:
    wanted = select(boot.c.id)
    if hosts is not None:
        wanted = wanted.where(boot.c.host.in_(hosts))
    return [int(number) for number in (await connection.execute(wanted)).scalars()]


async def _commands(connection: AsyncConnection, query: LifeQuery, limit: int) -> list[int]:
    """Matching commands, at most `limit`."""
    wanted = select(command.c.id).where(*command_conditions(query)).limit(limit)
    return [int(number) for number in (await connection.execute(wanted)).scalars()]


def command_conditions(query: LifeQuery) -> list[ColumnElement[bool]]:
    """The conditions on a command: first search tokens, which have an index, then the text itself."""
    columns = command.c
    asked = [
        getattr(columns, name) == value
        for name in ("user", "unit", "container")
        if (value := getattr(query, name))
    ]
    for term in query.terms:
        words = split(term)
        # A path or a version has words with signs in between: all but the last one must match completely.
        for index, word in enumerate(words):
            matches = _prefix(word) if index == len(words) - 1 else command_word.c.word == word
            asked.append(columns.id.in_(select(command_word.c.command).where(matches)))
        if words != [term.lower()]:
            asked.append(
                or_(*(columns[name].icontains(term, autoescape=True) for name in ("cmdline", "exe", "name")))
            )
    return asked


def _prefix(word: str) -> ColumnElement[bool]:
    """As a range: every database finds its beginning in the index."""
    column = command_word.c.word
    last = ord(word[-1]) + 1
    # Surrogates do not occur in text.
    last = 0xE000 if 0xD800 <= last < 0xE000 else last
    return and_(column >= word, column < word[:-1] + chr(last)) if last <= 0x10FFFF else column >= word


def _by_commands(
    numbers: Sequence[int], boots: Sequence[int] | None, query: LifeQuery, limit: int
) -> Iterator[Select[Any]]:
    for part in chunks(numbers, _PER_STATEMENT):
        yield _union([_newest([image.c.command == number, *_bounds(query)], boots, limit) for number in part])


def _by_boots(boots: Sequence[int], query: LifeQuery, limit: int) -> Iterator[Select[Any]]:
    fitting = command_conditions(query)
    for part in chunks(boots, _PER_STATEMENT):
        parts = []
        for number in part:
            conditions = [image.c.boot == number, *_bounds(query)]
            if fitting:
                known = select(literal(1)).where(command.c.id == image.c.command, *fitting)
                conditions.append(known.exists())
            parts.append(_newest(conditions, None, limit))
        yield _union(parts)


def _bounds(query: LifeQuery) -> list[ColumnElement[bool]]:
    at = image.c.since_ms
    found: list[ColumnElement[bool]] = [at >= query.from_ms, at < query.to_ms]
    if query.after is not None:
        found += [at <= query.after[0], tuple_(*_ORDER) < tuple_(*map(literal, query.after))]
    return found


def _newest(
    conditions: Sequence[ColumnElement[bool]], boots: Sequence[int] | None, limit: int
) -> Select[Any]:
    wanted = select(image).where(*conditions)
    if boots is not None:
        wanted = wanted.where(image.c.boot.in_(boots))
    return wanted.order_by(*(column.desc() for column in _ORDER)).limit(limit)


def _union(parts: Sequence[Select[Any]]) -> Select[Any]:
    """One statement for many queries, each with its own order and limit."""
    inner = [select(part.subquery()) for part in parts]
    return select(union_all(*inner).subquery()) if len(inner) > 1 else inner[0]
