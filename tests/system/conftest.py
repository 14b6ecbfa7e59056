"""One running ``tukur up`` for the tests that do not break it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.running import Up, running


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    data: Path = tmp_path_factory.mktemp("up") / "data"
    with running(data) as started:
        yield started


@pytest.fixture(scope="module")
def client(up: Up) -> Iterator[httpx.Client]:
    with contextlib.closing(up.sign_in()) as signed_in:
        yield signed_in
