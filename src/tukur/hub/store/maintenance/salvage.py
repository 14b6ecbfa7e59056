"""Copies what can be read of a damaged SQLite file into a new one."""

import contextlib
import sqlite3
import sys
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Table

from tukur.hub.store import schema

_ROWS = 500
_STEPS = 62
"""How far past an unreadable row the next readable one is looked for, in steps that double."""
_LETTERS = 20
"""The same of a text's first letter."""

Key = tuple[Any, ...]
"""Values of a table's key, or of the first columns of it."""


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What became of one table."""

    table: str
    copied: int
    unreadable: int
    """Stretches of rows that could not be read: how many rows were in them nobody knows."""


def salvage(damaged: Path, into: Path) -> list[Salvaged]:
    """Copies row by row, table by table; `into` has the empty tables already."""
    # The log goes with it: what was committed last may be nowhere else.
    source = sqlite3.connect(f"file:{damaged}?mode=rw", uri=True)
    target = sqlite3.connect(into)
    try:
        source.text_factory = lambda raw: raw.decode("utf-8", "replace")
        _load_schema(source)
        target.execute("PRAGMA foreign_keys=OFF")
        target.execute("PRAGMA synchronous=OFF")
        found = [_copy(source, target, table) for table in schema.metadata.sorted_tables]
        target.execute("PRAGMA synchronous=FULL")
        for table in schema.metadata.sorted_tables:
            _drop_orphans(target, table)
        target.commit()
        return found
    finally:
        source.close()
        target.close()


def _load_schema(source: sqlite3.Connection) -> None:
    """Reads the definitions of the tables, as far as no damaged page is before them.

    With writable_schema on, only the first statement fails where definitions are missing: the next ones see
    the tables that were found. Nothing is written.
    """
    source.execute("PRAGMA writable_schema=ON")
    with contextlib.suppress(sqlite3.DatabaseError):
        source.execute("select 1 from sqlite_master limit 1").fetchone()


def _drop_orphans(target: sqlite3.Connection, table: Table) -> None:
    """Deletes rows whose owner could not be read: they belong to nobody. The owners' table comes first."""
    for key in table.foreign_keys:
        owner = key.column
        target.execute(
            f'delete from "{table.name}" where "{key.parent.name}" not in '  # noqa: S608
            f'(select "{owner.name}" from "{owner.table.name}")'
        )


def _copy(source: sqlite3.Connection, target: sqlite3.Connection, table: Table) -> Salvaged:
    copied = unreadable = 0
    wanted = [column.name for column in table.columns]
    with contextlib.suppress(sqlite3.DatabaseError):
        known = {row[1] for row in source.execute(f'PRAGMA table_info("{table.name}")')}
        wanted = [name for name in wanted if name in known]
    names = ", ".join(f'"{name}"' for name in wanted)
    marks = ", ".join("?" for _ in wanted)
    insert = f'insert or ignore into "{table.name}" ({names}) values ({marks})'  # noqa: S608
    key = _key(source, table)
    columns = ", ".join(f'"{name}"' for name in key)
    for rows in _readable(source, f'select {columns}, {names} from "{table.name}"', key):  # noqa: S608
        if rows is None:
            unreadable += 1
            continue
        copied += target.executemany(insert, [row[len(key) :] for row in rows]).rowcount
    target.commit()
    return Salvaged(table.name, copied, unreadable)


def _key(source: sqlite3.Connection, table: Table) -> dict[str, Any]:
    """The columns by which its rows lie in the file, with the least values of their types.

    To read them so needs no index, which may be damaged.
    """
    with contextlib.suppress(sqlite3.DatabaseError):
        made = source.execute("select sql from sqlite_master where name = ?", (table.name,)).fetchone()
        if made is not None and "WITHOUT ROWID" in made[0].upper():
            return {column.name: column.type.python_type() for column in table.primary_key}
    return {"rowid": 0}


def _readable(
    source: sqlite3.Connection, query: str, key: dict[str, Any]
) -> Iterator[list[tuple[Any, ...]] | None]:
    """Batches of rows; None for each stretch that could not be read. Rows begin with their key."""
    table = _Table(source, query, tuple(key))
    least = tuple(key.values())
    begin: Key = ()
    while True:
        last, whole = yield from table.walk(begin, ())
        if whole:
            return
        yield None
        last = last or (begin + least)[: len(least)]
        begin = table.beyond(last)
        # From there back: what lies between was only passed over in the search.
        yield from table.walk(last, begin, back=True)
        if not begin:
            return


class _Table:
    """Reads a table that may be damaged, in the order of its key."""

    def __init__(self, source: sqlite3.Connection, query: str, key: tuple[str, ...]) -> None:
        self._source = source
        self._query = query
        self._key = key

    def walk(
        self, begin: Key, end: Key, *, back: bool = False
    ) -> Generator[list[tuple[Any, ...]], None, tuple[Key, bool]]:
        """Yields batches of [begin, end), an empty one is no bound; from the end where `back`.

        Returns the last key that was read, and whether all of it was.
        """
        last: Key = ()
        count = _ROWS
        while True:
            try:
                rows = self._rows(begin, end, last, count, back=back)
            except sqlite3.DatabaseError:
                if count == 1:
                    return last, False
                count = max(count // 8, 1)
                continue
            if not rows:
                return last, True
            yield rows
            last = rows[-1][: len(self._key)]
            count = min(count * 2, _ROWS)

    def beyond(self, last: Key) -> Key:
        """From where on reading goes on after this key; empty: nowhere."""
        for begin in _beginnings(last):
            with contextlib.suppress(sqlite3.DatabaseError, OverflowError, UnicodeEncodeError):
                self._rows(begin, (), (), 1, back=False)
                return begin
        return ()

    def _rows(self, begin: Key, end: Key, last: Key, count: int, *, back: bool) -> list[tuple[Any, ...]]:
        bounds = [(">=", begin), ("<", end), ("<" if back else ">", last)]
        conditions, values = ["true"], list[Any]()
        for compared, bound in bounds:
            if bound:
                names = ", ".join(f'"{name}"' for name in self._key[: len(bound)])
                conditions.append(f"({names}) {compared} ({', '.join('?' for _ in bound)})")
                values += bound
        order = ", ".join(f'"{name}" desc' if back else f'"{name}"' for name in self._key)
        wanted = f"{self._query} where {' and '.join(conditions)} order by {order} limit ?"
        return self._source.execute(wanted, (*values, count)).fetchall()


def _beginnings(last: Key) -> Iterator[Key]:
    """Greater keys, the nearest first: the last column a little greater, and so on to the first by far."""
    for at in range(len(last) - 1, -1, -1):
        before, value = last[:at], last[at]
        if isinstance(value, str):
            for length in range(len(value), 0, -1):
                yield *before, value[: length - 1] + _later(value[length - 1], 1)
            for step in range(_LETTERS):
                yield *before, _later(value[:1] or "\0", 1 << step)
        else:
            for step in range(_STEPS):
                # Not the next one itself, which is most likely what cannot be read.
                yield *before, value + (1 << step) + 1


def _later(letter: str, step: int) -> str:
    return chr(min(ord(letter) + step, sys.maxunicode))
