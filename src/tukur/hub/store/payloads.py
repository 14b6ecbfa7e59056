"""Block payloads: the compressed columns of a block, put, read and deleted by its key and nothing else.

No other part of the store reads or writes the columns ``host_columns`` and ``tasks`` of the table ``block``,
except copying and salvage, which move whole tables of SQL databases.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from sqlalchemy import ColumnElement, Select, delete, func, insert, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from tukur.hub.store.backends.database import Database
from tukur.hub.store.schema import block

BlockKey = tuple[int, int]
"""(boot, first_ns)."""


class Payload(NamedTuple):
    """What ``tukur.blocks`` encoded: never looked into by the database."""

    host_columns: bytes
    tasks: bytes


class Payloads(Protocol):
    """Where the bytes of blocks are kept.

    Each method works within the caller's transaction on the block's row: a payload exists if and only if its
    row does. An implementation that keeps the bytes elsewhere must therefore write them before the row is
    committed, and may delete them only after the deletion is committed. Errors of the database leave as the
    transaction's exceptions, which ``Database`` turns into StoreError. Partitions of old days are dropped
    with their rows (``maintenance/partitions.py``) without a call of `delete`.
    """

    @property
    def max_bytes(self) -> int:
        """The largest payload that can be stored; both columns together."""

    async def put(
        self, transaction: AsyncConnection, rows: Sequence[Mapping[str, Any]], payloads: Sequence[Payload]
    ) -> None:
        """Inserts rows of ``block``, each with the payload at the same index. No key may be there already."""

    async def get(
        self, transaction: AsyncConnection, blocks: Select[Any], *, tasks: bool = True
    ) -> list[Any]:
        """Runs a query of rows of ``block`` and adds their ``host_columns``, with `tasks` also ``tasks``.

        The query selects columns of ``block``, among them ``boot`` and ``first_ns``; its order is kept.
        """

    async def delete(self, transaction: AsyncConnection, keys: Sequence[BlockKey]) -> int:
        """Deletes blocks, rows and payloads; how many of them were there."""

    async def size(self, transaction: AsyncConnection, *conditions: ColumnElement[bool]) -> tuple[int, int]:
        """(blocks, bytes of their payloads) of the rows of ``block`` that meet the conditions."""


class SqlPayloads:
    """Payloads in the block's own row: one statement writes or reads both."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def max_bytes(self) -> int:
        """What one value of the database, or one statement to it, may have."""
        return self._database.backend.largest_block

    async def put(
        self, transaction: AsyncConnection, rows: Sequence[Mapping[str, Any]], payloads: Sequence[Payload]
    ) -> None:
        """Inserts the rows."""
        values = [{**row, **payload._asdict()} for row, payload in zip(rows, payloads, strict=True)]
        await transaction.execute(insert(block), values)

    async def get(
        self, transaction: AsyncConnection, blocks: Select[Any], *, tasks: bool = True
    ) -> list[Any]:
        """The query with the payload's columns added."""
        columns = [block.c.host_columns, *([block.c.tasks] if tasks else [])]
        return list(await transaction.execute(blocks.add_columns(*columns)))

    async def delete(self, transaction: AsyncConnection, keys: Sequence[BlockKey]) -> int:
        """Deletes the rows."""
        done = await transaction.execute(
            delete(block).where(tuple_(block.c.boot, block.c.first_ns).in_(keys))
        )
        return int(done.rowcount)

    async def size(self, transaction: AsyncConnection, *conditions: ColumnElement[bool]) -> tuple[int, int]:
        """Counts and adds up."""
        content = func.sum(func.length(block.c.tasks) + func.length(block.c.host_columns))
        found = await transaction.execute(select(func.count(), content).where(*conditions))
        number, size = found.one()
        return int(number), int(size or 0)


BLOCK_COLUMNS = tuple(column for column in block.columns if column.name not in Payload._fields)
"""What a block's row has besides its payload."""
