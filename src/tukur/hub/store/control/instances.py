"""Hosts that are virtual machines of an instance group, and what the group said of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.sql.elements import ColumnElement

from tukur.hub.store.backends.database import Database, retry_on_conflict
from tukur.hub.store.schema import host, instance

LEFT = "left"
"""The state of a host whose machine is no more."""


@dataclass(frozen=True, slots=True)
class InstanceRow:
    """The machine of one host."""

    instance_id: str
    name: str
    group: str
    """``regions/REGION/instanceGroupManagers/NAME``"""
    zone: str
    state: str = ""
    """What the group said when it was asked; see ``hub.cloud.lifecycle``. Empty: it was never asked."""
    reason: str = ""
    asked_ms: int = 0
    """When."""


@dataclass(frozen=True, slots=True)
class WatchedInstance:
    """A host whose machine may still be there."""

    host_id: str
    instance: InstanceRow
    seen_ms: int
    """When it last connected, or joined if it never did."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a group says of the machine of a silent host."""

    host_id: str
    state: str
    reason: str
    asked_ms: int


COLUMNS = tuple(column for column in instance.c if column is not instance.c.host)
"""What :func:`instance_row` takes; no other column of a host has such a name."""


def has_left() -> ColumnElement[bool]:
    """Whether the host's machine is no more, as far as is known since it last connected."""
    return (instance.c.state == LEFT) & (instance.c.asked_ms > func.coalesce(host.c.seen_ms, 0))


class Instances:
    """All methods raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @retry_on_conflict
    async def enrol(self, host_id: str, public: bytes, row: InstanceRow, now_ms: int) -> str | None:
        """Adds a machine as a host; the host's ID, or None where another key has joined for this instance.

        The same key joins again as the same host: the answer to the first time was lost.
        """
        async with self._database.write() as connection:
            wanted = select(host.c.host_id, host.c.public_key, host.c.revoked_ms).join(instance)
            known = (
                await connection.execute(wanted.where(instance.c.instance_id == row.instance_id))
            ).one_or_none()
            if known is not None:
                same = bytes(known.public_key) == public and known.revoked_ms is None
                return str(known.host_id) if same else None
            added = {"host_id": host_id, "public_key": public, "name": row.name, "created_ms": now_ms}
            await connection.execute(insert(host), added)
            number = select(host.c.id).where(host.c.host_id == host_id).scalar_subquery()
            await connection.execute(
                insert(instance).values(
                    host=number,
                    instance_id=row.instance_id,
                    instance_name=row.name,
                    instance_group=row.group,
                    zone=row.zone,
                )
            )
            return host_id

    async def watched(self) -> list[WatchedInstance]:
        """Every host that is not known to have left since it last connected."""
        seen = func.coalesce(host.c.seen_ms, host.c.created_ms)
        wanted = (
            select(host.c.host_id, seen.label("seen_ms"), *COLUMNS)
            .join(instance)
            .where(host.c.revoked_ms.is_(None), ~has_left())
        )
        async with self._database.read() as connection:
            return [
                WatchedInstance(row.host_id, instance_row(row), row.seen_ms)
                for row in await connection.execute(wanted)
            ]

    async def left(self) -> list[tuple[tuple[str, ...], int]]:
        """How many hosts have left, by their host groups."""
        wanted = select(host.c.group_names, func.count()).join(instance).where(has_left())
        async with self._database.read() as connection:
            found = await connection.execute(wanted.group_by(host.c.group_names))
            return [(tuple(names.split()), count) for names, count in found]

    @retry_on_conflict
    async def judge(self, judged: Sequence[Judged]) -> None:
        """Stores what the groups said."""
        async with self._database.write() as connection:
            for one in judged:
                number = select(host.c.id).where(host.c.host_id == one.host_id).scalar_subquery()
                await connection.execute(
                    update(instance)
                    .where(instance.c.host == number)
                    .values(state=one.state, reason=one.reason, asked_ms=one.asked_ms)
                )


def instance_row(row: Any) -> InstanceRow:
    """Of a row that has the columns of the table."""
    return InstanceRow(
        row.instance_id, row.instance_name, row.instance_group, row.zone, row.state, row.reason, row.asked_ms
    )
