"""The store: everything that the hub keeps, behind one interface."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import msgspec
from sqlalchemy import func, select, update
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from tukur.hub.store.backends.address import ServerAddress
from tukur.hub.store.backends.bulk import insert_new
from tukur.hub.store.backends.database import Database, retry_on_conflict
from tukur.hub.store.backends.engine import Backend
from tukur.hub.store.backends.mysql import MysqlServer
from tukur.hub.store.backends.sqlite import DATABASE, SqliteFile
from tukur.hub.store.control.enrolment import Enrolments
from tukur.hub.store.control.identity_conflicts import IdentityConflicts
from tukur.hub.store.control.orders import OrderTable
from tukur.hub.store.control.sessions import Sessions
from tukur.hub.store.control.tokens import Tokens
from tukur.hub.store.control.users import Users
from tukur.hub.store.errors import BadBlockError
from tukur.hub.store.record.blocks import host_number, in_order, put, put_in_order
from tukur.hub.store.record.commands import IMAGE_COLUMNS, IMAGES
from tukur.hub.store.schema import block, boot, command, host, image, process
from tukur.protocol.messages import Block, Gap, HostFacts

_BAD_VALUES = (IntegrityError, DataError, OverflowError, UnicodeEncodeError)
"""What the database says of a value that it cannot hold."""
_CHUNK = 5000
"""Values in one IN list: SQLite takes 32,766 at most."""


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


@dataclass(frozen=True, slots=True)
class BlockRow:
    """Where a block lies in time, and its columns."""

    boot: int
    first_ns: int
    first_ms: int
    last_ms: int
    host_columns: bytes
    tasks: bytes
    """Empty, as the host's columns, where they were not asked for."""


Key = tuple[int, int]
"""(start_ns, pid) of a life within one boot."""


