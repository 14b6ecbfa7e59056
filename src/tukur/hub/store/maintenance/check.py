"""Reads all of the record and finds what is damaged."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from tukur.blocks import BlockDamagedError, decode_host_samples, decode_samples
from tukur.hub.store.backends.database import Database
from tukur.hub.store.payloads import BLOCK_COLUMNS, Payloads
from tukur.hub.store.schema import block, boot

_READ = 20


@dataclass(frozen=True, slots=True)
class DamagedBlock:
    """A block that cannot be decoded, or that differs from its row."""

    boot: int
    first_ns: int
    first_ms: int
    last_ms: int
    why: str


class CheckStore:
    """Can be used while the hub is running."""

    def __init__(self, database: Database, payloads: Payloads) -> None:
        self._database = database
        self._payloads = payloads

    async def structure(self) -> list[str]:
        """What the database's own check finds in its file; empty: nothing, or it is on a server."""
        async with self._database.read() as connection:
            if connection.dialect.name != "sqlite":
                return []
            found = await connection.exec_driver_sql("PRAGMA integrity_check(100)")
            faults = [str(row[0]) for row in found if row[0] != "ok"]
            orphans = (await connection.exec_driver_sql("PRAGMA foreign_key_check")).mappings()
            return faults + [f"a row of {row['table']} belongs to no {row['parent']}" for row in orphans]

    async def count(self) -> int:
        """How many blocks there are."""
        async with self._database.read() as connection:
            return int((await connection.execute(select(func.count()).select_from(block))).scalar_one())

    async def blocks(self) -> AsyncGenerator[tuple[int, list[DamagedBlock]], None]:
        """Decodes every sample; yields (blocks read, the damaged ones among them) for each batch."""
        async with self._database.read() as connection:
            boots = list((await connection.execute(select(boot.c.id).order_by(boot.c.id))).scalars())
        # Boot by boot: each step is a range of the primary key.
        for number in boots:
            after = -1
            while rows := await self._after(number, after):
                after = rows[-1].first_ns
                yield len(rows), await asyncio.to_thread(_damaged, rows)

    async def _after(self, boot_no: int, first_ns: int) -> list[Any]:
        columns = block.c
        wanted = (
            select(*BLOCK_COLUMNS)
            .where(columns.boot == boot_no, columns.first_ns > first_ns)
            .order_by(columns.first_ns)
            .limit(_READ)
        )
        async with self._database.read() as connection:
            return await self._payloads.get(connection, wanted)

    async def remove(self, damaged: DamagedBlock) -> bytes:
        """Deletes a damaged block from the record; returns its payload."""
        wanted = select(*BLOCK_COLUMNS).where(
            block.c.boot == damaged.boot, block.c.first_ns == damaged.first_ns
        )
        async with self._database.write() as connection:
            (row,) = await self._payloads.get(connection, wanted)
            await self._payloads.delete(connection, [(damaged.boot, damaged.first_ns)])
        return bytes(row.tasks) + bytes(row.host_columns)


def _damaged(rows: list[Any]) -> list[DamagedBlock]:
    return [
        DamagedBlock(row.boot, row.first_ns, row.first_ms, row.last_ms, why)
        for row in rows
        if (why := _fault(row))
    ]


def _fault(row: Any) -> str:
    try:
        times = [boot_ns for _, boot_ns, _ in decode_samples(row.tasks)]
        hosts = decode_host_samples(row.host_columns)
    except BlockDamagedError as error:
        return str(error)
    own = [boot_ns for _, boot_ns, _ in hosts.samples[int(hosts.baseline) :]]
    if own != times:
        return "the host's columns and the processes' are not of the same samples"
    if (times[0], times[-1], len(times)) != (row.first_ns, row.last_ns, row.samples):
        return (
            f"{len(times)} samples from {times[0]} to {times[-1]} ns; its row says "
            f"{row.samples} from {row.first_ns} to {row.last_ns} ns"
        )
    return ""
