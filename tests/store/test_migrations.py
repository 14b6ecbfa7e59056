"""A record of an older version is brought forward, with all that is in it."""

import sqlite3
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from tests.support.hub import HOST
from tests.support.record import BOOT
from tukur.hub.store import engine
from tukur.hub.store.exits import ExitStore
from tukur.hub.store.store import Store

ROWS = """
    insert into host values (1, '{host}', x'00', 'owl', null, 0, null);
    insert into boot values (1, 1, '{boot}', 1000);
    insert into process values (1, 500, 7, 1, 0, 1000, 2000, 1, 5, 6, 7, 8);
    insert into process values (1, 600, 8, 1, 0, 1000, null, 0, 0, 0, 0, 0);
    insert into image values (1, 500, 7, 500, 1000, 'sh', 0, 'root', '/bin/sh', 'sh', '/', '', '');
    insert into block values (1, 100, 900, 1, 1000, 2000, 9, 2, 0, x'00', x'00');
"""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A record as revision 0001 kept it."""
    config = Config()
    config.set_main_option("script_location", str(engine._MIGRATIONS))
    path = tmp_path / engine.DATABASE
    made = create_engine(f"sqlite:///{path}")
    with made.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    made.dispose()
    with sqlite3.connect(path) as database:
        database.executescript(ROWS.format(host=HOST, boot=BOOT))
    database.close()
    return tmp_path


async def test_lives_of_the_first_version_are_there_and_say_that_their_end_is_not_exact(old: Path) -> None:
    store = await Store.open(old)
    try:
        (row,) = await ExitStore(store.database).ended([1], 0, 10_000, "all", 10, None)
        assert (row.pid, row.exact, row.exit_code, row.exit_signal, row.cause) == (7, False, None, None, "")
        image = (await store.images(1, [500], 2**62))[(500, 7)]
        assert (image.name, image.exe, image.pod, image.slice) == ("sh", "/bin/sh", "", "")
        assert await store.process_name(HOST, BOOT, 7, 500) == "sh"
        lost = await ExitStore(store.database).lost(1, 0, 10_000)
        assert (lost.lives, lost.cpu_ns) == (0, 0)
    finally:
        await store.close()


async def test_opening_it_a_second_time_changes_nothing(old: Path) -> None:
    for _ in range(2):
        store = await Store.open(old)
        assert [host.host_id for host in await store.hosts()] == [HOST]
        await store.close()
