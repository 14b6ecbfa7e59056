"""The ``bpf`` source: an iterator in the kernel writes a record for each task (tasks.bpf.c)."""

import os
import struct
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tukur.records import TASK, THREAD, TaskArray
from tukur.sources.base import SourceUnavailableError
from tukur.sources.libbpf import IterProgram
from tukur.sources.procfs import ProcfsSource

OBJECT = "tasks.bpf.o"
_MAX_EXACT_CPUS = 32
"""MAX_EXACT_CPUS of tasks.bpf.c."""
_KERNEL_BUFFER = 32768
"""bpf_seq_read() fills eight pages at most; with 4 KiB pages this."""
_PIECE = _KERNEL_BUFFER // TASK.itemsize * TASK.itemsize
"""readv() goes on to its next piece only where one was filled to the last byte, so that the pieces
have the greatest size that whole records can fill."""
_PIECES = 64
_MOST_PIECES = 1024
"""IOV_MAX."""
_ROW = np.dtype((np.void, TASK.itemsize))
IDLE = 1 << 31
"""TASKS_IDLE of tasks.bpf.c."""
_IDLE_BATCH = 32
_ADDED = (
    "cpu_ns",
    "utime_ns",
    "stime_ns",
    "minflt",
    "majflt",
    "read_bytes",
    "write_bytes",
    "nvcsw",
    "nivcsw",
)
"""The fields in which a thread's record counts."""

BLIND_SPOTS = (
    "A process that lived between two samples is not seen.",
    "What others do to a process that sleeps (memory taken back, nice, cgroup) shows within 10 samples.",
)
HIDDEN = "This kernel hides from eBPF the processes {numbers}: they are read from /proc."
COUNTER_SLACK = "Memory of one process may be off by some hundred KiB for each CPU: {why}."


def object_image() -> bytes:
    """The compiled program's bytes. Raises SourceUnavailableError where it was never compiled."""
    try:
        return resources.files("tukur.sources").joinpath(OBJECT).read_bytes()
    except OSError as error:
        raise SourceUnavailableError(
            f"{OBJECT} is not in this installation; run `make build` in a checkout, or install the wheel"
        ) from error


def parse_cpu_list(text: str) -> int:
    """How many CPUs a list such as ``0-3`` names where it has no gaps and begins at 0; else 0."""
    first, _, last = text.strip().partition("-")
    if first != "0" or not (last or "0").isdecimal():
        return 0
    return int(last or "0") + 1


def symbols_visible(kallsyms: str) -> bool:
    """Whether kernel addresses are shown to us; `kallsyms` is the first line of /proc/kallsyms."""
    return kallsyms[:16].strip("0 ") != ""


class BpfSource:
    """Reads all tasks in one pass over the kernel's table, in nanoseconds and without /proc."""

    name = "bpf"

    def __init__(self) -> None:
        """Raises SourceUnavailableError."""
        exact, why = _exact_cpus()
        self.blind_spots: tuple[str, ...] = BLIND_SPOTS
        if why:
            self.blind_spots += (COUNTER_SLACK.format(why=why),)
        self._rest: ProcfsSource | None = None
        page_shift = os.sysconf("SC_PAGE_SIZE").bit_length() - 1
        self._settings = struct.pack("=II", page_shift, exact)
        self._program = IterProgram(object_image(), "tasks", self._settings)
        self._buffer = np.empty(0, dtype=np.uint8)
        self._pieces: list[memoryview] = []
        self._grow(_PIECES)
        self._table = Table()
        hidden = self._hidden()
        if hidden:
            self._rest = ProcfsSource(hidden)
            numbers = ", ".join(map(str, sorted(hidden)))
            self.blind_spots += (HIDDEN.format(numbers=numbers),)

    def read(self) -> TaskArray:
        """Every process now; see Source. Raises OSError where the kernel fails."""
        try:
            tasks = self._table.update(self._buffer[: self._fill()].view(TASK))
        except BaseException:
            # The program in the kernel counts on all that it wrote being known here.
            self._restart()
            raise
        if self._rest is None:
            return tasks
        rest = self._rest.read()
        # A number of theirs may be an ordinary process's by now.
        rest = _pick(rest, ~_positions(np.ascontiguousarray(tasks["pid"]), rest["pid"])[1])
        return _sorted(np.concatenate([rest.view(_ROW), tasks.view(_ROW)]).view(TASK), "pid")

    def close(self) -> None:
        """Unloads the program."""
        self._program.close()
        if self._rest is not None:
            self._rest.close()

    def _hidden(self) -> frozenset[int]:
        """Processes that the kernel shows in /proc, but not to eBPF: some sandboxes guard their first one."""
        before = _listed()
        seen = set(self.read()["pid"].tolist())
        # What began or ended meanwhile is not hidden.
        return frozenset((before & _listed()) - seen)

    def _restart(self) -> None:
        self._program.close()
        self._table = Table()
        self._program = IterProgram(object_image(), "tasks", self._settings)

    def _fill(self) -> int:
        """Reads to the end; the number of bytes."""
        fd = self._program.open()
        filled = 0
        try:
            while True:
                whole, part = divmod(filled, _PIECE)
                if whole == len(self._pieces):
                    self._grow(2 * len(self._pieces))
                pieces = self._pieces[whole : whole + _MOST_PIECES]
                if part:
                    # A short read: the kernel gave way to another task in between.
                    pieces[0] = pieces[0][part:]
                count = os.readv(fd, pieces)
                if count == 0:
                    return filled
                filled += count
        finally:
            os.close(fd)

    def _grow(self, pieces: int) -> None:
        larger = np.empty(pieces * _PIECE, dtype=np.uint8)
        larger[: len(self._buffer)] = self._buffer
        self._buffer = larger
        view = memoryview(larger.data)
        self._pieces = [view[at : at + _PIECE] for at in range(0, len(larger), _PIECE)]


