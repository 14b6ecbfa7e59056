"""How many rows become few statements."""

from typing import Any

import pytest
from asyncmy.converters import escape_item
from sqlalchemy.dialects import mysql, sqlite

from tukur.hub.store.backends import bulk
from tukur.hub.store.schema import command, host_minute, process_minute

RULE = (("cpu_ns",), ("rss_peak",), (), ())


def row(pid: int) -> tuple[int, ...]:
    """Values of a process_minute, in the order of the table's columns."""
    return (1, 60_000, 10**9, pid, 5, 4096, 0, 0)


def columns(table: Any) -> tuple[str, ...]:
    return tuple(column.name for column in table.c)


def escape(value: Any) -> str:
    return str(escape_item(value, "utf8mb4"))


def test_sqlite_gets_statements_of_as_many_rows_as_go_and_the_rest_row_by_row() -> None:
    insert = bulk._insert(sqlite.dialect(), process_minute, columns(process_minute), RULE)
    sent = list(bulk._for_sqlite(insert, [row(pid) for pid in range(2 * 512 + 64 + 3)]))
    assert [text.count("?") // 8 for text, _ in sent] == [512, 512, 64, 1]
    assert sent[0][0] == sent[1][0], "else each would have to be prepared anew"
    told = [value for _, parameters in sent[:3] for value in parameters]
    told += [value for parameters in sent[3][1] for value in parameters]
    assert told == [value for pid in range(2 * 512 + 64 + 3) for value in row(pid)]
    assert "ON CONFLICT (boot, minute_ms, start_ns, pid) DO UPDATE" in sent[0][0]


def test_sqlite_gets_no_more_values_in_a_statement_than_it_takes() -> None:
    names = columns(host_minute)
    insert = bulk._insert(sqlite.dialect(), host_minute, names, None)
    sent = list(bulk._for_sqlite(insert, [tuple(range(len(names)))] * 600))
    assert max(text.count("?") for text, _ in sent) < 2**15
    assert sum(text.count("?") // len(names) for text, _ in sent) == 600


def test_a_server_gets_numbers_as_they_are_and_all_else_quoted() -> None:
    insert = bulk._insert(mysql.dialect(), command, ("hash", "used_ms", "name", "uid"), None)
    values = [insert.take({"hash": b"\0'\\%s", "used_ms": 7, "name": "o'wl %d \\", "uid": 2**32 - 1})]
    (text,) = bulk._for_server(insert, values, escape)
    assert text.startswith("INSERT INTO command (hash, used_ms, name, uid) VALUES (")
    assert "('\\0\\'\\\\%s',7,'o\\'wl %d \\\\',4294967295)" in text


@pytest.mark.parametrize(("length", "statements"), [(1, 5), (10_000, 1)])
def test_a_server_gets_no_longer_statements_than_it_must(
    monkeypatch: pytest.MonkeyPatch, length: int, statements: int
) -> None:
    monkeypatch.setattr(bulk, "_LENGTH", length)
    insert = bulk._insert(mysql.dialect(), process_minute, columns(process_minute), RULE)
    sent = list(bulk._for_server(insert, [row(pid) for pid in range(5)], escape))
    assert len(sent) == statements
    for pid in range(5):
        assert sum(f"(1,60000,1000000000,{pid},5,4096,0,0)" in text for text in sent) == 1


def test_values_go_by_the_names_of_their_columns_whatever_their_order() -> None:
    told = dict(zip(columns(process_minute), row(9), strict=True))
    names = tuple(reversed(told))
    insert = bulk._insert(sqlite.dialect(), process_minute, names, None)
    ((text, parameters),) = bulk._for_sqlite(insert, [insert.take(told)])
    order = text.partition("(")[2].partition(")")[0].split(", ")
    assert dict(zip(order, parameters[0], strict=True)) == told
