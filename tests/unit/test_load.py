"""The load that is made to be looked at: it uses what it says, and ends when it says."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.waiting import eventually
from tukur.load import burn, hold


def started(*options: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "tukur.load", *options])


@pytest.mark.parametrize("percent", [10, 50])
def test_it_uses_its_share_of_a_processor_and_no_more(percent: int) -> None:
    load = started("--cpu", str(percent), "--seconds", "1.5")
    _, status, used = os.wait4(load.pid, 0)
    load.returncode = os.waitstatus_to_exitcode(status)
    assert load.returncode == 0
    # What the start of Python costs comes on top; beside others it can get less.
    assert used.ru_utime + used.ru_stime < 1.5 * percent / 100 + 0.6
    assert used.ru_utime + used.ru_stime > 1.5 * percent / 100 * 0.3


def test_its_work_lasts_as_long_as_it_is_told() -> None:
    begun = time.monotonic()
    burn(0.2, 0.3)
    assert time.monotonic() - begun >= 0.3


def test_it_holds_its_memory() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    memory = hold(8)
    assert memory is not None
    assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before > 8
    assert sum(memory[::4096]) == 2048
    memory.close()
    assert hold(0) is None


def test_it_ends_when_it_is_asked_to() -> None:
    load = started("--cpu", "1", "--seconds", "60")
    # Only then does it know the signal.
    eventually(lambda: signal.SIGTERM in _caught(load.pid))
    load.terminate()
    begun = time.monotonic()
    assert load.wait(20) == 0
    assert time.monotonic() - begun < 20


def _caught(pid: int) -> set[int]:
    with Path(f"/proc/{pid}/status").open(encoding="ascii") as file:
        bits = int(next(line.split()[1] for line in file if line.startswith("SigCgt:")), 16)
    return {number for number in range(1, 65) if bits >> (number - 1) & 1}
