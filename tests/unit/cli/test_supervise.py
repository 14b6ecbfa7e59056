"""Supervision, with real processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tukur.cli.supervise import Child


class Sleeper(Child):
    """Runs a plain program instead of tukur."""

    def __init__(self, program: str) -> None:
        super().__init__("sleeper", [])
        self._arguments = [sys.executable, "-c", program]


def test_a_child_that_dies_is_started_again_after_a_pause() -> None:
    child = Sleeper("import time; time.sleep(60)")
    child.start()
    first = child.pid
    os.kill(first, signal.SIGKILL)
    until = time.monotonic() + 5
    while child.pid in (first, 0) and time.monotonic() < until:
        child.tend()
        time.sleep(0.02)
    assert child.pid not in (first, 0)
    assert time.monotonic() > until - 5 + 0.5
    child.stop(2)


def test_a_child_that_keeps_dying_is_started_ever_more_slowly() -> None:
    child = Sleeper("pass")
    child.start()
    starts, pid, until = 1, child.pid, time.monotonic() + 4
    while time.monotonic() < until:
        child.tend()
        if child.pid not in (0, pid):
            starts, pid = starts + 1, child.pid
        time.sleep(0.01)
    assert starts in (3, 4)


def test_a_child_that_does_not_end_when_asked_is_ended() -> None:
    child = Sleeper(
        "import signal,time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    )
    child.start()
    time.sleep(0.3)
    child.stop(0.3)
    assert child.poll() == -signal.SIGKILL


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_children_end_with_their_supervisor_however_it_ends(how: signal.Signals, tmp_path: Path) -> None:
    program = f"""
import os, sys, time
from tukur.cli.supervise import die_with_parent
parent = os.getpid()
child = os.fork()
if child == 0:
    die_with_parent(parent)
    open({str(tmp_path / "ready")!r}, "w").close()
    time.sleep(60)
print(child, flush=True)
time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    until = time.monotonic() + 5
    while not (tmp_path / "ready").exists() and time.monotonic() < until:
        time.sleep(0.01)
    parent.send_signal(how)
    parent.wait()
    parent.stdout.close()
    while time.monotonic() < until:
        stat = Path(f"/proc/{child}/stat")
        if not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.01)
    raise AssertionError("the child outlived its supervisor")
