"""bpf and procfs, side by side on this machine's kernel, about processes whose truth is known.

Tolerances: /proc counts CPU time in ticks of 10 ms for each of user and system; the two readings are
milliseconds apart; a counter of pages is exact on bpf up to 32 CPUs, elsewhere off by some hundred KiB.
"""

import contextlib
import os
import platform
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.waiting import eventually
from tukur.records import KTHREAD, TASK
from tukur.sources.bpf.libbpf import KERNEL_BTF
from tukur.sources.bpf.source import FORMS, BpfSource
from tukur.sources.bpf.walk import Walk
from tukur.sources.probe import parse_release
from tukur.sources.procfs.source import ProcfsSource

FIRST_WITH_WALK = (6, 7)
NO_TASKS: Any = np.empty(0, dtype=TASK)
TICK = 10_000_000
MIB = 1 << 20
CPU_SLACK = 4 * TICK
EXACT = (
    "pid",
    "ppid",
    "uid",
    "gid",
    "ns_pid",
    "threads",
    "nice",
    "policy",
    "oom_score_adj",
    "cgroup_id",
    "vsz",
)
MEMORY = ("rss_anon", "rss_file", "rss_shmem", "swap")


@pytest.fixture(scope="module", params=FORMS)
def bpf(request: pytest.FixtureRequest) -> Iterator[BpfSource]:
    # Anything else that keeps it from working is a failure.
    if os.geteuid():
        pytest.skip("only root can load eBPF programs")
    if not KERNEL_BTF.exists():
        pytest.skip(f"this kernel has no {KERNEL_BTF}")
    if request.param == "walk" and (parse_release(platform.release()) or (0, 0)) < FIRST_WITH_WALK:
        pytest.skip("this kernel is too old for the walk")
    source = BpfSource(request.param)
    # What it reads of /proc stays open from the first reading on.
    source.read()
    yield source
    source.close()


@pytest.fixture
def procfs() -> Iterator[ProcfsSource]:
    source = ProcfsSource()
    yield source
    source.close()


