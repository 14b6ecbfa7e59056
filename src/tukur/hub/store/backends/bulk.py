"""Inserts many rows: SQLAlchemy compiles each statement once; the rows go directly to the driver.

It would process every value of every row again, which was most of the cost of storing a fleet's record.
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Any, TypeVar

from sqlalchemy import Boolean, Dialect, Integer, Table, func
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

T = TypeVar("T")
Row = Mapping[str, Any]
Names = tuple[str, ...]

_ROWS = (512, 64, 8)
"""Rows in one statement of SQLite: its thread takes the interpreter lock once for all of them."""
_VARIABLES = 32_766
"""Parameters of one statement of SQLite, at most."""
_LENGTH = 2**20
"""Characters in one statement to a server, unless a single row has more."""

CHUNK = 5000
"""Values in one IN list: SQLite takes 32,766 at most."""


def chunks(values: Sequence[T], size: int = CHUNK) -> Iterator[Sequence[T]]:
    """The values in their order, at most `size` at a time."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


@dataclass(frozen=True, slots=True)
class _Insert:
    """A statement in two parts, with the rows between them."""

    head: str
    placeholders: str
    """Of one row."""
    tail: str
    take: Callable[[Row], tuple[Any, ...]]
    """A row's values in that order."""
    template: str
    """One row of literals, for the ``%`` operator."""
    quoted: Sequence[int]
    """Indexes of the values that are not integers."""


async def insert_new(connection: AsyncConnection, table: Table, rows: Sequence[Row]) -> None:
    """Inserts the rows; one whose key exists already changes nothing. All have the same columns."""
    if rows:
        await _send(connection, _insert(connection.dialect, table, tuple(rows[0]), None), rows)


async def merge(
    connection: AsyncConnection,
    table: Table,
    rows: Sequence[Row],
    summed: Sequence[str] = (),
    maxima: Sequence[str] = (),
    minima: Sequence[str] = (),
    replaced: Sequence[str] = (),
) -> None:
    """Inserts the rows; if the key exists, columns are summed, or the maximum, minimum or new value kept."""
    if rows:
        rule = tuple(summed), tuple(maxima), tuple(minima), tuple(replaced)
        await _send(connection, _insert(connection.dialect, table, tuple(rows[0]), rule), rows)


async def _send(connection: AsyncConnection, insert: _Insert, rows: Sequence[Row]) -> None:
    values = [insert.take(row) for row in rows]
    if connection.dialect.name == "sqlite":
        for text, parameters in _for_sqlite(insert, values):
            await connection.exec_driver_sql(text, parameters)
    else:
        raw: Any = (await connection.get_raw_connection()).driver_connection
        for text in _for_server(insert, values, raw.escape):
            await connection.exec_driver_sql(text, execution_options={"no_parameters": True})


def _for_sqlite(insert: _Insert, values: list[tuple[Any, ...]]) -> Iterator[tuple[str, Any]]:
    """Statements with their parameters. Few different texts, so that SQLite keeps them prepared."""
    at = 0
    for number in _ROWS:
        if number * len(values[0]) > _VARIABLES:
            continue
        text = f"{insert.head}{', '.join([insert.placeholders] * number)}{insert.tail}"
        while len(values) - at >= number:
            yield text, tuple(chain.from_iterable(values[at : at + number]))
            at += number
    if at < len(values):
        yield f"{insert.head}{insert.placeholders}{insert.tail}", values[at:]


def _for_server(
    insert: _Insert, values: list[tuple[Any, ...]], escape: Callable[[Any], str]
) -> Iterator[str]:
    """Statements as they are sent: the driver would quote each value, and nearly all are numbers."""
    part: list[str] = []
    length = 0
    for row in values:
        if insert.quoted:
            given: list[Any] = list(row)
            for index in insert.quoted:
                given[index] = escape(given[index])
            row = tuple(given)  # noqa: PLW2901
        literal = insert.template % row
        if part and length + len(literal) > _LENGTH:
            yield f"{insert.head}{','.join(part)}{insert.tail}"
            part, length = [], 0
        part.append(literal)
        length += len(literal) + 1
    yield f"{insert.head}{','.join(part)}{insert.tail}"


@functools.lru_cache
def _insert(
    dialect: Dialect, table: Table, names: Names, rule: tuple[Names, Names, Names, Names] | None
) -> _Insert:
    statement = _ignoring(dialect, table) if rule is None else _merging(dialect, table, *rule)
    compiled = statement.compile(dialect=dialect, column_keys=names)
    order: list[str] = compiled.positiontup
    mark = "?" if dialect.name == "sqlite" else "%s"
    placeholders = f"({', '.join([mark] * len(order))})"
    head, _, tail = str(compiled).partition(f"VALUES {placeholders}")
    columns = [table.c[name] for name in order]
    integers = [isinstance(column.type, Integer | Boolean) and not column.nullable for column in columns]
    take_rows = itemgetter(*order)
    return _Insert(
        head=f"{head}VALUES ",
        placeholders=placeholders,
        tail=tail,
        take=take_rows if len(order) > 1 else lambda row: (take_rows(row),),
        template=f"({','.join('%d' if integer else '%s' for integer in integers)})",
        quoted=[index for index, integer in enumerate(integers) if not integer],
    )


def _ignoring(dialect: Dialect, table: Table) -> Any:
    if dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    # INSERT IGNORE would store a value that does not fit as another one.
    key = next(iter(table.primary_key))
    return mysql.insert(table).on_duplicate_key_update({key.name: key})


def _merging(
    dialect: Dialect, table: Table, summed: Names, maxima: Names, minima: Names, replaced: Names
) -> Any:
    statement: Any
    greatest: Any
    least: Any
    if dialect.name == "sqlite":
        statement = sqlite.insert(table)
        new, greatest, least = statement.excluded, func.max, func.min
    else:
        statement = mysql.insert(table)
        new, greatest, least = statement.inserted, func.greatest, func.least
    # A value that is NULL on one side is taken from the other.
    pairs = {
        name: (func.coalesce(table.c[name], new[name]), func.coalesce(new[name], table.c[name]))
        if table.c[name].nullable
        else (table.c[name], new[name])
        for name in (*summed, *maxima, *minima)
    }
    values: dict[str, ColumnElement[Any]] = {
        **{name: func.coalesce(table.c[name] + new[name], pairs[name][0]) for name in summed},
        **{name: greatest(*pairs[name]) for name in maxima},
        **{name: least(*pairs[name]) for name in minima},
        **{name: new[name] for name in replaced},
    }
    if dialect.name == "sqlite":
        keys = [column.name for column in table.primary_key]
        return statement.on_conflict_do_update(index_elements=keys, set_=values)
    return statement.on_duplicate_key_update(**values)
