"""Recorded texts of /proc/PID."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.cgroups import cgroups
from tests.support.mainless import live_tid, mainless
from tests.support.waiting import eventually
from tukur.sources.proc import (
    list_pids,
    parse_cgroup,
    parse_cgroup_v2,
    parse_cmdline,
    parse_io,
    parse_stat,
    parse_status,
    read,
    read_cgroup,
    read_cgroup_file,
    read_stat,
    read_status,
    reread,
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
    assert (stat.comm, stat.state, stat.ppid) == (b"bash", "S", 3140)
    assert (stat.minflt, stat.majflt, stat.utime, stat.stime) == (1254, 3, 45, 12)
    assert (stat.nice, stat.threads, stat.start_ticks, stat.vsize) == (-5, 7, 181834, 9015296)
    assert (stat.flags, stat.policy) == (4194304, 3)
    assert (stat.name, stat.kthread, stat.exit_code) == ("bash", False, 0)


def test_a_stat_without_an_exit_code_is_still_one() -> None:
    assert parse_stat(b" ".join((STAT % b"bash").split()[:-1])).exit_code is None


@given(st.binary(max_size=15))
def test_a_name_may_hold_any_bytes(comm: bytes) -> None:
    stat = parse_stat(STAT % comm)
    assert stat.comm == comm
    assert (stat.ppid, stat.start_ticks) == (3140, 181834)


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
    assert (status.real_uid, status.uid, status.gid, status.ns_pid) == (1000, 1001, 2001, 12)
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


@pytest.mark.parametrize(
    ("content", "argv"),
    [
        (b"", []),
        (b"ls\0-l\0", [b"ls", b"-l"]),
        (b"a\0\0b\0", [b"a", b"", b"b"]),
        (b"nginx: master process\0\0\0\0", [b"nginx: master process"]),
        (b"no end", [b"no end"]),
        (b"\xff\xfe\0", [b"\xff\xfe"]),
    ],
)
def test_a_command_line_is_split_at_its_nuls(content: bytes, argv: list[bytes]) -> None:
    assert parse_cmdline(content) == argv


@pytest.mark.parametrize(
    ("content", "path"),
    [
        (b"0::/system.slice/ssh.service\n", "/system.slice/ssh.service"),
        (b"5:memory:/m\n1:name=systemd:/system.slice/a.service\n0::/\n", "/system.slice/a.service"),
        (b"9:name=systemd:/\n4:memory:/job/7\n1:cpu:/\n0::/\n", "/job/7"),
        (b"0::/\n", "/"),
        (b"0::/a:b\n", "/a:b"),
        (b"0::/gone.service (deleted)\n", "/gone.service"),
        (b"", ""),
        (b"garbage\n", ""),
    ],
)
def test_the_cgroup_is_the_one_that_says_most(content: bytes, path: str) -> None:
    assert parse_cgroup(content) == path


def test_this_process_is_read() -> None:
    own = os.getpid()
    stat, status = read_stat(own), read_status(own)
    assert stat is not None
    assert status is not None
    assert stat.ppid == os.getppid()
    assert stat.name == Path("/proc/self/comm").read_text().rstrip("\n")
    assert (status.real_uid, status.uid) == (os.getuid(), os.geteuid())
    assert status.rss_anon > 0
    assert read_cgroup(own) == parse_cgroup(Path("/proc/self/cgroup").read_bytes())
    assert own in list_pids()


def test_of_a_process_that_is_gone_nothing_is_read() -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    assert read_stat(child.pid) is None
    assert read_status(child.pid) is None
    assert read_cgroup(child.pid) == ""
    assert child.pid not in list_pids()


def test_a_file_is_read_whole_however_long_it_is_and_however_little_was_expected(tmp_path: Path) -> None:
    for length in (0, 9, 10, 11, 3_000_000):
        file = tmp_path / "file"
        file.write_bytes(b"x" * length)
        assert len(read(str(file), 10)) == length
        fd = os.open(file, os.O_RDONLY)
        assert len(reread(fd, 10)) == len(reread(fd, 10)) == length
        os.close(fd)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to have supplementary groups")
def test_a_process_in_65536_groups_has_its_memory_and_owner() -> None:
    groups = "import os, time\nos.setgroups(range(3000000000, 3000065536))\nprint(flush=True)\ntime.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", groups], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        status = read_status(child.pid)
        child.kill()
    assert status is not None
    assert status.rss_anon > 1 << 20
    assert (status.ns_pid, status.uid) == (child.pid, 0)
    assert status.nvcsw + status.nivcsw > 0


def test_memory_that_an_old_kernel_does_not_tell_apart_is_not_lost() -> None:
    old = re.sub(rb"(?s)RssAnon:.*RssShmem:[^\n]*", b"VmRSS:\t    5304 kB", STATUS)
    status = parse_status(old)
    assert (status.rss_anon, status.rss_file, status.rss_shmem) == (5304 << 10, 0, 0)


def test_a_status_without_an_owner_is_none() -> None:
    with pytest.raises(ValueError, match="without Uid"):
        parse_status(STATUS.partition(b"Uid:")[0])


def test_a_title_is_one_text_without_its_padding_and_wiped_arguments_are_none() -> None:
    assert parse_cmdline(b"postgres: alice idle   \0\0\0\0") == [b"postgres: alice idle"]
    assert parse_cmdline(b"nginx: worker process") == [b"nginx: worker process"]
    assert parse_cmdline(b"echo\0a \0\0") == [b"echo", b"a "]
    for wiped in (b"", b"\0", b"\0" * 4096, b"   \0\0"):
        assert parse_cmdline(wiped) == []


def test_a_cgroup_may_be_called_what_unicode_takes_for_the_end_of_a_line() -> None:
    assert parse_cgroup("0::/app\x85\u2028x/caf\x1c".encode() + b"\xe9\n") == r"/app\x85\u2028x/caf\x1c\xe9"


def test_a_process_whose_main_thread_ended_is_what_its_live_threads_are(tmp_path: Path) -> None:
    with mainless(tmp_path, mib=20) as process:
        main = parse_stat(read(f"/proc/{process.pid}/stat"))
        assert (main.state, main.main_ended, main.vsize) == ("Z", True, 0)
        eventually(lambda: (now := read_stat(process.pid)) is not None and now.state == "S")
        stat, status = read_stat(process.pid), read_status(process.pid)
        assert stat is not None
        assert status is not None
        assert (stat.state, stat.ended, stat.threads, stat.name) == ("S", False, 1, "worker")
        assert (stat.start_ticks, stat.ppid) == (main.start_ticks, os.getpid())
        assert stat.vsize > status.rss_anon > 20 << 20
        assert (status.uid, status.ns_pid) == (os.geteuid(), process.pid)
        process.send_signal(signal.SIGSTOP)
        eventually(lambda: (now := read_stat(process.pid)) is not None and now.state == "T")
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        zombie = read_stat(process.pid)
        assert zombie is not None
        assert (zombie.state, zombie.ended, zombie.threads, zombie.vsize) == ("Z", True, 1, 0)


def test_a_process_that_moved_after_its_main_thread_ended_is_where_its_threads_are(tmp_path: Path) -> None:
    with cgroups() as made, mainless(tmp_path) as process:
        made.place("tukur-test-moved", process.pid)
        found = read_cgroup_file(process.pid, main_ended=True)
        assert (parse_cgroup_v2(found) or b"").endswith(b"/tukur-test-moved")
        assert found == read(f"/proc/{process.pid}/task/{live_tid(process)}/cgroup")