class Store(OrderTable):
    """All methods raise StoreError."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.users = Users(database)
        self.sessions = Sessions(database)
        self.tokens = Tokens(database)
        self.enrolments = Enrolments(database)
        self.identity_conflicts = IdentityConflicts(database)

    @classmethod
    async def open(cls, data_dir: Path, server: ServerAddress | None = None, *, sole: bool = False) -> Self:
        """Opens the server's database, or without one that in `data_dir`; its schema is made where needed.

        sole: as the server's only hub; raises DatabaseLockedError where there is one. Whoever holds the data
        directory needs no more for the file in it.
        """
        backend: Backend = (
            SqliteFile(data_dir / DATABASE) if server is None else MysqlServer(server, sole=sole)
        )
        await backend.prepare()
        store = cls(Database(backend))
        if sole:
            try:
                await store.database.ensure_connected()
            except BaseException:
                await store.close()
                raise
        return store

    @property
    def database(self) -> Database:
        """For questions that have a file of their own."""
        return self._database

    async def close(self) -> None:
        """Closes all connections."""
        await self._database.close()

    # --- hosts

    @retry_on_conflict
    async def enrol(self, host_id: str, public_key: bytes, name: str, wall_ns: int) -> None:
        """Admits a host by its public key; where it is known, its key becomes this one, its name stays."""
        row = {"host_id": host_id, "public_key": public_key, "name": name, "created_ms": wall_ns // 1_000_000}
        async with self._database.write() as connection:
            await insert_new(connection, host, [row])
            await connection.execute(
                update(host).where(host.c.host_id == host_id).values(public_key=public_key)
            )

    @retry_on_conflict
    async def save_facts(self, host_id: str, facts: HostFacts, wall_ns: int) -> None:
        """What the host said of itself when it connected."""
        content = msgspec.json.encode(facts).decode()
        async with self._database.write() as connection:
            await connection.execute(
                update(host)
                .where(host.c.host_id == host_id)
                .values(facts=content, seen_ms=wall_ns // 1_000_000)
            )

    async def hosts(self, host_id: str | None = None) -> list[HostRow]:
        """Every host by name, or the one asked for."""
        # The first and the last entry of the index: as quick with a year of blocks as with an hour.
        mine = block.c.host == host.c.id
        recorded = {
            "first_ms": select(block.c.first_ms).where(mine).order_by(block.c.last_ms).limit(1),
            "last_ms": select(func.max(block.c.last_ms)).where(mine),
        }
        edges = [query.scalar_subquery().label(name) for name, query in recorded.items()]
        wanted = select(host, *edges).order_by(host.c.name, host.c.host_id)
        if host_id is not None:
            wanted = wanted.where(host.c.host_id == host_id)
        async with self._database.read() as connection:
            return [_host_row(row) for row in await connection.execute(wanted)]

    # --- blocks

    @retry_on_conflict
    async def put_blocks(self, items: Sequence[tuple[str, Block | Gap]]) -> list[BadBlockError | None]:
        """Stores (host_id, block or gap) pairs in one transaction; for each None, or why it never can be.

        A block that is there already changes nothing. Where this raises, nothing was stored.
        """
        results: list[BadBlockError | None] = [None] * len(items)
        async with self._database.write() as connection:
            stored = await self._put_in_order(connection, items)
            for at, (host_id, content) in enumerate(items):
                if at in stored:
                    continue
                try:
                    async with connection.begin_nested():
                        self._check_size(content)
                        await put(connection, host_id, content)
                except BadBlockError as error:
                    results[at] = error
                except _BAD_VALUES as error:
                    # Its own values are at fault: to try again would hold up everyone's record.
                    results[at] = BadBlockError(f"the database cannot hold it: {_reason(error)}")
        return results

    async def _put_in_order(
        self, connection: AsyncConnection, items: Sequence[tuple[str, Block | Gap]]
    ) -> frozenset[int]:
        """Stores together what can be; which of the items that were: where one of them is bad, none."""
        try:
            async with connection.begin_nested():
                found = await in_order(connection, items)
                for entry in found.values():
                    self._check_size(entry.content)
                if found:
                    await put_in_order(connection, list(found.values()))
        except (BadBlockError, *_BAD_VALUES):
            return frozenset()
        return frozenset(found)

    def _check_size(self, content: Block | Gap) -> None:
        if isinstance(content, Gap):
            return
        size, most = len(content.host) + len(content.tasks), self._database.backend.largest_block
        if size > most:
            raise BadBlockError(f"it has {size} bytes; the database takes {most} at most")

    async def block_near(self, host_no: int, at_ms: int, *, content: bool = True) -> BlockRow | None:
        """The block that holds the sample nearest to an instant; without `content` only where it lies."""
        place = [block.c.boot, block.c.first_ns, block.c.first_ms, block.c.last_ms]
        mine = (select(block) if content else select(*place)).where(block.c.host == host_no)
        async with self._database.read() as connection:
            after = (
                await connection.execute(
                    mine.where(block.c.last_ms >= at_ms).order_by(block.c.last_ms).limit(1)
                )
            ).one_or_none()
            if after is not None and after.first_ms <= at_ms:
                return _block_row(after)
            before = (
                await connection.execute(
                    mine.where(block.c.last_ms < at_ms).order_by(block.c.last_ms.desc()).limit(1)
                )
            ).one_or_none()
        if before is None or (after is not None and after.first_ms - at_ms < at_ms - before.last_ms):
            return None if after is None else _block_row(after)
        return _block_row(before)

    async def blocks_between(self, host_no: int, from_ms: int, to_ms: int, *, tasks: bool) -> list[BlockRow]:
        """The blocks that have samples in [from, to), by time; without `tasks` only the host's columns."""
        columns: list[Any] = [block.c.boot, block.c.first_ns, block.c.first_ms, block.c.last_ms]
        columns += [block.c.host_columns, *([block.c.tasks] if tasks else [])]
        wanted = (
            select(*columns)
            .where(block.c.host == host_no, block.c.last_ms >= from_ms, block.c.first_ms < to_ms)
            # A block lasts a minute at most: the bounds keep the scan to the range, of the index and of days.
            .where(block.c.last_ms < to_ms + 120_000, block.c.first_ms >= from_ms - 120_000)
            .order_by(block.c.last_ms)
        )
        async with self._database.read() as connection:
            return [_block_row(row) for row in await connection.execute(wanted)]

    # --- lives

    async def boots(self, host_no: int) -> dict[int, tuple[str, int]]:
        """Number to (boot_id, booted_ms) of each boot of a host."""
        wanted = select(boot.c.id, boot.c.boot_id, boot.c.booted_ms).where(boot.c.host == host_no)
        async with self._database.read() as connection:
            found = await connection.execute(wanted)
            return {row.id: (row.boot_id, row.booted_ms) for row in found}

    async def images(self, boot_no: int, start_ns: Sequence[int], at_ns: int) -> dict[Key, Any]:
        """The image that each life had at boot time `at_ns`, or its oldest; of all lives that begin so."""
        found: dict[Key, Any] = {}
        async with self._database.read() as connection:
            for at in range(0, len(start_ns), _CHUNK):
                wanted = (
                    select(*IMAGE_COLUMNS)
                    .select_from(IMAGES)
                    .where(image.c.boot == boot_no, image.c.start_ns.in_(start_ns[at : at + _CHUNK]))
                    .order_by(image.c.since_ns)
                )
                for row in await connection.execute(wanted):
                    key = (row.start_ns, row.pid)
                    if key not in found or row.since_ns <= at_ns:
                        found[key] = row
        return found

    async def lives(self, boot_no: int, start_ns: Sequence[int]) -> dict[Key, Any]:
        """The process rows of all lives that begin at these instants."""
        found: dict[Key, Any] = {}
        async with self._database.read() as connection:
            for at in range(0, len(start_ns), _CHUNK):
                wanted = select(process).where(
                    process.c.boot == boot_no, process.c.start_ns.in_(start_ns[at : at + _CHUNK])
                )
                found.update({(row.start_ns, row.pid): row for row in await connection.execute(wanted)})
        return found

    async def process_name(self, host_id: str, boot_id: str, pid: int, start_ns: int) -> str:
        """The name of a life as it was last recorded; empty where it is not known."""
        wanted = (
            select(command.c.name)
            .select_from(IMAGES)
            .join(boot, boot.c.id == image.c.boot)
            .join(host, host.c.id == boot.c.host)
            .where(
                host.c.host_id == host_id,
                boot.c.boot_id == boot_id,
                image.c.start_ns == start_ns,
                image.c.pid == pid,
            )
            .order_by(image.c.since_ns.desc())
            .limit(1)
        )
        async with self._database.read() as connection:
            return (await connection.execute(wanted)).scalar_one_or_none() or ""

    async def number_of(self, host_id: str) -> int | None:
        """The host's number in the database."""
        async with self._database.read() as connection:
            return await host_number(connection, host_id)


def _reason(error: Exception) -> str:
    """Without the statement and its values, which SQLAlchemy adds."""
    return str(error.orig) if isinstance(error, DBAPIError) else str(error)


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
    )


def _block_row(row: Any) -> BlockRow:
    return BlockRow(
        row.boot,
        row.first_ns,
        row.first_ms,
        row.last_ms,
        getattr(row, "host_columns", b""),
        getattr(row, "tasks", b""),
    )