@contextlib.contextmanager
def running(code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A Python program that says "ready" and then waits for its end."""
    body = "import ctypes, mmap, os, signal, sys, threading, time\n" + textwrap.dedent(code)
    command = [sys.executable, "-c", body, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            yield child
        finally:
            child.kill()


@pytest.fixture
def storage() -> Iterator[Path]:
    """A file on storage, beside this one: /tmp may be memory, whose pages count as shared."""
    path = Path(__file__).with_name(f".data-{os.getpid()}")
    try:
        path.touch()
    except OSError as error:
        pytest.skip(f"the checkout is not writable: {error}")
    yield path
    path.unlink()


READY = "\nprint('ready', flush=True)\nsys.stdin.read()\n"


def row(source: BpfSource | ProcfsSource, pid: int) -> Any:
    tasks = source.read()
    found = tasks[tasks["pid"] == pid]
    assert len(found) == 1, f"{source.name} has {len(found)} rows of process {pid}"
    return found[0]


def rests(pid: int) -> bool:
    """Whether no thread of the process runs."""
    stats = [path.read_bytes() for path in Path(f"/proc/{pid}/task").glob("*/stat")]
    return all(stat.rpartition(b")")[2].split()[0] in b"SZT" for stat in stats)


def assert_agree(bpf: BpfSource, procfs: ProcfsSource, pid: int) -> tuple[Any, Any]:
    """Compares the two about a process at rest; what both said."""
    eventually(lambda: rests(pid))
    ours, theirs = row(bpf, pid), row(procfs, pid)
    for name in EXACT:
        assert int(ours[name]) == int(theirs[name]), name
    assert chr(ours["state"]) == chr(theirs["state"])
    assert bytes(ours["comm"]) == bytes(theirs["comm"])
    assert int(ours["flags"]) & KTHREAD == int(theirs["flags"]) & KTHREAD
    assert 0 <= int(ours["start_ns"]) - int(theirs["start_ns"]) < TICK
    for name in MEMORY:
        assert int(ours[name]) == pytest.approx(int(theirs[name]), abs=512 << 10), name
    for name in ("cpu_ns", "utime_ns", "stime_ns"):
        assert int(ours[name]) == pytest.approx(int(theirs[name]), abs=CPU_SLACK), name
    assert int(ours["utime_ns"]) + int(ours["stime_ns"]) == int(ours["cpu_ns"])
    for name in ("minflt", "majflt", "read_bytes", "write_bytes"):
        assert int(ours[name]) == int(theirs[name]), name
    if ours["threads"] == 1:
        assert int(ours["nvcsw"]) >= int(theirs["nvcsw"])
    return ours, theirs


def test_a_plain_process(bpf: BpfSource, procfs: ProcfsSource) -> None:
    with running(READY) as child:
        ours, theirs = assert_agree(bpf, procfs, child.pid)
        assert int(ours["ppid"]) == os.getpid()
        assert int(ours["nvcsw"]) == int(theirs["nvcsw"])
        assert int(ours["nivcsw"]) == int(theirs["nivcsw"])


def test_every_process_is_there_once_and_in_both(bpf: BpfSource, procfs: ProcfsSource) -> None:
    before, theirs, after = bpf.read(), procfs.read(), bpf.read()
    for tasks in (before, theirs, after):
        assert (tasks["pid"][1:] > tasks["pid"][:-1]).all()
    stayed = np.intersect1d(before["pid"], after["pid"])
    assert set(stayed.tolist()) <= set(theirs["pid"].tolist())
    assert {1, os.getpid()} <= set(stayed.tolist())


def test_kernel_threads_agree(bpf: BpfSource, procfs: ProcfsSource) -> None:
    ours, theirs = bpf.read(), procfs.read()
    kthreads = [
        {int(task["pid"]) for task in tasks if int(task["flags"]) & KTHREAD} for tasks in (ours, theirs)
    ]
    assert len(kthreads[0] ^ kthreads[1]) <= 2  # workers come and go
    assert 2 in kthreads[0]
    for pid in sorted(kthreads[0] & kthreads[1])[:50]:
        mine, other = ours[ours["pid"] == pid][0], theirs[theirs["pid"] == pid][0]
        for name in ("ppid", "uid", "nice", "policy", "threads", "vsz", "rss_anon", "rss_file", "cgroup_id"):
            assert int(mine[name]) == int(other[name]), (pid, name)


def test_ended_threads_count(bpf: BpfSource, procfs: ProcfsSource) -> None:
    code = """
    burnt = threading.Semaphore(0)
    def burn():
        until = time.thread_time() + 0.15
        while time.thread_time() < until:
            pass
        burnt.release()
    for _ in range(2):
        ended = threading.Thread(target=burn)
        ended.start()
        ended.join()
    for _ in range(3):
        threading.Thread(target=lambda: (burn(), threading.Event().wait()), daemon=True).start()
    for _ in range(5):
        burnt.acquire()
    """
    with running(textwrap.dedent(code) + READY) as child:
        ours, _ = assert_agree(bpf, procfs, child.pid)
        assert int(ours["threads"]) == 4
        assert int(ours["cpu_ns"]) > 5 * 150_000_000


MAIN_ENDS = """
    area = mmap.mmap(-1, 64 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for at in range(0, 64 << 20, 4096):
        area[at] = 1
    libc = ctypes.CDLL(None)
    libc.prctl(15, b"the-name", 0, 0, 0)
    def work():
        libc.prctl(15, b"worker", 0, 0, 0)
        while "Z (zombie)" not in open("/proc/self/status").read():
            time.sleep(0.01)
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 7)
        until = time.thread_time() + 0.2
        while time.thread_time() < until:
            pass
        print('ready', flush=True)
        sys.stdin.read()
    threading.Thread(target=work).start()
    libc.pthread_exit(None)
"""


def test_a_process_whose_main_thread_has_ended_is_what_its_living_threads_are(bpf: BpfSource) -> None:
    with running(MAIN_ENDS) as child, running(READY) as plain:
        other = row(bpf, plain.pid)
        eventually(lambda: rests(child.pid))
        # Also when nothing has happened since the last reading, and when everything is read again.
        for _ in range(12):
            found = row(bpf, child.pid)
            assert (chr(found["state"]), int(found["threads"]), int(found["nice"])) == ("S", 1, 7)
            assert int(found["rss_anon"]) - int(other["rss_anon"]) == pytest.approx(64 * MIB, abs=4 * MIB)
            assert int(found["vsz"]) > 64 * MIB
        assert int(found["cpu_ns"]) > 200_000_000
        assert bytes(found["comm"]) == b"the-name"
        assert int(found["ppid"]) == os.getpid()
        for name in ("uid", "gid", "cgroup_id", "ns_pid", "oom_score_adj", "policy"):
            expected = child.pid if name == "ns_pid" else int(other[name])
            assert int(found[name]) == expected, name


def test_a_stop_is_seen_of_a_process_whose_main_thread_has_ended(bpf: BpfSource) -> None:
    with running(MAIN_ENDS) as child:
        eventually(lambda: chr(row(bpf, child.pid)["state"]) == "S")
        child.send_signal(signal.SIGSTOP)
        eventually(lambda: chr(row(bpf, child.pid)["state"]) == "T")
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        found = row(bpf, child.pid)
        assert (chr(found["state"]), int(found["vsz"]), int(found["rss_anon"])) == ("Z", 0, 0)


def test_a_program_that_a_thread_starts_keeps_the_process(bpf: BpfSource) -> None:
    """exec by another thread puts that in the place of the main thread, also in the kernel's lists."""
    code = """
    def work():
        print('ready', flush=True)
        sys.stdin.readline()
        os.execvp('sleep', ['sleep', '60'])
    threading.Thread(target=work).start()
    time.sleep(60)
    """
    with running(code) as child:
        before = row(bpf, child.pid)
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
        eventually(lambda: bytes(row(bpf, child.pid)["comm"]) == b"sleep")
        after = row(bpf, child.pid)
        assert int(after["start_ns"]) == int(before["start_ns"])
        assert (int(before["threads"]), int(after["threads"])) == (2, 1)
        assert int(after["cpu_ns"]) >= int(before["cpu_ns"])


def test_a_stopped_process_is_seen_stopped_at_once(bpf: BpfSource, procfs: ProcfsSource) -> None:
    with running(READY) as child:
        eventually(lambda: rests(child.pid))
        for _ in range(3):
            assert chr(row(bpf, child.pid)["state"]) == "S"
        child.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, child.pid, os.WSTOPPED)
        assert chr(assert_agree(bpf, procfs, child.pid)[0]["state"]) == "T"
        child.send_signal(signal.SIGCONT)
        os.waitid(os.P_PID, child.pid, os.WCONTINUED)
        assert chr(assert_agree(bpf, procfs, child.pid)[0]["state"]) == "S"


