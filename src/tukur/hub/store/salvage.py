"""Copies what can be read of a damaged SQLite file into a new one."""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tukur.hub.store import schema

_ROWS = 500
_SKIP = 1 << 20
"""How far past an unreadable row the next readable one is looked for, in steps that double."""


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
        target.execute("PRAGMA foreign_keys=OFF")
        target.execute("PRAGMA synchronous=OFF")
        found = [_copy(source, target, table.name) for table in schema.metadata.sorted_tables]
        target.execute("PRAGMA synchronous=FULL")
        # Rows whose owner could not be read belong to nobody.
        for child, row_id, *_ in list(target.execute("PRAGMA foreign_key_check")):
            target.execute(f'delete from "{child}" where rowid = ?', (row_id,))  # noqa: S608
        target.commit()
        return found
    finally:
        source.close()
        target.close()


def _copy(source: sqlite3.Connection, target: sqlite3.Connection, table: str) -> Salvaged:
    copied = unreadable = 0
    wanted = [row[1] for row in target.execute(f'PRAGMA table_info("{table}")')]
    with contextlib.suppress(sqlite3.DatabaseError):
        known = {row[1] for row in source.execute(f'PRAGMA table_info("{table}")')}
        wanted = [name for name in wanted if name in known]
    names = ", ".join(f'"{name}"' for name in wanted)
    marks = ", ".join("?" for _ in wanted)
    insert = f'insert or ignore into "{table}" (rowid, {names}) values (?, {marks})'  # noqa: S608
    for rows in _readable(source, f'select rowid, {names} from "{table}"'):  # noqa: S608
        if rows is None:
            unreadable += 1
            continue
        copied += target.executemany(insert, rows).rowcount
    target.commit()
    return Salvaged(table, copied, unreadable)


def _readable(source: sqlite3.Connection, query: str) -> Iterator[list[tuple[Any, ...]] | None]:
    """Batches of rows in the order of the table; None for each stretch that could not be read."""
    at, count = -(1 << 62), _ROWS
    while True:
        try:
            rows = source.execute(f"{query} where rowid > ? order by rowid limit ?", (at, count)).fetchall()
        except sqlite3.DatabaseError:
            if count > 1:
                count = max(count // 8, 1)
                continue
            yield None
            beyond = _beyond(source, query, at)
            if beyond is None:
                return
            at = beyond
            continue
        if not rows:
            return
        yield rows
        at, count = rows[-1][0], min(count * 2, _ROWS)


def _beyond(source: sqlite3.Connection, query: str, at: int) -> int | None:
    """The row after which reading goes on; None: nothing behind it can be read."""
    start = max(at, 0)
    step = 1
    while step <= _SKIP:
        with contextlib.suppress(sqlite3.DatabaseError):
            found = source.execute(
                f"{query} where rowid > ? order by rowid limit 1", (start + step,)
            ).fetchone()
            return None if found is None else start + step
        step *= 2
    return None
