"""Every life, however short, on this machine's kernel: what wait4() says is the truth."""

import contextlib
import os
import resource
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
from tukur.records import ENDED, PEAK_UNKNOWN, TASK, Departed
from tukur.sources.bpf.libbpf import KERNEL_BTF
from tukur.sources.bpf.lives import LifeEvents
from tukur.sources.bpf.source import BpfSource
from tukur.sources.cgroups import find_mount
from tukur.sources.lives.events import parse_events
from tukur.sources.lives.tracker import LifeTracker
from tukur.sources.procfs.source import ProcfsSource

NOBODY = np.empty(0, dtype=TASK)
PAGE_SHIFT = os.sysconf("SC_PAGE_SIZE").bit_length() - 1
MS = 1_000_000


@pytest.fixture(autouse=True)
def _can_load() -> None:
    if os.geteuid():
        pytest.skip("only root can load eBPF programs")
    if not KERNEL_BTF.exists():
        pytest.skip(f"this kernel has no {KERNEL_BTF}")


class Watch:
    """What the kernel tells of lives while it is entered, without any reading of the living."""

    def __init__(self, ring_bytes: int | None = None) -> None:
        self.events = LifeEvents(PAGE_SHIFT, ring_bytes)
        self.tracker = LifeTracker()
        self.found: list[Departed] = []

    def read(self) -> None:
        self.tracker.feed(parse_events(self.events.read()))
        self.found.append(self.tracker.departed(NOBODY))

    def settle(self) -> None:
        """Until the last reapings are there: a grace period of the kernel's after the wait(), which nothing
        reports. What must not come has the time to come, too.
        """
        for _ in range(4):
            time.sleep(0.1)
            self.read()

    def lives(self) -> dict[int, Any]:
        return {int(task["pid"]): task for part in self.found for task in part.tasks}

    def args(self) -> dict[int, bytes]:
        return {
            int(task["pid"]): args
            for part in self.found
            for task, args in zip(part.tasks, part.args, strict=True)
        }

    def statuses(self) -> dict[int, int]:
        return {
            int(task["pid"]): int(status)
            for part in self.found
            for task, status in zip(part.tasks, part.status, strict=True)
        }


@pytest.fixture
def watch() -> Iterator[Watch]:
    made = Watch()
    yield made
    made.events.close()


def python(code: str) -> list[str]:
    return [sys.executable, "-S", "-c", "import os, sys, threading, time\n" + textwrap.dedent(code)]


def finished(*command: str) -> tuple[int, int, resource.struct_rusage]:
    """PID, wait status and usage of a program that ran to its end."""
    pid = os.posix_spawnp(command[0], command, os.environ)
    _, status, used = os.wait4(pid, 0)
    return pid, status, used


def cpu_ns(used: resource.struct_rusage) -> float:
    return (used.ru_utime + used.ru_stime) * 1e9


def test_every_life_of_a_storm_is_told_with_its_cpu_time_and_status(watch: Watch) -> None:
    truth = {}
    for number in range(300):
        pid, status, used = finished("true" if number % 3 else "false", str(number))
        truth[pid] = (status, cpu_ns(used))
    watch.settle()
    lives, statuses = watch.lives(), watch.statuses()
    assert truth.keys() <= lives.keys()
    assert {pid: statuses[pid] for pid in truth} == {pid: status for pid, (status, _) in truth.items()}
    told = sum(int(lives[pid]["cpu_ns"]) for pid in truth)
    assert told == pytest.approx(sum(used for _, used in truth.values()), rel=0.05)


def test_a_life_has_name_parent_user_times_and_arguments(watch: Watch) -> None:
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    pid, _, _ = finished("sleep", "0.05")
    watch.settle()
    life = watch.lives()[pid]
    assert bytes(life["comm"]) == b"sleep"
    assert (int(life["ppid"]), int(life["uid"]), int(life["gid"])) == (
        os.getpid(),
        os.geteuid(),
        os.getegid(),
    )
    assert watch.args()[pid] == b"sleep\x000.05\0"
    assert before - 20 * MS < int(life["start_ns"]) < before + 500 * MS
    ends = [dict(zip(part.tasks["pid"].tolist(), part.end_ns.tolist(), strict=True)) for part in watch.found]
    (end,) = [part[pid] for part in ends if pid in part]
    assert 50 * MS <= end - int(life["start_ns"]) < 1000 * MS