def test_a_zombie(bpf: BpfSource, procfs: ProcfsSource) -> None:
    with running(READY) as child:
        row(bpf, child.pid)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        ours, _ = assert_agree(bpf, procfs, child.pid)
        assert (chr(ours["state"]), int(ours["vsz"]), int(ours["rss_anon"])) == ("Z", 0, 0)


@pytest.mark.parametrize("name", [b"a b) R 1 (", b"\xff\xfe\n\t", b"x" * 15, b""])
def test_a_name_of_odd_bytes(bpf: BpfSource, procfs: ProcfsSource, name: bytes) -> None:
    code = "ctypes.CDLL(None).prctl(15, bytes.fromhex(sys.argv[1]), 0, 0, 0)"
    with running(code + READY, name.hex()) as child:
        assert bytes(assert_agree(bpf, procfs, child.pid)[0]["comm"]) == name


def test_a_shorter_name_leaves_nothing_of_the_longer(bpf: BpfSource, procfs: ProcfsSource) -> None:
    code = """
    for name in (b"quite-long-name", b"ab"):
        ctypes.CDLL(None).prctl(15, name, 0, 0, 0)
    """
    with running(textwrap.dedent(code) + READY) as child:
        assert bytes(assert_agree(bpf, procfs, child.pid)[0]["comm"]) == b"ab"


