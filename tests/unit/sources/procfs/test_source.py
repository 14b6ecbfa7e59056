"""The procfs source on this machine."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.mainless import mainless
from tests.support.waiting import eventually
from tukur.records import KTHREAD
from tukur.sources.procfs.source import (
    ProcfsSource,
)


@pytest.fixture
def source() -> Iterator[ProcfsSource]:
    made = ProcfsSource()
    yield made
    made.close()


def test_it_sees_itself_and_every_row_once(source: ProcfsSource) -> None:
    tasks = source.read()
    assert (tasks["pid"][1:] > tasks["pid"][:-1]).all()
    own = tasks[tasks["pid"] == os.getpid()][0]
    assert int(own["ppid"]) == os.getppid()
    assert bytes(own["comm"]) == Path("/proc/self/comm").read_bytes().strip()[:15]
    assert int(own["uid"]) == os.geteuid()
    assert int(own["rss_anon"]) > 1 << 20
    assert not int(own["flags"]) & KTHREAD


def test_a_process_comes_and_goes(source: ProcfsSource) -> None:
    source.read()
    with subprocess.Popen(["sleep", "60"]) as child:
        assert child.pid in source.read()["pid"]
        child.kill()
        child.wait()
        assert child.pid not in source.read()["pid"]


def test_an_earlier_snapshot_never_changes(source: ProcfsSource) -> None:
    before = source.read()
    copy = before.copy()
    source.read()
    assert (before == copy).all()


def test_a_process_whose_main_thread_ended_has_the_state_and_memory_of_the_others(
    source: ProcfsSource, tmp_path: Path
) -> None:
    with mainless(tmp_path, mib=20) as process:

        def row() -> tuple[str, int, bytes]:
            tasks = source.read()
            (task,) = tasks[tasks["pid"] == process.pid]
            assert int(task["vsz"]) > int(task["rss_anon"]) > 20 << 20
            return chr(task["state"]), int(task["threads"]), bytes(task["comm"])

        eventually(lambda: row() == ("S", 1, b"worker"))
        # The main thread's own files do not change by this.
        process.send_signal(signal.SIGSTOP)
        eventually(lambda: row()[0] == "T")
        process.send_signal(signal.SIGCONT)
        eventually(lambda: row()[0] == "S")


def test_with_no_file_kept_open_it_reads_the_same(source: ProcfsSource) -> None:
    poor = ProcfsSource(frozenset([os.getpid(), os.getppid()]))
    poor._files_left = 0
    for _ in range(3):
        tasks = poor.read()
        assert sorted(tasks["pid"].tolist()) == sorted([os.getpid(), os.getppid()])
    assert all(process.fd == -1 for process in poor._processes.values())


def test_work_shows_at_the_next_reading(source: ProcfsSource) -> None:
    def cpu_ns() -> int:
        tasks = source.read()
        return int(tasks[tasks["pid"] == os.getpid()]["cpu_ns"][0])

    before, until = cpu_ns(), time.process_time() + 0.1
    while time.process_time() < until:
        pass
    assert 80_000_000 <= cpu_ns() - before <= 300_000_000


def test_a_new_program_in_the_same_process_is_noticed(source: ProcfsSource) -> None:
    code = "import os, sys; sys.stdin.readline(); os.execvp('sleep', ['sleep', '60'])"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, text=True) as child:

        def row() -> tuple[int, int, bytes]:
            tasks = source.read()
            task = tasks[tasks["pid"] == child.pid][0]
            return int(task["exec_id"]), int(task["start_ns"]), bytes(task["comm"])

        before = row()
        child.stdin.write("\n")  # type: ignore[union-attr]
        child.stdin.flush()  # type: ignore[union-attr]
        eventually(lambda: row()[2] == b"sleep", 10)
        after = row()
        child.send_signal(signal.SIGKILL)
    assert after[0] != before[0]
    assert after[1] == before[1]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to have supplementary groups")
def test_a_process_in_many_groups_has_its_memory() -> None:
    groups = "import os, time\nos.setgroups(range(3000000000, 3000001500))\nprint(flush=True)\ntime.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", groups], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        source = ProcfsSource(frozenset([child.pid]))
        row = source.read()[0]
        source.close()
        child.kill()
    assert int(row["rss_anon"]) > 1 << 20
    assert int(row["nvcsw"]) + int(row["nivcsw"]) > 0
