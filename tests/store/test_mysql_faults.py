"""A server that goes away, stalls, or undoes what the hub does: nothing is lost, nothing is there twice."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest
from sqlalchemy import Table, select

from tests.support.hub import HOST, KEYS, OTHER
from tests.support.mariadb import MariaDb, running_mariadb, why_not
from tests.support.record import WALL, Machine, facts_of, hello_of
from tests.support.waiting import until
from tukur.hub.bus import Bus
from tukur.hub.hosts.presence import Presence
from tukur.hub.ingest import writer as recorder_module
from tukur.hub.ingest.writer import IngestWriter
from tukur.hub.store import errors
from tukur.hub.store.backends import mysql
from tukur.hub.store.backends.address import ServerAddress
from tukur.hub.store.backends.database import Database
from tukur.hub.store.backends.mysql import MysqlServer
from tukur.hub.store.schema import block, boot, command, host_minute, image, process, process_minute
from tukur.hub.store.store import Store
from tukur.protocol import auth
from tukur.protocol.messages import Block

HOSTS = (HOST, OTHER)
TABLES = (block, process, image, host_minute, process_minute)


@pytest.fixture
def own() -> Iterator[MariaDb]:
    """A server that only one test has."""
    if reason := why_not():
        pytest.skip(f"NOT tested on MariaDB: {reason}")
    with running_mariadb() as server:
        yield server


async def enrolled(store: Store) -> Store:
    for host_id in HOSTS:
        await store.control.enrolments.enrol(
            host_id, auth.public_key(KEYS[host_id]), f"host-{host_id[0]}", WALL
        )
    return store


@pytest.fixture
async def store(empty: ServerAddress, tmp_path: Path) -> AsyncIterator[Store]:
    opened = await enrolled(await Store.open(tmp_path, empty))
    yield opened
    await opened.close()


def history(boot_id: str, count: int) -> list[Block]:
    """Blocks of two samples, with lives that begin and end."""
    machine = Machine(boot_id)
    machine.start(1, "init", start_ns=1)
    blocks = []
    for number in range(count):
        machine.start(100 + number, f"worker{number % 7}", "worker", str(number))
        if number > 3:
            machine.end(100 + number - 3)
        machine.work(1, 0.5)
        blocks.append(machine.block(2))
    return blocks


async def content(store: Store, table: Table) -> list[tuple[Any, ...]]:
    """The rows, with boots and commands by what they are rather than by their numbers."""
    async with store.database.read() as connection:
        boots = {row.id: row.boot_id for row in await connection.execute(select(boot))}
        commands = {row.id: row.hash for row in await connection.execute(select(command))}
        rows = (await connection.execute(select(table))).mappings().all()
    names = {"boot": boots, "command": commands}
    return sorted(
        tuple(names[key][value] if key in names else value for key, value in row.items()) for row in rows
    )


async def assert_same(store: Store, histories: dict[str, list[Block]], folder: Path) -> None:
    """What is stored is what an undisturbed embedded database makes of the same blocks."""
    folder.mkdir()
    undisturbed = await enrolled(await Store.open(folder))
    try:
        for host_id, blocks in histories.items():
            assert set(await undisturbed.facts.blocks.put([(host_id, entry) for entry in blocks])) == {None}
        for table in TABLES:
            expected = await content(undisturbed, table)
            assert expected, table.name
            assert await content(store, table) == expected, table.name
    finally:
        await undisturbed.close()


@contextlib.asynccontextmanager
async def recording(store: Store) -> AsyncIterator[IngestWriter]:
    presence = Presence(Bus())
    for host_id in HOSTS:
        presence.connected(hello_of(host_id), WALL)
    recorder = IngestWriter(store.facts, presence)
    task = asyncio.create_task(recorder.run())
    try:
        yield recorder
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait([task])


async def ingest(store: Store, folder: Path, count: int, disturb: Callable[[], None]) -> IngestWriter:
    """Two agents bring their history in while `disturb` runs in a thread of its own."""
    histories = {host_id: history(f"{host_id[:-4]}b007", count) for host_id in HOSTS}
    stored = 0

    async def agent(host_id: str) -> None:
        nonlocal stored
        for entry in histories[host_id]:
            await recorder.put(host_id, entry)
            stored += 1
            await asyncio.sleep(0.005)

    async with recording(store) as recorder:
        agents = asyncio.gather(*map(agent, HOSTS))
        await until(lambda: stored > 10)
        await asyncio.to_thread(disturb)
        assert stored < 2 * count, "the disturbance came too late"
        async with asyncio.timeout(90):
            await agents
    await assert_same(store, histories, folder / "undisturbed")
    return recorder


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_a_server_restarted_in_mid_ingest_loses_and_doubles_nothing(
    own: MariaDb, tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "_RETRY_S", (0.05, 0.5))
    store = await enrolled(await Store.open(tmp_path, own.new_database()))

    def disturb() -> None:
        for _ in range(3):
            getattr(own, how)()
            own.start()
            threading.Event().wait(0.7)

    try:
        await ingest(store, tmp_path, 400, disturb)
    finally:
        await store.close()


async def test_connections_that_somebody_ends_lose_and_double_nothing(
    store: Store, mariadb: MariaDb, empty: ServerAddress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "_RETRY_S", (0.01, 0.05))
    killed = 0

    def disturb() -> None:
        nonlocal killed
        wanted = "select id from information_schema.processlist where user = %s"
        for _ in range(40):
            for (number,) in mariadb.sql(wanted, [empty.user]):
                with contextlib.suppress(pymysql.Error):
                    mariadb.sql(f"KILL {number}")
                    killed += 1
            threading.Event().wait(0.03)

    await ingest(store, tmp_path, 500, disturb)
    assert killed > 10


async def test_a_server_that_stalls_for_ten_seconds_is_waited_for(
    store: Store, own: MariaDb, tmp_path: Path
) -> None:
    stalling = await enrolled(await Store.open(tmp_path, own.new_database()))

    def disturb() -> None:
        with own.stalled():
            threading.Event().wait(10)

    try:
        recorder = await ingest(stalling, tmp_path, 60, disturb)
        assert recorder.fault is None
    finally:
        await stalling.close()


async def test_a_server_that_stalls_for_longer_is_told_and_used_again(own: MariaDb, tmp_path: Path) -> None:
    address = own.new_database()
    await (await Store.open(tmp_path, address)).close()
    store = await enrolled(Store(Database(MysqlServer(address, timeout_s=0.5, largest_block=2**23))))
    first, second = history(f"{HOST[:-4]}b007", 2)
    try:
        assert await store.facts.blocks.put([(HOST, first)]) == [None]
        with own.stalled():
            with pytest.raises(errors.BusyError, match="did not answer in time") as raised:
                await store.facts.blocks.put([(HOST, second)])
            assert raised.value.transient
            with pytest.raises(errors.BusyError):
                await store.hosts()
        assert await store.facts.blocks.put([(HOST, first), (HOST, second)]) == [None, None]
        await assert_same(store, {HOST: [first, second]}, tmp_path / "undisturbed")
    finally:
        await store.close()


# --- what the server undoes


class Other:
    """Another program's connection, in a thread of its own."""

    def __init__(self, mariadb: MariaDb, database: str) -> None:
        self._connection = pymysql.connect(
            unix_socket=str(mariadb.socket), user="root", database=database, ssl_disabled=True
        )

    async def __call__(self, statement: str) -> None:
        def run() -> None:
            with self._connection.cursor() as cursor:
                cursor.execute(statement)

        await asyncio.to_thread(run)

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def other(mariadb: MariaDb, empty: ServerAddress) -> Iterator[Other]:
    connection = Other(mariadb, empty.database)
    yield connection
    connection.close()


