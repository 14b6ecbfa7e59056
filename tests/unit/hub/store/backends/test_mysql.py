"""What is sent to a MySQL 8.4 server, as far as it can be known without one."""

from types import SimpleNamespace

import pytest
from asyncmy import errors as driver
from sqlalchemy import MetaData, Table
from sqlalchemy.dialects.mysql.reserved_words import RESERVED_WORDS_MYSQL
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.schema import CreateTable

from tukur.hub.store import errors
from tukur.hub.store.backends import mysql
from tukur.hub.store.backends.address import ServerAddress
from tukur.hub.store.backends.bulk import _merging
from tukur.hub.store.backends.mysql import MysqlServer
from tukur.hub.store.migrations.mysql import as_ours
from tukur.hub.store.schema import metadata, process_minute

SERVER = MysqlServer(ServerAddress("owl", "record", host="db.example"))


@pytest.fixture
def dialect() -> Dialect:
    """As it is after the first connection to such a server."""
    engine = SERVER._engine()
    found = engine.dialect
    found.server_version_info = (8, 4, 0)
    found.is_mariadb = False  # type: ignore[attr-defined]
    found._requires_alias_for_on_duplicate_key = True  # type: ignore[attr-defined]
    mysql._use_values_function(engine)
    return found


def test_rows_are_added_up_by_what_both_servers_know(dialect: Dialect) -> None:
    statement = _merging(dialect, process_minute, ("cpu_ns", "read_bytes"), ("rss_peak",), (), ())
    text = str(statement.compile(dialect=dialect, column_keys=[column.name for column in process_minute.c]))
    assert "VALUES(cpu_ns)" in text


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda table: str(table.name))
def test_a_table_is_one_that_it_takes(dialect: Dialect, table: Table) -> None:
    copies = MetaData()
    for each in metadata.sorted_tables:
        each.to_metadata(copies)
    copy = copies.tables[table.name]
    as_ours(copy, SimpleNamespace(dialect=dialect))  # type: ignore[arg-type]
    text = str(CreateTable(copy).compile(dialect=dialect))
    assert "COLLATE utf8mb4_0900_bin" in text
    assert "ENGINE=InnoDB" in text
    assert " TEXT" not in text, "it ends at 65,535 bytes"
    for name in (table.name, *(column.name for column in table.columns)):
        if name.lower() in RESERVED_WORDS_MYSQL:
            assert f"`{name}`" in text


@pytest.mark.parametrize(
    ("raised", "kind", "told"),
    [
        (driver.OperationalError(1213, "Deadlock found"), errors.ConflictError, "Deadlock found (1213)"),
        (driver.OperationalError(1305, "SAVEPOINT x does not exist"), errors.ConflictError, "(1305)"),
        (driver.OperationalError(1205, "Lock wait timeout"), errors.ConflictError, "(1205)"),
        (driver.OperationalError(1040, "Too many connections"), errors.BusyError, "accepts no more"),
        (driver.OperationalError(3024, "maximum statement execution"), errors.BusyError, "too long"),
        (driver.OperationalError(2013, "Lost connection"), errors.UnreachableError, "be reached"),
        (driver.InterfaceError("(0, '')"), errors.UnreachableError, "be reached"),
        (ConnectionResetError(104, "reset by peer"), errors.UnreachableError, "reset by peer"),
        (driver.OperationalError(1114, "The table is full"), errors.DiskFullError, "no space left"),
        (
            driver.OperationalError(1030, "Got error 28 No space left on device"),
            errors.DiskFullError,
            "no space left",
        ),
        (driver.OperationalError(1290, "--read-only option"), errors.NotWritableError, "not writable"),
        (driver.ProgrammingError(1146, "no such table"), errors.DamagedError, "damaged"),
        (driver.OperationalError(1665, "binlog"), errors.UnfitError, "ROW or MIXED expected"),
        (driver.OperationalError(9999, "something new"), errors.StoreError, "something new (9999)"),
        (
            RuntimeError("'cryptography' package is required for caching_sha2_password"),
            errors.RefusedError,
            "over TLS (ssl-ca) or over its socket",
        ),
    ],
)
def test_each_failure_has_its_kind(raised: Exception, kind: type[errors.StoreError], told: str) -> None:
    found = SERVER.kind(raised)
    assert type(found) is kind
    assert told in str(found)
    assert "mysql://owl@db.example:3306/record" in str(found)
    assert "\n" not in str(found)


def test_what_is_not_the_databases_is_left_alone() -> None:
    assert SERVER.kind(ValueError("a mistake of ours")) is None
    assert SERVER.kind(RuntimeError("another")) is None
