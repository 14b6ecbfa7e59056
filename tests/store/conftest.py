"""The store on each database that it runs on."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.hub import HOST, KEYS, OTHER
from tests.support.mariadb import MariaDb, running_mariadb, why_not
from tests.support.record import WALL
from tests.support.stores import lay_empty_store
from tukur.hub.store.backends.address import ServerAddress
from tukur.hub.store.store import Store
from tukur.protocol import auth

DATABASES = ("sqlite", "mariadb")
"""Every test of this folder that takes `server` or `store` runs once for each."""


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    """A server for the whole run."""
    if reason := why_not():
        pytest.skip(f"the store is NOT tested on MariaDB: {reason}")
    with running_mariadb() as server:
        yield server


@pytest.fixture
def empty(mariadb: MariaDb) -> Iterator[ServerAddress]:
    """An empty database of the server."""
    address = mariadb.new_database()
    yield address
    mariadb.drop(address)


@pytest.fixture(params=DATABASES)
def server(request: pytest.FixtureRequest) -> ServerAddress | None:
    """Where the store is: None: in a file of the data directory."""
    address: ServerAddress | None = request.getfixturevalue("empty") if request.param == "mariadb" else None
    return address


@pytest.fixture
async def store(server: ServerAddress | None, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store with two hosts enrolled."""
    if server is None:
        await lay_empty_store(tmp_path)
    opened = await Store.open(tmp_path, server)
    for host_id in (HOST, OTHER):
        await opened.control.enrolments.enrol(
            host_id, auth.public_key(KEYS[host_id]), f"host-{host_id[0]}", WALL
        )
    yield opened
    await opened.close()