class Table:
    """The processes as of the last reading, to which the next one's records are applied.

    Pure: it sees records only. tasks.bpf.c writes whole the tasks that have run, and just the numbers
    of those that have not.
    """

    def __init__(self) -> None:
        self._tasks: TaskArray = np.empty(0, dtype=TASK)
        self._threads: TaskArray = np.empty(0, dtype=TASK)

    def update(self, records: TaskArray) -> TaskArray:
        """The processes after a whole reading, sorted by pid, what their threads used added to them.

        `records` is not kept. Raises LookupError for a number that no earlier reading had.
        """
        is_idle = records["flags"] >= IDLE
        whole = _pick(records, ~is_idle)
        idle = idle_numbers(_pick(records, is_idle))
        is_thread = whole["flags"] & THREAD != 0
        idle_is_thread = np.zeros(len(idle), dtype=bool)
        if len(self._threads):
            idle_is_thread = _positions(self._threads["ns_pid"], idle)[1]
        threads = _pick(whole, is_thread)
        self._threads = _merged(self._threads, "ns_pid", idle[idle_is_thread], threads)
        fresh = _sorted(_pick(whole, ~is_thread) if len(threads) else whole, "pid")
        add_threads(fresh, self._threads)
        split_cpu_time(fresh, self._tasks)
        self._tasks = _merged(self._tasks, "pid", idle[~idle_is_thread], fresh)
        return self._tasks


