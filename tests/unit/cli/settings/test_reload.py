"""What a running daemon does with a changed file."""

import logging
from pathlib import Path
from typing import Any

import pytest

from tests.support.settings import resolved
from tukur.cli.settings.reload import Reload
from tukur.cli.settings.table import ADDRESS, DATA, LOG


class Running:
    """A daemon whose file can be changed."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.applied: list[Any] = []
        file.write_text("log-level = 'info'")
        options = resolved(("--config", str(file), "--host", "::1"), DATA, LOG, ADDRESS)
        self._reload = Reload(options, {"log_level": self.applied.append})

    def reload(self, text: str) -> None:
        self.file.write_text(text)
        self._reload()


@pytest.fixture
def running(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Running:
    caplog.set_level(logging.INFO)
    return Running(tmp_path / "hub.toml")


def test_what_can_change_is_applied_once(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    running.reload("log-level = 'debug'")
    running.reload("log-level = 'debug'")
    assert running.applied == ["debug"]
    assert "log-level is now debug (log-level in " in caplog.text


def test_what_cannot_change_is_reported(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    running.reload("log-level = 'info'\nport = 9000")
    assert running.applied == []
    assert "port has changed to 9000" in caplog.text
    assert "it takes a restart" in caplog.text


def test_a_file_that_is_not_valid_changes_nothing(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    running.reload("log-level = 'debug'\nprot = 1")
    assert running.applied == []
    assert "unknown key 'prot'; did you mean 'port'?" in caplog.text
    running.reload("log-level = 'error'")
    assert running.applied == ["error"]


def test_a_flag_still_counts_before_the_file(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    running.reload("log-level = 'info'\nhost = '0.0.0.0'")
    assert "host" not in caplog.text
