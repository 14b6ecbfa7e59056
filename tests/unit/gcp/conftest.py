"""A Google for each test, and the command against it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import stamina

from tests.support.google.direct import answer_directly
from tests.support.google.server import PROJECT, Google, google
from tukur.cli import main

DECLARED = f"""
project = "{PROJECT}"
region = "europe-west1"
zone = "europe-west1-b"
"""

Gcp = Callable[..., int]


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Google]:
    """Repeats requests at once, and three times at most."""
    with google() as running, stamina.set_testing(True, attempts=3):
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The declaration."""
    path = tmp_path / "gcp.toml"
    path.write_text(DECLARED, encoding="utf-8")
    return path


@pytest.fixture
def gcp(cloud: Google, file: Path, monkeypatch: pytest.MonkeyPatch) -> Gcp:
    """Runs ``tukur gcp`` with the declaration; its exit code. HTTP has tests of its own."""
    answer_directly(monkeypatch, cloud)

    def run(action: str, *options: str) -> int:
        assured = ["--yes"] if action in ("apply", "destroy") else []
        return main(["gcp", action, str(file), *assured, *options])

    return run