def idle_numbers(batches: TaskArray) -> npt.NDArray[np.uint32]:
    """The numbers that these records hold."""
    words = batches.view("<u4").reshape(len(batches), TASK.itemsize // 4)[:, :_IDLE_BATCH]
    # The last one alone is not full.
    return words.reshape(-1)[: int(batches["threads"].sum())]


def _pick(rows: TaskArray, which: Any) -> TaskArray:
    """Some of the rows: a copy. As plain bytes: numpy moves structures field by field, 20 times slower."""
    picked: TaskArray = rows.view(_ROW)[which].view(TASK)
    return picked


def _copy(rows: TaskArray) -> TaskArray:
    return rows.view(_ROW).copy().view(TASK)


def _positions(keys: Any, wanted: Any) -> tuple[Any, Any]:
    """Where in the sorted `keys` each wanted one stands, and whether it does."""
    at = np.searchsorted(keys, wanted)
    return at, keys[np.minimum(at, len(keys) - 1)] == wanted if len(keys) else at < 0


def _merged(known: TaskArray, key: str, idle: Any, fresh: TaskArray) -> TaskArray:
    """The rows of `known` that have an idle number, and the fresh ones; a new array, sorted."""
    if not len(idle):
        return _sorted(_copy(fresh), key)
    keys = np.ascontiguousarray(known[key])
    at, found = _positions(keys, fresh[key])
    if len(idle) + len(fresh) == len(known) and found.all():
        # Then the idle ones are all the others, which their sum confirms without a search for each.
        total = idle.sum(dtype=np.uint64) + fresh[key].sum(dtype=np.uint64)
        if total == keys.sum(dtype=np.uint64):
            rows = _copy(known)
            rows.view(_ROW)[at] = fresh.view(_ROW)
            return rows
    kept, found = _positions(keys, idle)
    if not found.all():
        raise LookupError(f"task {int(idle[~found][0])} is said to be as before, but was not there")
    rows = np.concatenate([known.view(_ROW)[kept], fresh.view(_ROW)]).view(TASK)
    return _sorted(rows, key)


def _sorted(rows: TaskArray, key: str) -> TaskArray:
    keys = rows[key]
    # The kernel goes by number, so that mostly there is nothing to do but to make sure.
    return rows if bool((keys[1:] > keys[:-1]).all()) else _pick(rows, np.argsort(keys, kind="stable"))


def add_threads(tasks: TaskArray, threads: TaskArray) -> None:
    """Adds to each process, in place, what its threads used; `tasks` is sorted by pid.

    A thread whose process is not among them is left out.
    """
    if not len(threads):
        return
    at, known = _positions(np.ascontiguousarray(tasks["pid"]), threads["pid"])
    at, threads = at[known], _pick(threads, known)
    # By process, so that reduceat() adds each one's threads in a row, exactly, in uint64.
    order = np.argsort(at, kind="stable")
    at, threads = at[order], _pick(threads, order)
    if len(at):
        begins = np.flatnonzero(np.diff(at, prepend=-1))
        for name in _ADDED:
            tasks[name][at[begins]] += np.add.reduceat(threads[name], begins)


def split_cpu_time(tasks: TaskArray, previous: TaskArray) -> None:
    """Scales raw utime and stime in place so that their sum is cpu_ns, neither ever going back.

    As cputime_adjust() in kernel/sched/cputime.c: the tick that charges a mode only samples, the
    scheduler's sum is exact. `previous` is the last result.
    """
    runtime, user, system = tasks["cpu_ns"], tasks["utime_ns"], tasks["stime_ns"]
    # At least 1: where nothing was charged yet, all of it counts as user time.
    share = system / np.maximum(user + system, 1)
    # A float has 53 bits: off by a few ns after 100 days of CPU time.
    scaled = np.minimum((runtime * share).astype(np.uint64), runtime)
    before_user, before_system = _earlier(tasks, previous)
    scaled = np.maximum(scaled, np.minimum(before_system, runtime))
    user_ns = np.maximum(runtime - scaled, np.minimum(before_user, runtime))
    tasks["utime_ns"] = user_ns
    tasks["stime_ns"] = runtime - user_ns


def _earlier(tasks: TaskArray, previous: TaskArray) -> tuple[Any, Any]:
    if len(previous) == 0:
        zero = np.zeros(len(tasks), dtype=np.uint64)
        return zero, zero
    at, found = _positions(np.ascontiguousarray(previous["pid"]), tasks["pid"])
    at = np.minimum(at, len(previous) - 1)
    same = found & (previous["start_ns"][at] == tasks["start_ns"])
    return previous["utime_ns"][at] * same, previous["stime_ns"][at] * same


def _listed() -> set[int]:
    """The PIDs in /proc; none where that /proc is not of this PID namespace."""
    try:
        if Path("/proc/self").readlink().name != str(os.getpid()):
            return set()
        return {int(name) for name in os.listdir("/proc") if name.isdecimal()}  # noqa: PTH208
    except OSError:
        return set()


def _exact_cpus() -> tuple[int, str]:
    """CPUs whose held-back memory counts are added, and why none are (empty: they are)."""
    try:
        cpus = parse_cpu_list(Path("/sys/devices/system/cpu/possible").read_text())
        with Path("/proc/kallsyms").open() as file:
            visible = symbols_visible(file.readline())
    except OSError:
        return 0, "the list of CPUs or of kernel symbols is not readable"
    if not visible:
        return 0, "kernel addresses are hidden from this user (CAP_SYSLOG shows them)"
    if not 0 < cpus <= _MAX_EXACT_CPUS:
        return 0, f"the machine has more than {_MAX_EXACT_CPUS} CPUs"
    return cpus, ""
