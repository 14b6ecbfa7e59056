"""One hub at a time writes to a server's database; commands work beside it."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.hub import HOST, KEYS
from tests.support.mariadb import MariaDb
from tests.support.record import WALL, Machine
from tukur.hub.store.backends import mysql
from tukur.hub.store.backends.address import ServerAddress
from tukur.hub.store.errors import DatabaseLockedError, StoreError
from tukur.hub.store.store import Store
from tukur.protocol import auth


@contextlib.asynccontextmanager
async def hub(folder: Path, server: ServerAddress) -> AsyncIterator[Store]:
    store = await Store.open(folder, server, exclusive=True)
    try:
        await enrol(store)
        yield store
    finally:
        await store.close()


async def enrol(store: Store) -> None:
    await store.control.enrolments.enrol(HOST, auth.public_key(KEYS[HOST]), "owl", WALL)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mysql, "HUB_LOCK_S", 1)


async def test_a_second_hub_is_refused_until_the_first_has_ended(
    mariadb: MariaDb, empty: ServerAddress, tmp_path: Path
) -> None:
    async with hub(tmp_path, empty):
        with pytest.raises(DatabaseLockedError, match="another hub writes to the database"):
            await Store.open(tmp_path, empty, exclusive=True)
        wanted = "select count(*) from information_schema.processlist where user = %s"
        assert mariadb.sql(wanted, [empty.user]) == [(1,)]
    async with hub(tmp_path, empty):
        pass


async def test_commands_write_beside_a_hub(empty: ServerAddress, tmp_path: Path) -> None:
    async with hub(tmp_path, empty):
        beside = await Store.open(tmp_path, empty)
        await enrol(beside)
        await beside.close()


async def test_hubs_of_two_databases_of_one_server_do_not_meet(
    mariadb: MariaDb, empty: ServerAddress, tmp_path: Path
) -> None:
    other = mariadb.new_database()
    try:
        async with hub(tmp_path, empty), hub(tmp_path, other):
            pass
    finally:
        mariadb.drop(other)


async def test_a_hub_whose_connection_broke_goes_on_unless_another_came_first(
    mariadb: MariaDb, empty: ServerAddress, tmp_path: Path
) -> None:
    machine = Machine()

    def cut() -> None:
        for (number,) in mariadb.sql(
            "select id from information_schema.processlist where user = %s", [empty.user]
        ):
            mariadb.sql(f"KILL {number}")

    async with hub(tmp_path, empty) as first:
        cut()
        assert await first.facts.blocks.put([(HOST, machine.block(3))]) == [None]
        cut()
        async with hub(tmp_path, empty):
            block = machine.block(3)
            with pytest.raises(StoreError) as raised:
                await first.facts.blocks.put([(HOST, block)])
            assert (type(raised.value), raised.value.transient) == (DatabaseLockedError, True)
            assert await first.hosts()
        assert await first.facts.blocks.put([(HOST, block)]) == [None]
