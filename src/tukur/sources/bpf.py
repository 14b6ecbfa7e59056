"""The ``bpf`` source: an iterator in the kernel writes a record for each task (tasks.bpf.c)."""

import os
import struct
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tukur.records import TASK, THREAD, TaskArray, match_previous
from tukur.sources.base import SourceUnavailableError
from tukur.sources.libbpf import IterProgram

OBJECT = "tasks.bpf.o"
_MAX_EXACT_CPUS = 32
"""MAX_EXACT_CPUS of tasks.bpf.c."""
_KERNEL_BUFFER = 32768
"""bpf_seq_read() fills eight pages at most; with 4 KiB pages this."""
_PIECE = _KERNEL_BUFFER // TASK.itemsize * TASK.itemsize
"""readv() goes on to its next piece only where one was filled to the last byte, so that the pieces
have the greatest size that whole records can fill."""
_PIECES = 64
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
        self.blind_spots: tuple[str, ...] = ("A process that lived between two samples is not seen.",)
        if why:
            self.blind_spots += (COUNTER_SLACK.format(why=why),)
        page_shift = os.sysconf("SC_PAGE_SIZE").bit_length() - 1
        self._program = IterProgram(object_image(), "tasks", struct.pack("=II", page_shift, exact))
        self._buffer = np.empty(0, dtype=np.uint8)
        self._pieces: list[memoryview] = []
        self._grow(_PIECES)
        self._previous: TaskArray = np.empty(0, dtype=TASK)

    def read(self) -> TaskArray:
        """Every process now; see Source. Raises OSError where the kernel fails."""
        records = self._buffer[: self._fill()].view(TASK)
        tasks = add_threads(records)
        split_cpu_time(tasks, self._previous)
        self._previous = tasks
        return tasks

    def close(self) -> None:
        """Unloads the program."""
        self._program.close()

    def _fill(self) -> int:
        """Reads to the end; the number of bytes."""
        fd = self._program.open()
        filled = 0
        try:
            while True:
                whole, part = divmod(filled, _PIECE)
                if whole == len(self._pieces):
                    self._grow(2 * len(self._pieces))
                pieces = self._pieces[whole:]
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
        # readv() takes 1024 pieces at most; a buffer of that size holds 182,000 tasks.
        pieces = min(pieces, 1024)
        if pieces * _PIECE == len(self._buffer):
            raise OSError(f"more tasks than the buffer of {len(self._buffer)} bytes holds")
        larger = np.empty(pieces * _PIECE, dtype=np.uint8)
        larger[: len(self._buffer)] = self._buffer
        self._buffer = larger
        view = memoryview(larger.data)
        self._pieces = [view[at : at + _PIECE] for at in range(0, len(larger), _PIECE)]


def add_threads(records: TaskArray) -> TaskArray:
    """A copy with one row for each process, sorted by pid, what its threads used added to it.

    A thread whose process is not among the records ended with it meanwhile, and is left out.
    """
    is_thread: npt.NDArray[np.bool_] = (records["flags"] & THREAD) != 0
    if not is_thread.any():
        return _sorted(records.copy())
    tasks = _sorted(records[~is_thread])
    threads = records[is_thread]
    at: Any = np.searchsorted(tasks["pid"], threads["pid"])
    known = tasks["pid"][np.minimum(at, len(tasks) - 1)] == threads["pid"] if len(tasks) else at < 0
    at, threads = at[known], threads[known]
    # By process, so that reduceat() adds each one's threads in a row, exactly, in uint64.
    order = np.argsort(at, kind="stable")
    at, threads = at[order], threads[order]
    if len(at):
        begins = np.flatnonzero(np.diff(at, prepend=-1))
        for name in _ADDED:
            tasks[name][at[begins]] += np.add.reduceat(threads[name], begins)
    return tasks


def _sorted(tasks: TaskArray) -> TaskArray:
    pids = tasks["pid"]
    # The kernel goes by PID, so that there is nothing to do but to make sure.
    return tasks if bool((pids[1:] > pids[:-1]).all()) else tasks[np.argsort(pids, kind="stable")]


def split_cpu_time(tasks: TaskArray, previous: TaskArray) -> None:
    """Scales raw utime and stime in place so that their sum is cpu_ns, neither ever going back.

    As cputime_adjust() in kernel/sched/cputime.c: the tick that charges a mode only samples, the
    scheduler's sum is exact. `previous` is the last result.
    """
    runtime, user, system = tasks["cpu_ns"], tasks["utime_ns"], tasks["stime_ns"]
    charged = (user + system).astype(np.float64)
    share = np.divide(system, charged, out=np.zeros(len(tasks)), where=charged > 0)
    # A float has 53 bits: off by a few ns after 100 days of CPU time.
    scaled = np.minimum((runtime * share).astype(np.uint64), runtime)
    before_user, before_system = _earlier(tasks, previous)
    scaled = np.maximum(scaled, np.minimum(before_system, runtime))
    user_ns = np.maximum(runtime - scaled, np.minimum(before_user, runtime))
    tasks["utime_ns"] = user_ns
    tasks["stime_ns"] = runtime - user_ns


def _earlier(tasks: TaskArray, previous: TaskArray) -> tuple[Any, Any]:
    at = match_previous(tasks, previous)
    if len(previous) == 0:
        zero = np.zeros(len(tasks), dtype=np.uint64)
        return zero, zero
    user, system = (np.where(at >= 0, previous[name][at], 0) for name in ("utime_ns", "stime_ns"))
    return user.astype(np.uint64), system.astype(np.uint64)


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
