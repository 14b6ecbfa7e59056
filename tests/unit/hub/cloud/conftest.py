"""A hub whose machines are virtual machines of the tests' Google."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.google.cloud import Cloud, cloud
from tests.support.hub import RunningHub, running_hub


@pytest.fixture
def around() -> Iterator[Cloud]:
    with cloud() as running:
        yield running


@pytest.fixture
async def hub(tmp_path: Path, around: Cloud) -> AsyncIterator[RunningHub]:
    async with running_hub(tmp_path / "hub", google=around.settings) as running:
        yield running
