"""Machines that connected with a host's key while another one used it, until a person decides."""

from dataclasses import dataclass

from sqlalchemy import delete, func, select, update

from tukur.hub.store.backends.bulk import merge
from tukur.hub.store.backends.database import Database, retry_on_conflict
from tukur.hub.store.schema import held, host


@dataclass(frozen=True, slots=True)
class IdentityConflictRow:
    """One such machine, identified by its boot."""

    host_id: str
    boot_id: str
    hostname: str
    address: str
    first_ms: int
    last_ms: int
    """When it last connected."""


class IdentityConflicts:
    """All methods raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @retry_on_conflict
    async def record(self, row: IdentityConflictRow, admitted_boot: str) -> None:
        """Records a machine that was not admitted; from now on only one boot is the host: `admitted_boot`,
        unless another one was chosen already."""
        async with self._database.write() as connection:
            found = await connection.execute(select(host.c.id).where(host.c.host_id == row.host_id))
            values = {
                "host": found.scalar_one(),
                "boot_id": row.boot_id,
                "hostname": row.hostname[:255],
                "address": row.address[:64],
                "first_ms": row.first_ms,
                "last_ms": row.last_ms,
            }
            times = {"minima": ("first_ms",), "maxima": ("last_ms",)}
            await merge(connection, held, [values], (), **times, replaced=("hostname", "address"))
            await connection.execute(
                update(host)
                .where(host.c.host_id == row.host_id)
                .values(only_boot=func.coalesce(host.c.only_boot, admitted_boot))
            )

    async def pending(self) -> list[IdentityConflictRow]:
        """Every machine that waits for a decision, by host."""
        wanted = select(host.c.host_id, held).join(host, host.c.id == held.c.host)
        async with self._database.read() as connection:
            return [
                IdentityConflictRow(
                    row.host_id, row.boot_id, row.hostname, row.address, row.first_ms, row.last_ms
                )
                for row in await connection.execute(wanted.order_by(host.c.host_id, held.c.first_ms))
            ]

    @retry_on_conflict
    async def release(self, host_id: str, boot_id: str | None) -> bool:
        """Decides that only this boot is the host, or with None whichever connects first.

        False: there was no conflict.
        """
        async with self._database.write() as connection:
            number = select(host.c.id).where(host.c.host_id == host_id).scalar_subquery()
            found = await connection.execute(delete(held).where(held.c.host == number))
            await connection.execute(update(host).where(host.c.host_id == host_id).values(only_boot=boot_id))
            return bool(found.rowcount)

    @retry_on_conflict
    async def settle(self, host_id: str) -> None:
        """The chosen boot has connected: any boot may follow it, unless there is a new conflict."""
        async with self._database.write() as connection:
            number = select(host.c.id).where(host.c.host_id == host_id).scalar_subquery()
            waits = await connection.execute(select(held.c.host).where(held.c.host == number).limit(1))
            if waits.first() is None:
                await connection.execute(update(host).where(host.c.host_id == host_id).values(only_boot=None))

    async def only_boots(self) -> dict[str, str]:
        """Host to the only boot that is admitted, for hosts that have such a boot."""
        wanted = select(host.c.host_id, host.c.only_boot).where(host.c.only_boot.is_not(None))
        async with self._database.read() as connection:
            return {row.host_id: row.only_boot for row in await connection.execute(wanted)}
