"""Recorded texts of /proc, and this machine's own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.waiting import eventually
from tukur.records import KTHREAD
from tukur.sources.procfs import (
    ProcfsSource,
    parse_cgroup_v2,
    parse_io,
    parse_stat,
    parse_status,
)

STAT = (
    b"3147 (%b) S 3140 3147 3147 34816 3147 4194304 1254 90311 3 17 45 12 180 66 20 -5 7 0 181834 "
    b"9015296 1302 18446744073709551615 94181347319808 94181348109261 140724603121552 0 0 0 65536 3670020 "
    b"1266777851 0 0 0 17 1 0 3 0 0 0 94181348342352 94181348390020 94181370306560 140724603126459 0 0 0 0\n"
)
STATUS = b"""Name:\tbash
Umask:\t0022
State:\tS (sleeping)
Tgid:\t3147
Pid:\t3147
PPid:\t3140
Uid:\t1000\t1001\t1000\t1000
Gid:\t2000\t2001\t2000\t2000
NStgid:\t3147\t12
NSpid:\t3147\t12
VmPeak:\t    8804 kB
RssAnon:\t    1716 kB
RssFile:\t    3492 kB
RssShmem:\t       4 kB
VmSwap:\t     128 kB
Threads:\t1
voluntary_ctxt_switches:\t151
nonvoluntary_ctxt_switches:\t9
"""


def test_a_stat_is_read_field_by_field() -> None:
    stat = parse_stat(STAT % b"bash")
    assert (stat.comm, chr(stat.state), stat.ppid) == (b"bash", "S", 3140)
    assert (stat.minflt, stat.majflt, stat.utime, stat.stime) == (1254, 3, 45, 12)
    assert (stat.nice, stat.threads, stat.starttime, stat.vsize) == (-5, 7, 181834, 9015296)
    assert (stat.flags, stat.policy) == (4194304, 3)


@given(st.binary(max_size=15))
def test_a_name_may_hold_any_bytes(comm: bytes) -> None:
    stat = parse_stat(STAT % comm)
    assert stat.comm == comm
    assert (stat.ppid, stat.starttime) == (3140, 181834)


@pytest.mark.parametrize("comm", [b"a b", b") R 1 (", b"x\ny", b"\xff\xfe", b"((", b"))", b""])
def test_a_name_that_looks_like_the_rest_of_the_line_is_still_a_name(comm: bytes) -> None:
    assert parse_stat(STAT % comm) == parse_stat(STAT % comm)
    assert parse_stat(STAT % comm).comm == comm


@pytest.mark.parametrize("content", [b"", b"1 (x", b"1 (x) S 2 3", b"\n"])
def test_a_stat_that_was_cut_off_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="39 or more expected"):
        parse_stat(content)


def test_another_program_has_another_exec_id() -> None:
    other = (STAT % b"bash").replace(b"140724603121552", b"140724603121999")
    assert parse_stat(other).exec_id != parse_stat(STAT % b"bash").exec_id


def test_a_status_gives_effective_ids_and_bytes() -> None:
    status = parse_status(STATUS)
    assert (status.uid, status.gid, status.ns_pid) == (1001, 2001, 12)
    assert (status.rss_anon, status.rss_file, status.rss_shmem) == (1716 << 10, 3492 << 10, 4 << 10)
    assert (status.swap, status.nvcsw, status.nivcsw) == (128 << 10, 151, 9)


def test_a_kernel_threads_status_has_no_memory() -> None:
    status = parse_status(b"Name:\tkthreadd\nUid:\t0\t0\t0\t0\nvoluntary_ctxt_switches:\t3\n")
    assert (status.rss_anon, status.nvcsw, status.nivcsw) == (0, 3, 0)


def test_a_name_cannot_pose_as_another_line_of_the_status() -> None:
    # The kernel writes a newline in a name as \n, in two characters.
    assert parse_status(b"Name:\ta\\nUid:\t7\t7\n" + STATUS.partition(b"\n")[2]).uid == 1001


def test_io_counts_what_reached_the_storage() -> None:
    content = b"rchar: 9\nwchar: 8\nsyscr: 7\nsyscw: 6\nread_bytes: 4096\nwrite_bytes: 8192\n"
    assert parse_io(content + b"cancelled_write_bytes: 5\n") == (4096, 8192)


@pytest.mark.parametrize(
    ("content", "path"),
    [
        (b"0::/user.slice/x\n", b"/user.slice/x"),
        (b"4:memory:/m\n1:name=systemd:/s\n0::/u\n", b"/u"),
        (b"4:memory:/m\n", None),
        (b"", None),
        (b"0::/gone (deleted)\n", b"/gone"),
    ],
)
def test_the_v2_path_is_found(content: bytes, path: bytes | None) -> None:
    assert parse_cgroup_v2(content) == path


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
