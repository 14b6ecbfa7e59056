"""How migrations run on MariaDB and MySQL, where each change of the schema is committed at once."""

import logging
from typing import Any

from alembic.ddl.base import AddColumn
from alembic.ddl.mysql import MySQLImpl
from sqlalchemy import Connection, CursorResult, Table
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateIndex, CreateTable

log = logging.getLogger(__name__)

_DONE: tuple[tuple[type[Any], int], ...] = ((CreateTable, 1050), (AddColumn, 1060), (CreateIndex, 1061))
"""A change and the error that says that it is done: there is such a table, column or index."""


class ResumableImpl(MySQLImpl):
    """A migration that was interrupted is run again from its beginning: what it did already is passed over.

    Each statement is whole or has not happened. Rows are committed with the migration's end or with the next
    change of the schema: a migration changes rows last, so that they are changed once.
    """

    __dialect__ = "mysql"

    def _exec(self, construct: Any, *arguments: Any, **options: Any) -> CursorResult[Any] | None:
        try:
            return super()._exec(construct, *arguments, **options)
        except DBAPIError as error:
            number = error.orig.args[0] if error.orig is not None and error.orig.args else None
            if not any(isinstance(construct, change) and number == done for change, done in _DONE):
                raise
            log.warning("done by a migration that was interrupted: %s", error.orig)
            return None


def as_ours(table: Table, connection: Connection, **_: Any) -> None:
    """Texts are the same where each character is, up to trailing spaces: names are told apart by them."""
    if connection.dialect.name != "mysql":
        return
    is_mariadb = getattr(connection.dialect, "is_mariadb", False)
    options = {
        "engine": "InnoDB",
        "row_format": "DYNAMIC",
        "default_charset": "utf8mb4",
        "collate": "utf8mb4_nopad_bin" if is_mariadb else "utf8mb4_0900_bin",
    }
    for name, value in options.items():
        table.kwargs[f"mysql_{name}"] = value