def test_a_life_that_a_signal_ended_has_that_signal(watch: Watch) -> None:
    child = subprocess.Popen(["sleep", "100"])
    child.kill()
    child.wait()
    watch.settle()
    assert watch.statuses()[child.pid] & 0x7F == signal.SIGKILL


def test_threads_that_ended_are_counted_with_their_process(watch: Watch) -> None:
    pid, _, used = finished(
        *python(
            """
            def work():
                until = time.thread_time() + 0.1
                while time.thread_time() < until: pass
            threads = [threading.Thread(target=work) for _ in range(3)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            """
        )
    )
    watch.settle()
    assert int(watch.lives()[pid]["cpu_ns"]) == pytest.approx(cpu_ns(used), rel=0.03)
    assert cpu_ns(used) > 300 * MS


def test_a_process_that_ends_while_its_threads_work_is_told_once_with_all_of_it(watch: Watch) -> None:
    pid, status, used = finished(
        *python(
            """
            def work():
                while True: pass
            for _ in range(4): threading.Thread(target=work, daemon=True).start()
            time.sleep(0.2)
            os._exit(7)
            """
        )
    )
    watch.settle()
    rows = [task for part in watch.found for task in part.tasks if task["pid"] == pid]
    assert len(rows) == 1
    assert watch.statuses()[pid] == status == 7 << 8
    assert int(rows[0]["cpu_ns"]) == pytest.approx(cpu_ns(used), rel=0.05)


def test_a_process_that_became_another_program_is_one_life_under_its_last_name(watch: Watch) -> None:
    pid, _, used = finished("sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; exec true it")
    watch.settle()
    life = watch.lives()[pid]
    assert bytes(life["comm"]) == b"true"
    assert watch.args()[pid] == b"true\0it\0"
    assert int(life["cpu_ns"]) == pytest.approx(cpu_ns(used), rel=0.05)


def peaks(watch: Watch, printed: str) -> dict[str, int | None]:
    """In MiB, of the lives of which a program printed kind and PID; None: not known."""
    lives = watch.lives()
    return {
        kind: None if lives[int(pid)]["flags"] & PEAK_UNKNOWN else int(lives[int(pid)]["rss_anon"]) >> 20
        for kind, pid in (line.split() for line in printed.splitlines())
    }


def test_memory_is_the_most_that_it_held(watch: Watch) -> None:
    code = """
        x = bytearray(60 << 20); del x
        import resource
        print("it", os.getpid(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)
        """
    # By a shell, so that what exec() folds into maxrss is small.
    shell = ["sh", "-c", '"$@"; true', "sh", *python(code)]
    printed = subprocess.run(shell, stdout=subprocess.PIPE, check=True, text=True).stdout
    watch.settle()
    kind, pid, maxrss = printed.split()
    assert peaks(watch, f"{kind} {pid}")["it"] == pytest.approx(int(maxrss), abs=2)


def test_a_peak_is_of_the_program_that_ran_and_never_of_the_one_that_started_it(watch: Watch) -> None:
    code = """
        import contextlib, subprocess
        large = bytearray(200 << 20)
        def ended(kind, pid):
            os.waitpid(pid, 0)
            print(kind, pid, flush=True)
        def forked(*command):
            pid = os.fork()
            if not pid:
                os.execvp(command[0], command) if command else os._exit(0)
            return pid
        ended("spawned", os.posix_spawnp("true", ["true"], os.environ))
        ended("forked", forked("true"))
        ended("renewed", os.posix_spawnp("sh", ["sh", "-c", "exec sh -c 'exec true'"], os.environ))
        ended("copy", forked())
        print("after", os.getpid(), flush=True)
        os.execvp("true", ["true"])
        """
    printed = subprocess.run(python(code), stdout=subprocess.PIPE, check=True, text=True).stdout
    watch.settle()
    found = peaks(watch, printed)
    copy = found.pop("copy")
    assert copy is not None
    assert copy >= 200
    # Where the kernel cannot tell, before 6.16, it is not known.
    assert all(peak is None or peak < 50 for peak in found.values()), found


def test_the_memory_that_a_child_of_vfork_borrows_is_not_its_peak(watch: Watch) -> None:
    code = """
        large = bytearray(200 << 20)
        try:
            os.posix_spawn("/nowhere", ["nowhere"], {})
        except OSError:
            print("parent", os.getpid())
        """
    printed = subprocess.run(python(code), stdout=subprocess.PIPE, check=True, text=True).stdout
    watch.settle()
    parent = int(printed.split()[1])
    (child,) = [task for task in watch.lives().values() if task["ppid"] == parent]
    assert child["flags"] & PEAK_UNKNOWN
    assert child["rss_anon"] == 0