def test_nice_policy_and_oom_score(bpf: BpfSource, procfs: ProcfsSource) -> None:
    code = """
    os.setpriority(os.PRIO_PROCESS, 0, 7)
    open("/proc/self/oom_score_adj", "w").write("333")
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    """
    with running(textwrap.dedent(code) + READY) as child:
        ours, _ = assert_agree(bpf, procfs, child.pid)
        assert (int(ours["nice"]), int(ours["oom_score_adj"]), int(ours["policy"])) == (7, 333, 3)


@pytest.mark.parametrize("kind", ["anon", "shmem", "file"])
def test_memory_of_known_size(bpf: BpfSource, procfs: ProcfsSource, kind: str, storage: Path) -> None:
    size = 64 * MIB
    storage.write_bytes(b"x" * size)
    code = """
    size = int(sys.argv[2])
    if sys.argv[1] == "file":
        area = mmap.mmap(os.open(sys.argv[3], os.O_RDONLY), size, mmap.MAP_SHARED, mmap.PROT_READ)
        touched = sum(area[at] for at in range(0, size, 4096))
    else:
        how = mmap.MAP_PRIVATE if sys.argv[1] == "anon" else mmap.MAP_SHARED
        area = mmap.mmap(-1, size, how | mmap.MAP_ANONYMOUS)
        for at in range(0, size, 4096):
            area[at] = 1
    """
    with (
        running(READY) as empty,
        running(textwrap.dedent(code) + READY, kind, str(size), str(storage)) as child,
    ):
        base = row(bpf, empty.pid)
        ours, _ = assert_agree(bpf, procfs, child.pid)
        for name in ("rss_anon", "rss_shmem", "rss_file"):
            expected = size if name == f"rss_{kind}" else 0
            assert int(ours[name]) - int(base[name]) == pytest.approx(expected, abs=MIB), name


def test_bytes_that_reach_the_storage(bpf: BpfSource, procfs: ProcfsSource, storage: Path) -> None:
    size = 8 * MIB
    code = """
    fd = os.open(sys.argv[1], os.O_RDWR)
    os.write(fd, os.urandom(int(sys.argv[2])))
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.pread(fd, int(sys.argv[2]), 0)
    """
    with running(textwrap.dedent(code) + READY, str(storage), str(size)) as child:
        ours, _ = assert_agree(bpf, procfs, child.pid)
        assert size <= int(ours["write_bytes"]) <= size + MIB
        assert int(ours["read_bytes"]) >= size


def test_another_users_process(bpf: BpfSource, procfs: ProcfsSource) -> None:
    if os.geteuid():
        pytest.skip("only root can become another user")
    with running("os.setresgid(2001, 2002, 2003)\nos.setresuid(1001, 1002, 1003)\n" + READY) as child:
        ours, _ = assert_agree(bpf, procfs, child.pid)
        assert (int(ours["uid"]), int(ours["gid"])) == (1002, 2002)


def test_a_process_in_a_pid_namespace_has_its_own_number_there(bpf: BpfSource, procfs: ProcfsSource) -> None:
    if os.geteuid():
        pytest.skip("only root can make a PID namespace")
    with subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", "sleep", "60"]) as outer:
        try:
            children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
            eventually(lambda: children.read_text().strip() != "")
            inner = int(children.read_text())
            eventually(lambda: Path(f"/proc/{inner}/comm").read_text() == "sleep\n")
            ours, _ = assert_agree(bpf, procfs, inner)
            assert (int(ours["ns_pid"]), int(ours["ppid"])) == (1, outer.pid)
        finally:
            outer.kill()


def test_a_reader_in_a_pid_namespace_sees_that_namespaces_numbers(bpf: BpfSource) -> None:
    if os.geteuid():
        pytest.skip("only root can make a PID namespace")
    code = """
        import os, subprocess, threading
        import sys
        from tukur.sources.bpf.source import BpfSource
        from tukur.sources.procfs.source import ProcfsSource
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        child = subprocess.Popen(["sleep", "60"])
        bpf, procfs = BpfSource(sys.argv[1]), ProcfsSource()
        for source in (bpf, procfs, bpf):
            tasks = source.read()
            print([(int(t["pid"]), int(t["ppid"]), int(t["ns_pid"]), int(t["threads"])) for t in tasks])
        child.kill()
        print([(os.getpid(), 0, os.getpid(), 2), (child.pid, os.getpid(), child.pid, 1)])
    """
    command = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", textwrap.dedent(code)]
    command.append(bpf.form)
    # Without the threads that numpy's algebra would start.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    *told, truth = done.stdout.splitlines()
    assert len(told) == 3
    assert set(told) == {truth}


