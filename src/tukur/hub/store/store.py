"""The store: all that the hub keeps. It composes its parts, and nobody else builds one."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import msgspec
from sqlalchemy import func, select

from tukur.hub.store.backends.address import ServerAddress
from tukur.hub.store.backends.database import Database
from tukur.hub.store.backends.engine import Backend
from tukur.hub.store.backends.mysql import MysqlServer
from tukur.hub.store.backends.sqlite import DATABASE, SqliteFile
from tukur.hub.store.control.audit import AuditStore
from tukur.hub.store.control.enrolment import Enrolments
from tukur.hub.store.control.identity_conflicts import IdentityConflicts
from tukur.hub.store.control.instances import COLUMNS, InstanceRow, Instances, has_left, instance_row
from tukur.hub.store.control.orders import OrderTable
from tukur.hub.store.control.sessions import Sessions
from tukur.hub.store.control.tokens import Tokens
from tukur.hub.store.control.users import Users
from tukur.hub.store.maintenance.check import CheckStore
from tukur.hub.store.maintenance.copying import Copy
from tukur.hub.store.maintenance.merging import MergeStore
from tukur.hub.store.maintenance.partitions import PartitionStore
from tukur.hub.store.maintenance.retention import RetentionStore
from tukur.hub.store.maintenance.space import Space
from tukur.hub.store.maintenance.usage import UsageStore
from tukur.hub.store.payloads import Payloads, SqlPayloads
from tukur.hub.store.record.blocks import BlockStore
from tukur.hub.store.record.exits import ExitStore
from tukur.hub.store.record.gaps import GapStore
from tukur.hub.store.record.images import ImageStore
from tukur.hub.store.record.lives import LifeStore
from tukur.hub.store.record.ooms import OomStore
from tukur.hub.store.record.rollups import RollupStore
from tukur.hub.store.schema import block, host, instance
from tukur.hub.store.waists import Control, Facts
from tukur.protocol.messages import HostFacts


@dataclass(frozen=True, slots=True)
class HostRow:
    """One enrolled host."""

    number: int
    host_id: str
    name: str
    facts: HostFacts | None
    seen_ms: int | None
    revoked_ms: int | None
    first_ms: int | None
    last_ms: int | None
    groups: tuple[str, ...] = ()
    needs_approval: bool = False
    instance: InstanceRow | None = None
    """The virtual machine that it is; None: it joined by a token with a secret."""


class SqlControl:
    """The control waist in tables of one SQL database."""

    def __init__(self, database: Database) -> None:
        self.enrolments = Enrolments(database)
        self.instances = Instances(database)
        self.identity_conflicts = IdentityConflicts(database)
        self.users = Users(database)
        self.sessions = Sessions(database)
        self.tokens = Tokens(database)
        self.orders = OrderTable(database)
        self.audit = AuditStore(database)


class SqlFacts:
    """The facts waist in tables of one SQL database."""

    def __init__(self, database: Database, payloads: Payloads) -> None:
        self.blocks = BlockStore(database, payloads)
        self.lives = LifeStore(database)
        self.images = ImageStore(database)
        self.rollups = RollupStore(database)
        self.exits = ExitStore(database)
        self.ooms = OomStore(database)
        self.gaps = GapStore(database, payloads)


class Store:
    """The three waists over one database, what keeps that database in order, and the one query across waists.

    All methods raise StoreError.
    """

    control: Control
    facts: Facts
    payloads: Payloads

    def __init__(self, database: Database) -> None:
        self.database = database
        self.payloads = SqlPayloads(database)
        self.control = SqlControl(database)
        self.facts = SqlFacts(database, self.payloads)
        self.partitions = PartitionStore(database)
        self.retention = RetentionStore(database, self.partitions, self.payloads)
        self.merging = MergeStore(database, self.payloads)
        self.usage = UsageStore(database, self.payloads)
        self.check = CheckStore(database, self.payloads)
        self.space = Space(database)

    @classmethod
    async def open(
        cls, data_dir: Path, server: ServerAddress | None = None, *, exclusive: bool = False
    ) -> Self:
        """Opens the server's database, or without one that in `data_dir`; brings its schema up to date.

        `exclusive`: as the server's only hub; raises DatabaseLockedError if there is one already. For the
        file in a data directory the directory's own lock is enough.
        """
        backend: Backend = (
            SqliteFile(data_dir / DATABASE) if server is None else MysqlServer(server, exclusive=exclusive)
        )
        await backend.prepare()
        store = cls(Database(backend))
        if exclusive:
            try:
                await store.database.ensure_connected()
            except BaseException:
                await store.close()
                raise
        return store

    async def close(self) -> None:
        """Closes all connections."""
        await self.database.close()

    async def hosts(self, host_id: str | None = None, *, left: bool = True) -> list[HostRow]:
        """Every host by name, or one host, each with the time of its first and its last block.

        `left`: also those whose machine is no more.

        The one query that joins control and facts.
        """
        # The first and the last entry of the index: as quick with a year of blocks as with an hour.
        own = block.c.host == host.c.id
        recorded = {
            "first_ms": select(block.c.first_ms).where(own).order_by(block.c.last_ms).limit(1),
            "last_ms": select(func.max(block.c.last_ms)).where(own),
        }
        edges = [query.scalar_subquery().label(name) for name, query in recorded.items()]
        wanted = select(host, *COLUMNS, *edges).outerjoin(instance).order_by(host.c.name, host.c.host_id)
        if not left:
            wanted = wanted.where(instance.c.host.is_(None) | ~has_left())
        if host_id is not None:
            wanted = wanted.where(host.c.host_id == host_id)
        async with self.database.read() as connection:
            return [_host_row(row) for row in await connection.execute(wanted)]

    def copy_to(self, target: "Store") -> Copy:
        """A run that makes the target's record what this one is."""
        return Copy(self.database, target.database, self.retention, target.partitions)

    @contextlib.asynccontextmanager
    async def snapshot_to(self, target: "Store") -> AsyncIterator[Copy]:
        """A run that makes the target's record what this one is now, whatever is written meanwhile."""
        async with self.database.snapshot() as state:
            retention = RetentionStore(state, self.partitions, self.payloads)
            yield Copy(state, target.database, retention, target.partitions)


def _host_row(row: Any) -> HostRow:
    facts = None if row.facts is None else msgspec.json.decode(row.facts, type=HostFacts)
    return HostRow(
        row.id,
        row.host_id,
        row.name,
        facts,
        row.seen_ms,
        row.revoked_ms,
        row.first_ms,
        row.last_ms,
        tuple(row.group_names.split()),
        row.needs_approval,
        None if row.instance_id is None else instance_row(row),
    )
