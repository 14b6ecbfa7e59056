"""Supervision, with real processes."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.waiting import eventually
from tukur.cli.supervise import Child
from tukur.sources.proc import read_stat


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
    killed = time.monotonic()

    def started_again() -> bool:
        child.tend()
        return child.pid not in (first, 0)

    eventually(started_again)
    assert time.monotonic() > killed + 0.5
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

    def ignores_term() -> bool:
        status = Path(f"/proc/{child.pid}/status").read_text()
        ignored = int(re.findall(r"SigIgn:\t(\w+)", status)[0], 16)
        return bool(ignored >> (signal.SIGTERM - 1) & 1)

    eventually(ignores_term)
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
    eventually((tmp_path / "ready").exists)
    parent.send_signal(how)
    parent.wait()
    parent.stdout.close()

    def ended() -> bool:
        stat = read_stat(child)
        return stat is None or stat.state in "ZX"

    eventually(ended, what="the child ends with its supervisor")