def test_what_others_do_to_a_sleeper_shows_within_ten_readings(bpf: BpfSource) -> None:
    with running(READY) as child:
        for _ in range(3):
            row(bpf, child.pid)
        os.setpriority(os.PRIO_PROCESS, child.pid, 9)
        found = [int(row(bpf, child.pid)["nice"]) for _ in range(10)]
        assert found[-1] == 9


def test_an_orphan_has_its_new_parent_at_once(bpf: BpfSource) -> None:
    code = """
    child = os.fork()
    if child == 0:
        time.sleep(60)
    print("ready", flush=True)
    print(child, flush=True)
    sys.stdin.read()
    """
    with running(code) as parent:
        assert parent.stdout is not None
        orphan = int(parent.stdout.readline())
        try:
            eventually(lambda: rests(orphan))
            for _ in range(3):
                assert int(row(bpf, orphan)["ppid"]) == parent.pid
            parent.kill()
            parent.wait()
            assert int(row(bpf, orphan)["ppid"]) not in (0, parent.pid)
        finally:
            os.kill(orphan, signal.SIGKILL)


def test_exec_changes_the_exec_id_and_nothing_of_the_life(bpf: BpfSource) -> None:
    code = "print('ready', flush=True)\nsys.stdin.readline()\nos.execvp('sleep', ['sleep', '60'])"
    with running(code) as child:
        before = row(bpf, child.pid)
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
        eventually(lambda: bytes(row(bpf, child.pid)["comm"]) == b"sleep")
        after = row(bpf, child.pid)
        assert int(after["exec_id"]) != int(before["exec_id"])
        assert int(after["start_ns"]) == int(before["start_ns"])


def test_cpu_time_never_goes_back_and_reaches_what_the_process_measured(bpf: BpfSource) -> None:
    code = """
    print("ready", flush=True)
    until = time.process_time() + 0.5
    while time.process_time() < until:
        os.getppid()
    print(time.process_time_ns(), flush=True)
    sys.stdin.read()
    """
    with running(code) as child:
        seen = [row(bpf, child.pid)]
        while seen[-1]["cpu_ns"] < 450_000_000:
            seen.append(row(bpf, child.pid))
            time.sleep(0.02)
        assert child.stdout is not None
        measured = int(child.stdout.readline())
        eventually(lambda: rests(child.pid))
        seen.append(row(bpf, child.pid))
        for name in ("cpu_ns", "utime_ns", "stime_ns"):
            values = [int(task[name]) for task in seen]
            assert values == sorted(values), name
        assert int(seen[-1]["cpu_ns"]) == pytest.approx(measured, abs=5_000_000)


MANY = """
    def forked(number):
        children = []
        for _ in range(number):
            child = os.fork()
            if child == 0:
                # Without Python's own clean-up, and woken by nothing but the end.
                ctypes.CDLL(None).pause()
                os._exit(0)
            children.append(child)
        return children
    children = forked(2500)
    print('ready', flush=True)
    print(*children, flush=True)
    sys.stdin.readline()
    for child in children[::3]:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    print(*forked(500), flush=True)
    sys.stdin.readline()
    os.killpg(0, signal.SIGKILL)
"""


def test_none_of_many_is_lost_or_doubled(bpf: BpfSource) -> None:
    """Several thousand do not fit into one read() of the iterator, nor into what is mapped at first."""

    def numbers(child: subprocess.Popen[str]) -> list[int]:
        assert child.stdout is not None
        return list(map(int, child.stdout.readline().split()))

    def go_on(child: subprocess.Popen[str]) -> None:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()

    with running("os.setpgid(0, 0)\n" + textwrap.dedent(MANY)) as parent:
        try:
            children = numbers(parent)
            for _ in range(12):
                pids = bpf.read()["pid"]
                assert len(np.unique(pids)) == len(pids)
                assert np.isin(children, pids).all()
            go_on(parent)
            newer = numbers(parent)
            for _ in range(3):
                tasks = bpf.read()
                ended = np.setdiff1d(children[::3], newer)
                assert not np.isin(ended, tasks["pid"]).any()
                staying = [*(child for at, child in enumerate(children) if at % 3), *newer]
                assert set(tasks["pid"][tasks["ppid"] == parent.pid].tolist()) == set(staying)
        finally:
            os.killpg(parent.pid, signal.SIGKILL)


