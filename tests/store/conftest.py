"""The store on each database that it runs on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.hub import HOST, KEYS, OTHER
from tests.support.record import WALL
from tukur.hub.store.store import Store
from tukur.protocol import auth

DATABASES = ("sqlite",)
"""Every test of this folder that takes `store` runs once for each."""


@pytest.fixture(params=DATABASES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store with two hosts enrolled."""
    assert request.param == "sqlite"
    opened = await Store.open(tmp_path)
    for host_id in (HOST, OTHER):
        await opened.enrol(host_id, auth.public_key(KEYS[host_id]), f"host-{host_id[0]}", WALL)
    yield opened
    await opened.close()