def test_faults_and_switches_are_those_of_the_whole_life(watch: Watch) -> None:
    pid, _, used = finished(*python("for _ in range(20): time.sleep(0.001)"))
    watch.settle()
    life = watch.lives()[pid]
    assert int(life["minflt"]) == pytest.approx(used.ru_minflt, abs=10)
    assert int(life["nvcsw"]) == pytest.approx(used.ru_nvcsw, abs=3)


def test_what_was_written_is_counted(watch: Watch) -> None:
    path = Path(__file__).with_name(f".data-{os.getpid()}")
    try:
        pid, _, _ = finished("dd", "if=/dev/zero", f"of={path}", "bs=1M", "count=8", "status=none")
    finally:
        path.unlink(missing_ok=True)
    watch.settle()
    assert int(watch.lives()[pid]["write_bytes"]) >= 8 << 20


def test_a_zombie_stays_with_the_living_until_it_is_reaped() -> None:
    source = BpfSource()
    try:
        pid = os.posix_spawnp("true", ["true"], os.environ)
        for _ in range(4):
            # As long as a zombie that was reaped takes to be reported.
            time.sleep(0.05)
            tasks = source.read()
            assert pid not in source.departed(tasks).tasks["pid"]
        assert chr(tasks["state"][tasks["pid"] == pid][0]) == "Z"
        os.waitpid(pid, 0)
        found: list[Any] = []
        eventually(lambda: _collect(source, pid, found))
        (life,) = found
        assert life["flags"] & ENDED
    finally:
        source.close()


def test_a_child_whose_parent_is_gone_is_told_with_the_parent_it_had_at_its_end(watch: Watch) -> None:
    code = """
        parent, pid = os.getpid(), os.fork()
        if pid:
            print(pid)
            sys.exit()
        while os.getppid() == parent:
            time.sleep(0.01)
        """
    told = subprocess.run(python(code), stdout=subprocess.PIPE, check=True, text=True).stdout
    orphan = int(told.split()[0])
    with contextlib.suppress(AssertionError):
        eventually(lambda: not Path(f"/proc/{orphan}").exists())
    watch.settle()
    if orphan not in watch.lives():
        pytest.skip("who inherits orphans here has not reaped it")
    assert int(watch.lives()[orphan]["ppid"]) != os.getpid()


def test_arguments_of_any_bytes_and_any_length_are_cut_not_lost(watch: Watch) -> None:
    long_pid, _, _ = finished("true", "x" * 10_000)
    odd_pid = os.posix_spawnp("true", [b"true", b"\xff\n\x01 'a\"", b""], os.environ)
    os.waitpid(odd_pid, 0)
    watch.settle()
    args = watch.args()
    assert args[long_pid] == b"true\0" + b"x" * (4096 - 5)
    assert args[odd_pid] == b"true\0\xff\n\x01 'a\"\0\0"


def test_without_room_lives_are_told_by_name_and_parent_and_nothing_vanishes() -> None:
    watch = Watch(ring_bytes=os.sysconf("SC_PAGE_SIZE"))
    try:
        watch.read()
        truth = [finished("true", str(number))[2] for number in range(200)]
        watch.settle()
    finally:
        watch.events.close()
    groups = np.concatenate([part.groups for part in watch.found])
    mine = groups[(groups["comm"] == b"true") & (groups["ppid"] == os.getpid())]
    single = [
        task for task in watch.lives().values() if task["ppid"] == os.getpid() and task["comm"] == b"true"
    ]
    assert int(mine["lives"].sum()) + len(single) == 200
    told = int(mine["cpu_ns"].sum()) + sum(int(task["cpu_ns"]) for task in single)
    assert told == pytest.approx(sum(map(cpu_ns, truth)), rel=0.15)
    assert mine["start_ns"].max() == mine["start_ns"][mine["lives"] > 0].max() > 0
    lost = [part.lost for part in watch.found]
    assert sum(part.execs for part in lost) >= 100
    assert sum(part.lives for part in lost) == 0


