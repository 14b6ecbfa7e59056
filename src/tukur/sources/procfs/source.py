"""The ``procfs`` source: plain /proc, for every machine and every user.

The kernel writes a text for each file that is read, some 10 µs each, so that what counts is to read few:
``stat`` of every process through a descriptor that stays open, and the others only where ``stat``
has changed, or at every tenth reading.
"""

import contextlib
import os
import resource
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tukur.records import KTHREAD, TASK, Departed, TaskArray, take_rows
from tukur.sources import boot_clock
from tukur.sources.capabilities import effective
from tukur.sources.cgroups import find_mount
from tukur.sources.lives.reaped_children import ReapedChildrenCpu
from tukur.sources.proc import (
    CLOCK_TICK_NS,
    Stat,
    list_pids,
    of_live_thread,
    parse_cgroup_v2,
    parse_io,
    parse_stat,
    parse_status,
    read,
    read_cgroup_file,
    reread,
    status_of_live_thread,
)

_REFRESH = 10
"""Readings after which an idle process's other files are read again, a tenth of them at each."""
_SPARE_FILES = 256
"""Descriptors left for the rest of the program."""
_MAX_FILES = 65536

BLIND_SPOTS = (
    "Of a process that lived between two samples only the CPU time is seen, as its parent's children's.",
    "How a process ended is not known, nor what it used after its last sample.",
    "CPU time counts in steps of 10 ms, and the start of a process too.",
    "Context switches are the main thread's only.",
    f"Memory, I/O, owner and cgroup of an idle process may be {_REFRESH} samples old.",
)
_OTHERS_IO = "I/O of other users' processes is not readable without CAP_SYS_PTRACE: it shows as 0."
_HIDDEN = "Other users' processes are hidden by the mount option hidepid."


@dataclass(slots=True)
class _Process:
    """One life of one PID."""

    pid: int
    slot: int
    """Its row in the table of all."""
    fd: int = -1
    """Of its stat, kept open; -1: there were too many."""
    stat: bytes = b""
    waited: int = 0
    """Stat.waited at the last reading, nanoseconds."""
    rare: tuple[int, int, int] = field(default=(0, 0, 0))
    """What is read seldom: oom_score_adj, cgroup_id, and the exec_id it was read at."""
    main_ended: bool = False
    """Stat.main_ended: its stat does not show then what its other threads do."""