def deadlocks(mariadb: MariaDb) -> int:
    return int(mariadb.sql("SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'")[0][1])


async def waits(mariadb: MariaDb) -> None:
    """Until some transaction waits for a row."""
    wanted = "select count(*) from information_schema.innodb_trx where trx_state = 'LOCK WAIT'"
    async with asyncio.timeout(20):
        while mariadb.sql(wanted) == [(0,)]:
            # The server renews the list only when nobody has read it for a tenth of a second.
            await asyncio.sleep(0.2)


async def test_a_deadlock_is_done_again(store: Store, mariadb: MariaDb, other: Other, tmp_path: Path) -> None:
    histories = {host_id: history(f"{host_id[:-4]}b007", 2) for host_id in HOSTS}
    before = deadlocks(mariadb)
    # Who has changed most is spared.
    rows = ", ".join(f"('user {number}', 'viewer', 1)" for number in range(3000))
    await other(f"INSERT INTO user (name, role, created_ms) VALUES {rows}")
    await other("UPDATE host SET name = name, seen_ms = 5 WHERE id = 2")
    items = [(host_id, entry) for host_id, blocks in histories.items() for entry in blocks]
    storing = asyncio.ensure_future(store.facts.blocks.put(items))
    await waits(mariadb)
    await other("UPDATE host SET seen_ms = 5 WHERE id = 1")
    assert deadlocks(mariadb) == before + 1
    assert not storing.done()
    await other("COMMIT")
    assert await storing == [None] * 4
    await assert_same(store, histories, tmp_path / "undisturbed")


async def test_a_row_that_is_held_for_longer_than_it_is_waited_for_is_asked_for_again(
    empty: ServerAddress, other: Other, mariadb: MariaDb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mysql, "LOCK_S", 1)
    store = await enrolled(await Store.open(tmp_path, empty))
    blocks = history(f"{HOST[:-4]}b007", 2)
    try:
        await other("UPDATE host SET seen_ms = 5")
        storing = asyncio.ensure_future(store.facts.blocks.put([(HOST, entry) for entry in blocks]))
        # The server gives up a wait for a row after LOCK_S; the store asks again.
        await asyncio.sleep(1.6)
        assert not storing.done()
        await other("COMMIT")
        assert await storing == [None, None]
        await assert_same(store, {HOST: blocks}, tmp_path / "undisturbed")
        await other("BEGIN")
        await other("UPDATE host SET seen_ms = 6")
        with pytest.raises(errors.ConflictError, match="Lock wait timeout") as raised:
            await store.control.enrolments.save_facts(HOST, facts_of(), WALL)
        assert raised.value.transient
    finally:
        await store.close()