def test_more_names_than_there_are_groups_are_counted_as_lost_with_their_time() -> None:
    watch = Watch(ring_bytes=os.sysconf("SC_PAGE_SIZE"))
    code = """
        for number in range(1300):
            if os.fork() == 0:
                open("/proc/self/comm", "w").write(f"n{number}")
                os._exit(0)
            os.wait()
        """
    try:
        watch.read()
        subprocess.run(python(code), check=True)
        watch.settle()
    finally:
        watch.events.close()
    lost = sum(part.lost.lives for part in watch.found)
    groups = np.concatenate([part.groups for part in watch.found])
    named = {bytes(name) for name in groups["comm"]} | {
        bytes(task["comm"]) for task in watch.lives().values()
    }
    children = sum(name.startswith(b"n") and name[1:].isdigit() for name in named)
    assert children <= 1100
    assert lost >= 1300 - 1100
    assert children + lost >= 1300
    assert sum(part.lost.cpu_ns for part in watch.found) > 0


def test_a_reader_in_a_pid_namespace_is_told_of_its_own_in_its_own_numbers() -> None:
    code = f"""
        sys.path[:0] = {sys.path!r}
        from tukur.sources.bpf.lives import LifeEvents
        from tukur.sources.lives.events import parse_events
        events = LifeEvents({PAGE_SHIFT})
        pid = os.posix_spawnp("false", ["false"], os.environ)
        os.waitpid(pid, 0)
        mine = []
        while not len(mine):
            time.sleep(0.05)
            found = parse_events(events.read())
            mine = found.exits[found.exits["pid"] == pid]
        print(pid < 100, mine["ppid"].tolist(), mine["comm"].tolist(), len(found.exits) < 10)
        """
    inside = ["unshare", "--pid", "--fork", "--mount-proc", *python(code)]
    with subprocess.Popen(inside, stdout=subprocess.PIPE, text=True) as child:
        while child.poll() is None:
            # Others' lives, which are none of its business.
            finished("true")
        assert child.stdout is not None
        assert child.stdout.read() == "True [1] [b'false'] True\n"
    assert child.returncode == 0


def test_a_cgroup_is_known_though_it_was_gone_before_anybody_looked(watch: Watch) -> None:
    mount = find_mount()
    if mount is None:
        pytest.skip("no cgroup2 is mounted")
    folder = Path(mount.point, f"tukur-test-{os.getpid()}")
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no cgroup can be made here: {error}")
    number = folder.stat().st_ino
    pid, _, _ = finished("sh", "-c", f"echo $$ > {folder}/cgroup.procs; exec true")
    _removed(folder)
    watch.settle()
    learnt = dict(entry for part in watch.found for entry in part.cgroups)
    assert learnt[number].endswith(f"/{folder.name}")
    assert int(watch.lives()[pid]["cgroup_id"]) == number


def _removed(folder: Path) -> None:
    def removed() -> bool:
        with contextlib.suppress(OSError):
            folder.rmdir()
        return not folder.exists()

    eventually(removed)


def test_an_ended_life_has_no_less_than_its_last_sample_had() -> None:
    source = BpfSource()
    burn = "until = time.time() + 0.5\nwhile time.time() < until: pass"
    try:
        with subprocess.Popen(python(burn)) as child:
            before = eventually(lambda: _burning(source, child.pid))
        found: list[Any] = []
        eventually(lambda: _collect(source, child.pid, found))
    finally:
        source.close()
    assert int(found[0]["cpu_ns"]) > int(before["cpu_ns"])
    assert int(found[0]["start_ns"]) == int(before["start_ns"])


def _collect(source: BpfSource, pid: int, found: list[Any]) -> bool:
    departed = source.departed(source.read())
    found.extend(task for task in departed.tasks if task["pid"] == pid)
    return bool(found)


def _burning(source: BpfSource, pid: int) -> Any:
    """Its row, once it has used some CPU time."""
    tasks = source.read()
    source.departed(tasks)
    (found,) = tasks[tasks["pid"] == pid]
    return found if found["cpu_ns"] > 50 * MS else None


def test_procfs_charges_the_parent_for_children_that_nobody_saw() -> None:
    source = ProcfsSource()
    try:
        source.departed(source.read())
        pid, _, used = finished(
            *python(
                """
                for _ in range(20):
                    if os.fork() == 0:
                        until = time.process_time() + 0.03
                        while time.process_time() < until: pass
                        os._exit(0)
                    os.wait()
                """
            )
        )
        groups = source.departed(source.read()).groups
    finally:
        source.close()
    mine = groups[groups["ppid"] == os.getpid()]
    assert int(mine["cpu_ns"].sum()) == pytest.approx(cpu_ns(used), abs=60 * MS)
    assert cpu_ns(used) > 600 * MS
    assert pid not in groups["ppid"]
