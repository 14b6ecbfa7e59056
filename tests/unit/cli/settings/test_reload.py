"""What a running daemon does with a changed file."""

import argparse
import logging
from pathlib import Path

import pytest

from tests.support.settings import resolved
from tukur.cli.errors import CommandError, Exit
from tukur.cli.settings.reload import Reload
from tukur.cli.settings.table import ADDRESS, DATA, LOG


class Running:
    """A daemon whose file can be changed."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.applied: list[argparse.Namespace] = []
        self.restart: set[str] = set()
        file.write_text("log-level = 'info'")
        options = resolved(("--config", str(file), "--host", "::1"), DATA, LOG, ADDRESS)
        self._reload = Reload(options)

    def reload(self, text: str) -> list[str]:
        self.file.write_text(text)
        return self._reload(self._apply)

    def _apply(self, options: argparse.Namespace) -> set[str]:
        if options.tls_cert and not options.tls_key:
            raise CommandError(Exit.USAGE, "--tls-cert and --tls-key belong together; both expected")
        self.applied.append(options)
        return self.restart


@pytest.fixture
def running(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Running:
    caplog.set_level(logging.INFO)
    return Running(tmp_path / "hub.toml")


def test_what_can_change_is_applied_and_reported_once(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    assert running.reload("log-level = 'debug'") == ["log-level"]
    assert "log-level is now debug (log-level in " in caplog.text
    caplog.clear()
    assert running.reload("log-level = 'debug'") == []
    assert [options.log_level for options in running.applied] == ["debug", "debug"]
    assert caplog.text == ""


def test_what_cannot_change_is_named_in_one_line_until_it_is_as_it_was(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        caplog.clear()
        assert running.reload("log-level = 'info'\nport = 9000\ndata = '/elsewhere'") == []
        (line,) = caplog.messages
        assert line.startswith("these settings have changed and take a restart: data /elsewhere (data in ")
        assert ", port 9000 (port in " in line
    caplog.clear()
    running.reload("log-level = 'info'")
    assert caplog.messages == []


def test_what_is_applied_sees_the_rest_as_it_was_at_the_start(running: Running) -> None:
    running.reload("require-reason = true\nport = 9000")
    (applied,) = running.applied
    assert (applied.require_reason, applied.port, applied.host) == (True, 8787, "::1")
    assert applied.found["require_reason"].source == "file"
    assert applied.found["port"].source == "default"


def test_what_the_daemon_cannot_apply_after_all_takes_a_restart(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    running.restart = {"tls_cert", "tls_key"}
    text = "tls-cert = '/c.pem'\ntls-key = '/k.pem'\nrequire-reason = true"
    assert running.reload(text) == ["require-reason"]
    assert "take a restart: tls-cert /c.pem (" in caplog.text


def test_settings_that_do_not_fit_together_change_nothing(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    assert running.reload("tls-cert = '/c.pem'\nrequire-reason = true") == []
    assert "were not reloaded: --tls-cert and --tls-key belong together" in caplog.text
    assert running.reload("require-reason = true") == ["require-reason"]


def test_a_file_that_is_not_valid_changes_nothing(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    running.reload("log-level = 'debug'\nprot = 1")
    assert running.applied == []
    assert "unknown key 'prot'; did you mean 'port'?" in caplog.text
    assert running.reload("log-level = 'error'") == ["log-level"]


def test_a_flag_still_counts_before_the_file(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    running.reload("log-level = 'info'\nhost = '0.0.0.0'")
    assert "host" not in caplog.text
