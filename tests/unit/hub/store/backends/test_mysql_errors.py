"""What a person would do about an error of the server's, by its number or its text."""

import ssl

import pytest
from asyncmy.errors import InternalError, OperationalError, ProgrammingError

from tukur.hub.store import errors
from tukur.hub.store.backends.mysql_errors import kind


@pytest.mark.parametrize(
    ("error", "expected", "sentence"),
    [
        (OperationalError(1045, "Access denied"), errors.RefusedError, "the user or"),
        (OperationalError(1213, "Deadlock found"), errors.ConflictError, ""),
        (OperationalError(1040, "Too many connections"), errors.BusyError, "no more connections"),
        (OperationalError(2013, "Lost connection"), errors.UnreachableError, "be reached"),
        (InternalError(1114, "The table is full"), errors.DiskFullError, "no space left"),
        (InternalError(3, "Error writing (No space left)"), errors.DiskFullError, "space"),
        (InternalError(145, "Table is marked as crashed"), errors.DamagedError, "damaged"),
        (ConnectionResetError(104, "reset by peer"), errors.UnreachableError, "be reached"),
        (ssl.SSLError(1, "certificate verify failed"), errors.RefusedError, "cannot be trusted"),
        (ProgrammingError(1064, "syntax"), errors.StoreError, "failed"),
    ],
)  # fmt: skip
def test_an_error_is_told_by_what_is_to_be_done(
    error: Exception, expected: type[errors.StoreError], sentence: str
) -> None:
    found = kind("db", error)
    assert type(found) is expected
    assert sentence in str(found)
    assert "the database db" in str(found)


def test_the_systems_own_reason_is_added() -> None:
    error = OperationalError(2003, "Can't connect")
    error.__cause__ = ConnectionRefusedError(111, "Connection refused")
    assert str(kind("db", error)).endswith(": Can't connect: [Errno 111] Connection refused (2003)")


def test_an_error_of_this_program_is_none_of_the_databases() -> None:
    assert kind("db", KeyError("x")) is None
