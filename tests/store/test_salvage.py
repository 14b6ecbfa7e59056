"""What is saved of a file with damaged pages."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from tukur.hub.store.backends.sqlite import SqliteFile
from tukur.hub.store.maintenance.salvage import salvage

PROCESSES, MINUTES = 40, 50
WORDS = 4_000


async def filled(path: Path) -> None:
    await SqliteFile(path).prepare()
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute(
            "insert into host (id, host_id, public_key, name, created_ms) values (1, 'h', x'', 'owl', 0)"
        )
        database.executemany(
            "insert into boot (id, host, boot_id, booted_ms) values (?, 1, ?, 0)",
            [(n, str(n)) for n in (1, 2, 3)],
        )
        database.executemany(
            "insert into process_minute values (?, ?, ?, ?, 1, 2, 3, 4)",
            [
                (boot, minute * 60_000, pid * 10**9, pid)
                for boot in (1, 2, 3)
                for minute in range(MINUTES)
                for pid in range(PROCESSES)
            ],
        )
        database.execute("insert into command values (1, x'00', 0, 'sh', 0, '', '', '', '', '', '', '', '')")
        database.executemany(
            "insert into command_word values (?, 1)", [(f"{chr(97 + n % 26)}word{n}",) for n in range(WORDS)]
        )
        database.commit()
        database.execute("PRAGMA wal_checkpoint(truncate)")


def leaves(path: Path, table: str) -> list[tuple[int, int]]:
    """(page, rows) of each of the table's lowest pages, in order."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        wanted = "select pageno, ncell from dbstat where name = ? and pagetype = 'leaf' order by path"
        return database.execute(wanted, (table,)).fetchall()


def destroy(path: Path, page: int) -> None:
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xa5" * 4096)


@pytest.mark.parametrize(
    ("table", "rows"), [("process_minute", 3 * MINUTES * PROCESSES), ("command_word", WORDS)]
)
@pytest.mark.parametrize("place", ["first", "middle", "last"])
async def test_rows_before_and_behind_a_damaged_page_are_saved(
    tmp_path: Path, table: str, rows: int, place: str
) -> None:
    path, fresh = tmp_path / "damaged.db", tmp_path / "fresh.db"
    await filled(path)
    found = leaves(path, table)
    page, lost = found[{"first": 0, "middle": len(found) // 2, "last": -1}[place]]
    destroy(path, page)
    await SqliteFile(fresh).prepare()
    saved = {each.table: each for each in salvage(path, fresh)}
    assert saved[table].unreadable >= 1
    # A batch that begins on a page before it, or ends on one behind it, fails with it.
    assert rows - 2 * lost <= saved[table].copied <= rows - lost
    with contextlib.closing(sqlite3.connect(fresh)) as database:
        assert database.execute(f"select count(*) from {table}").fetchone() == (saved[table].copied,)


async def test_rows_whose_owner_was_lost_are_not_saved(tmp_path: Path) -> None:
    path, fresh = tmp_path / "damaged.db", tmp_path / "fresh.db"
    await filled(path)
    ((page, _),) = leaves(path, "boot")
    destroy(path, page)
    await SqliteFile(fresh).prepare()
    salvage(path, fresh)
    with contextlib.closing(sqlite3.connect(fresh)) as database:
        assert database.execute("select count(*) from host").fetchone() == (1,)
        assert database.execute("select count(*) from process_minute").fetchone() == (0,)
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []


async def test_tables_whose_definitions_are_before_a_damaged_page_of_definitions_are_saved(
    tmp_path: Path,
) -> None:
    path, fresh = tmp_path / "damaged.db", tmp_path / "fresh.db"
    await filled(path)
    page, definitions = leaves(path, "sqlite_schema")[-1]
    with contextlib.closing(sqlite3.connect(path)) as database:
        wanted = "select name, type from (select * from sqlite_schema order by rowid desc limit ?)"
        lost = [name for name, kind in database.execute(wanted, (definitions,)) if kind == "table"]
    destroy(path, page)
    await SqliteFile(fresh).prepare()
    saved = {each.table: each for each in salvage(path, fresh)}
    assert (saved["host"].copied, saved["boot"].copied) == (1, 3)
    # Of the others it is told that they could not be read.
    assert lost
    assert {(saved[table].copied, saved[table].unreadable) for table in lost} == {(0, 1)}