class ProcfsSource:
    """Reads /proc, as much of it as the user may."""

    name = "procfs"

    def __init__(self, pids: frozenset[int] | None = None) -> None:
        """`pids`: no others are read (None: all)."""
        self._only = pids
        self._files_left = _files_allowed() - _SPARE_FILES
        self._processes: dict[int, _Process] = {}
        self._table: Any = np.zeros(1024, dtype=TASK)
        self._free = list(range(1023, -1, -1))
        self._order: Any = np.empty(0, dtype=np.int64)
        self._round = 0
        self._first_reading = True
        self._waited = ReapedChildrenCpu()
        mount = find_mount()
        self._cgroups = os.fsencode(mount.point) if mount else None
        self._cgroup_ids: dict[bytes, int] = {}
        self.blind_spots = BLIND_SPOTS + _limits()

    def read(self) -> TaskArray:
        """Every process now; see Source. Raises OSError where /proc cannot be listed."""
        pids = self._list()
        known = self._processes
        gone = known.keys() - pids
        changed = bool(gone)
        for pid in gone:
            self._end(known[pid])
        self._round = (self._round + 1) % _REFRESH
        if self._round == 0:
            self._cgroup_ids.clear()
        for pid in pids:
            process = known.get(pid)
            if process is None:
                changed = self._begin(pid) or changed
            elif not self._update(process):
                # Its PID may already be another's.
                self._end(process)
                self._begin(pid)
                changed = True
        if changed:
            slots = [known[pid].slot for pid in sorted(known)]
            self._order = np.array(slots, dtype=np.int64)
        # As plain bytes: numpy moves structures field by field, 20 times slower.
        tasks: TaskArray = take_rows(self._table, self._order)
        self._first_reading = False
        return tasks

    def collect(self) -> None:
        """Nothing: what the parents waited for is read with them."""

    def departed(self, living: TaskArray) -> Departed:  # noqa: ARG002
        """CPU time of children that no reading saw, by parent; see Source."""
        return Departed(groups=self._waited.take(boot_clock.now_ns()))

    def close(self) -> None:
        """Closes every file."""
        for process in list(self._processes.values()):
            self._forget(process)

    def _list(self) -> set[int]:
        if self._only is not None:
            return set(self._only)
        return list_pids()

    def _begin(self, pid: int) -> bool:
        """Begins a life; False where it is over already."""
        try:
            fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        if not self._free:
            size = len(self._table)
            self._table = np.concatenate([self._table, np.zeros(size, dtype=TASK)])
            self._free = list(range(2 * size - 1, size - 1, -1))
        process = _Process(pid, self._free.pop(), fd)
        self._processes[pid] = process
        begun = self._update(process)
        if not begun:
            self._forget(process)
        elif self._files_left <= 0:
            os.close(fd)
            process.fd = -1
        else:
            self._files_left -= 1
        return begun

    def _end(self, process: _Process) -> None:
        row = self._table[process.slot]
        self._waited.child_gone(process.pid, int(row["ppid"]), int(row["cpu_ns"]) + process.waited)
        self._forget(process)

    def _forget(self, process: _Process) -> None:
        del self._processes[process.pid]
        self._free.append(process.slot)
        if process.fd >= 0:
            os.close(process.fd)
            self._files_left += 1

    def _update(self, process: _Process) -> bool:
        """Brings its row up to date; False where the life is over."""
        try:
            open_file = process.fd >= 0
            content = reread(process.fd, 1024) if open_file else read(f"/proc/{process.pid}/stat", 1024)
            due = process.pid % _REFRESH == self._round
            if content == process.stat and not due and not process.main_ended:
                return True
            return self._refresh(process, content, due)
        except (OSError, ValueError):
            # It ended meanwhile, some of its files then being empty.
            return False

    def _refresh(self, process: _Process, content: bytes, due: bool) -> bool:
        pid = process.pid
        stat = parse_stat(content)
        first = not process.stat
        if not first and stat.start_ns != self._table["start_ns"][process.slot]:
            return False
        process.stat = content
        process.main_ended = stat.main_ended
        status = parse_status(read(f"/proc/{pid}/status"))
        if stat.main_ended:
            stat = of_live_thread(pid, stat)
            status = status_of_live_thread(pid, status)
        if first or due or process.rare[2] != stat.exec_id:
            process.rare = (*self._read_rare(stat, pid), stat.exec_id)
        reads, writes = (0, 0) if stat.kthread else _read_io(pid)
        oom_score_adj, cgroup_id, _ = process.rare
        self._count_waited(process, stat, status.uid)
        user, system = stat.utime * CLOCK_TICK_NS, stat.stime * CLOCK_TICK_NS
        self._table[process.slot] = (
            stat.start_ns,
            user + system,
            user,
            system,
            status.rss_anon,
            status.rss_file,
            status.rss_shmem,
            status.swap,
            stat.vsize,
            stat.minflt,
            stat.majflt,
            reads,
            writes,
            status.nvcsw,
            status.nivcsw,
            cgroup_id,
            pid,
            stat.ppid,
            status.uid,
            status.gid,
            status.ns_pid or pid,
            stat.threads,
            stat.exec_id,
            KTHREAD if stat.kthread else 0,
            stat.nice,
            oom_score_adj,
            ord(stat.state),
            stat.policy,
            0,
            # A kernel worker adds what it works on; TASK_COMM_LEN has room for 15 bytes and a NUL.
            stat.comm[:15],
        )
        return True

    def _count_waited(self, process: _Process, stat: Stat, uid: int) -> None:
        waited = stat.waited * CLOCK_TICK_NS
        # What it reaped before this source began is not counted.
        if waited > process.waited and not self._first_reading:
            self._waited.grew(process.pid, stat.start_ns, uid, waited - process.waited)
        process.waited = waited

    def _read_rare(self, stat: Stat, pid: int) -> tuple[int, int]:
        score = cgroup_id = 0
        # Some kernels and containers have no cgroup file, or not for every process.
        with contextlib.suppress(OSError, ValueError):
            score = int(read(f"/proc/{pid}/oom_score_adj", 16))
        with contextlib.suppress(OSError):
            content = read_cgroup_file(pid, main_ended=stat.main_ended)
            cgroup_id = self._cgroup_id(parse_cgroup_v2(content))
        return score, cgroup_id

    def _cgroup_id(self, path: bytes | None) -> int:
        if path is None or self._cgroups is None:
            return 0
        number = self._cgroup_ids.get(path)
        if number is None:
            try:
                number = os.stat(self._cgroups + path).st_ino  # noqa: PTH116
            except OSError:
                number = 0
            self._cgroup_ids[path] = number
        return number


def _read_io(pid: int) -> tuple[int, int]:
    try:
        return parse_io(read(f"/proc/{pid}/io", 1024))
    except PermissionError:
        return 0, 0


def _files_allowed() -> int:
    """How many files this program may open; raises its own soft limit as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, _MAX_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def _limits() -> tuple[str, ...]:
    """What this user, on this machine, cannot see beyond the blind spots of all."""
    if "CAP_SYS_PTRACE" in effective():
        return ()
    try:
        read("/proc/1/stat", 1024)
    except OSError:
        return (_OTHERS_IO, _HIDDEN)
    return (_OTHERS_IO,)
