"""``tukur gcp``: what it asks, and what a mistake is answered with."""

import io
import os
import pty
import sys
from pathlib import Path
from typing import IO

import pytest

from tests.support.google.server import google
from tukur.cli import main
from tukur.cli.errors import Exit
from tukur.cli.gcp_output import LineProgress

DECLARED = 'project = "rehearsal"\nregion = "europe-west1"\nzone = "europe-west1-b"\n'


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A declaration, and a Google that is not there."""
    monkeypatch.setenv("CLOUDSDK_AUTH_DISABLE_CREDENTIALS", "true")
    path = tmp_path / "gcp.toml"
    path.write_text(DECLARED, encoding="utf-8")
    return path


@pytest.mark.parametrize("action", ["apply", "destroy"])
def test_without_a_terminal_nothing_is_changed_unless_it_is_said(
    file: Path, action: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with google() as cloud:
        for name, value in cloud.environment().items():
            monkeypatch.setenv(name, value)
        if action == "destroy":
            assert main(["gcp", "apply", str(file), "--yes"]) == 0
        before = len(cloud.changes())
        assert main(["gcp", action, str(file)]) == Exit.USAGE
        assert len(cloud.changes()) == before
    assert "there is no terminal; --yes expected" in capsys.readouterr().err


@pytest.mark.parametrize(("answer", "code"), [("n", Exit.FAILED), ("", Exit.FAILED), ("y", 0)])
def test_on_a_terminal_it_asks(
    file: Path, answer: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, theirs = pty.openpty()
    with google() as cloud, os.fdopen(ours, "wb", buffering=0) as keyboard, os.fdopen(theirs) as terminal:
        for name, value in cloud.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "stdin", terminal)
        keyboard.write(f"{answer}\n".encode())
        assert main(["gcp", "apply", str(file)]) == code
        assert bool(cloud.changes()) == (code == 0)
    assert "22 changes in the project rehearsal; go on? [y/N]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("rehearsal", "another"), "Permission denied on resource project another"),
        (("europe-west1", "mars-north1"), "there is no region mars-north1"),
        (
            ("europe-west1-b", "europe-west1-z"),
            "no zone europe-west1-z; one of europe-west1-b, europe-west1-c",
        ),
    ],
)
def test_a_project_region_or_zone_that_is_not_there_is_one_line(
    file: Path,
    change: tuple[str, str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file.write_text(DECLARED.replace(*change), encoding="utf-8")
    with google() as cloud:
        for name, value in cloud.environment().items():
            monkeypatch.setenv(name, value)
        assert main(["gcp", "plan", str(file)]) in (Exit.USAGE, Exit.CLOUD_ACCESS)
    error = capsys.readouterr().err
    assert error.startswith("tukur gcp: ")
    assert error.count("\n") == 1
    assert said in error


def test_a_machine_type_that_the_zone_does_not_have_is_one_line(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(f"{DECLARED}[group]\nmachine = 'x9-huge'\n", encoding="utf-8")
    with google() as cloud:
        for name, value in cloud.environment().items():
            monkeypatch.setenv(name, value)
        assert main(["gcp", "plan", str(file)]) == Exit.USAGE
    assert "group.machine: the zone europe-west1-b has no machine type x9-huge" in capsys.readouterr().err


def test_ctrl_c_says_that_the_same_command_goes_on(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tukur.gcp.plan.make_plan", interrupt)
    assert main(["gcp", "apply", str(file)]) == 130
    assert "interrupted; `tukur gcp apply` goes on from here" in capsys.readouterr().err


def test_without_the_extra_it_says_what_to_install(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert main(["gcp", "plan", str(file)]) == Exit.EXTRA_NOT_INSTALLED
    assert "pip install 'tukur[gcp]'" in capsys.readouterr().err


def test_progress_is_a_line_for_each_step_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    progress = LineProgress()
    progress.begin(1, 2, "creating disk d")
    progress.waiting(3.0)
    progress.done()
    assert capsys.readouterr().err.startswith("1/2 creating disk d: done in 0.")


def shown_until(screen: IO[bytes], end: bytes) -> str:
    """What a terminal shows up to these bytes; it may come in parts."""
    shown = b""
    while end not in shown:
        shown += screen.read(1000)
    return shown.decode()


def test_progress_is_one_line_that_moves_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal, os.fdopen(ours, "rb", buffering=0) as screen:
        monkeypatch.setattr(sys, "stderr", terminal)
        with LineProgress() as progress:
            progress.begin(1, 1, "creating disk d")
            progress.waiting(12.0)
            progress.done()
        terminal.flush()
        shown = shown_until(screen, b"done\r\n")
    assert "[....................] 0/1 creating disk d, 12 s" in shown
    assert "[####################] 1/1 done\r\n" in shown


def test_an_error_in_the_middle_begins_on_a_line_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal, os.fdopen(ours, "rb", buffering=0) as screen:
        monkeypatch.setattr(sys, "stderr", terminal)
        with pytest.raises(OSError, match="no more"), LineProgress() as progress:
            progress.begin(1, 2, "creating disk d")
            raise OSError("no more")
        terminal.flush()
        assert shown_until(screen, b"\n").endswith("0/2 creating disk d\r\n")