BREAKING = {"iterator": "tukur.sources.bpf.iterator.os.readv", "walk": "tukur.sources.bpf.walk.row_bytes"}


def test_what_a_broken_reading_found_is_in_the_next_one(
    bpf: BpfSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = """
    print("ready", flush=True)
    for line in sys.stdin:
        os.setpriority(os.PRIO_PROCESS, 0, int(line))
        print("done", flush=True)
    """

    def fail(*_: object) -> int:
        raise OSError("cut off")

    with running(code) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert int(row(bpf, child.pid)["nice"]) != 17
        child.stdin.write("17\n")
        child.stdin.flush()
        assert child.stdout.readline() == "done\n"
        eventually(lambda: rests(child.pid))
        with monkeypatch.context() as patched:
            patched.setattr(BREAKING[bpf.form], fail)
            with pytest.raises(OSError, match="cut off"):
                bpf.read()
        assert int(row(bpf, child.pid)["nice"]) == 17


@pytest.mark.parametrize("bpf", ["walk"], indirect=True)
def test_the_walk_makes_room_for_more_processes_than_it_was_loaded_for(bpf: BpfSource) -> None:
    walk = Walk(bpf.settings, rows=8)
    try:
        before, found, after = bpf.read(), walk.read(NO_TASKS), bpf.read()
        stayed = np.intersect1d(before["pid"], after["pid"])
        # PID 1 may be read from /proc.
        assert set(stayed[1:].tolist()) <= set(found["pid"].tolist())
    finally:
        walk.close()


@pytest.mark.parametrize("bpf", ["walk"], indirect=True)
def test_the_kernel_gets_the_best_form_that_it_takes(bpf: BpfSource, monkeypatch: pytest.MonkeyPatch) -> None:
    for expected in ("walk", "iterator"):
        source = BpfSource()
        try:
            assert source.form == expected
            assert os.getpid() in source.read()["pid"]
        finally:
            source.close()
        # As where the kernel refuses it; an old one is in the tests with a virtual machine.
        monkeypatch.setattr("tukur.sources.bpf.walk.OBJECT", "not-there.bpf.o")


def test_no_program_that_is_started_gets_a_descriptor_of_the_ebpf_programs(bpf: BpfSource) -> None:
    """Whoever has one of the walk can run it."""
    own = [int(fd) for fd in os.listdir("/proc/self/fd") if "bpf" in target(fd)]  # noqa: PTH208
    assert own
    assert [fd for fd in own if os.get_inheritable(fd)] == []
    assert len(bpf.read())


def target(fd: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")  # noqa: PTH115
    except FileNotFoundError:
        return ""


SETPRIV = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
OPEN = """
from tukur.sources.bpf.source import BpfSource
source = BpfSource()
print(len(source.read()), source.form)
"""


def as_nobody(*more: str) -> subprocess.CompletedProcess[str]:
    if os.geteuid():
        pytest.skip("only root can give rights away")
    command = [*SETPRIV, *more, sys.executable, "-c", OPEN]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_without_rights_it_says_which_are_needed() -> None:
    done = as_nobody("--bounding-set=-all")
    assert "SourceUnavailableError" in done.stderr, done.stderr
    assert "CAP_BPF and CAP_PERFMON" in done.stderr.splitlines()[-1]


def test_two_capabilities_are_enough(bpf: BpfSource) -> None:
    rights = "+bpf,+perfmon"
    done = as_nobody(f"--inh-caps={rights}", f"--ambient-caps={rights}")
    assert done.returncode == 0, done.stderr
    count, form = done.stdout.split()
    assert int(count) > 10
    assert form == "walk" or bpf.form == "iterator"
