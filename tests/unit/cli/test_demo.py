"""``tukur demo load``: what it starts ends with it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.waiting import eventually
from tukur.cli import main
from tukur.cli.errors import Exit

DEMO = [sys.executable, "-m", "tukur", "demo", "load", "--cpu", "1"]


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_load_outlives_the_command_however_it_ends(number: int) -> None:
    demo = subprocess.Popen([*DEMO, "--for", "1m"], stdout=subprocess.PIPE)
    assert demo.stdout is not None
    assert b"tukur.load" in demo.stdout.readline()
    loads = children(demo.pid)
    assert len(loads) == len(os.sched_getaffinity(0))
    demo.send_signal(number)
    demo.stdout.close()
    assert demo.wait(20) == (130 if number == signal.SIGINT else -number)
    eventually(lambda: not any(alive(pid) for pid in loads))


def test_a_load_that_is_killed_is_not_replaced() -> None:
    demo = subprocess.Popen([*DEMO, "--for", "3s", "--memory", "4"], stdout=subprocess.PIPE)
    assert demo.stdout is not None
    demo.stdout.readline()
    os.kill(children(demo.pid)[0], signal.SIGKILL)
    assert demo.stdout.read().startswith(b"1 of ")
    demo.stdout.close()
    assert demo.wait(20) == 0


def test_a_load_that_runs_to_its_end_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "load", "--cpu", "1", "--for", "1s"]) == 0
    assert capfd.readouterr().out.endswith("the load has ended\n")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--cpu", "0"], "--cpu 0; 1 to 100 expected"),
        (["--cpu", "101"], "--cpu 101; 1 to 100 expected"),
        (["--memory", "-1"], "--memory -1; 0 to "),
        (["--memory", "999999999"], "half of what is available"),
        (["--for", "soon"], "--for 'soon'; a duration up to 1d expected, such as 30s, 10m, 1h or 7d"),
        (["--for", "2d"], "--for '2d'"),
        (["--for", "0s"], "--for '0s'"),
    ],
)
def test_what_it_cannot_do_is_said(options: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "load", *options]) == Exit.USAGE
    assert told in capsys.readouterr().err
