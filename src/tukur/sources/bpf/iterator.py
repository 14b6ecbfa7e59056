"""All tasks through an iterator: the form of the ``bpf`` source for Linux 5.15 to 6.6 (tasks.bpf.c)."""

import os
from typing import Any

import numpy as np
import numpy.typing as npt

from tukur.records import TASK, THREAD, TaskArray, row_bytes, take_rows
from tukur.sources.bpf.libbpf import object_image
from tukur.sources.bpf.programs import IterProgram

OBJECT = "tasks.bpf.o"
_KERNEL_BUFFER = 32768
"""bpf_seq_read() fills eight pages at most; with 4 KiB pages this."""
_PIECE = _KERNEL_BUFFER // TASK.itemsize * TASK.itemsize
"""readv() goes on to its next piece only where one was filled to the last byte, so that the pieces
have the greatest size that whole records can fill."""
_PIECES = 64
_MAX_PIECES = 1024
"""IOV_MAX."""
IDLE = 1 << 31
"""TASKS_IDLE of tasks.bpf.c."""
_IDLE_BATCH = 32
_WORDS = TASK.itemsize // 8
_ADDED = slice(1, 15)
"""The 64-bit words in which a thread's record counts: cpu_ns to nivcsw. Its memory is zero, but where its
process has none because the main thread has ended."""
_SPOKEN = ("uid", "gid", "threads", "nice", "oom_score_adj", "state", "policy", "cgroup_id")
"""What a thread's record says of its process once the main thread has ended."""


class Iterator:
    """Reads through an iterator in the kernel, which writes its records into a file."""

    name = "iterator"

    def __init__(self, settings: bytes) -> None:
        """`settings`: those of record.h. Raises SourceUnavailableError."""
        self._settings = settings
        self._program = IterProgram(object_image(OBJECT), "tasks", settings)
        self._buffer = np.empty(0, dtype=np.uint8)
        self._pieces: list[memoryview] = []
        self._grow(_PIECES)
        self._table = Table()

    def read(self, front: TaskArray) -> TaskArray:
        """Every process now, sorted by pid, behind the rows `front`. Raises OSError."""
        try:
            tasks = self._table.update(self._buffer[: self._fill()].view(TASK))
        except BaseException:
            # The program in the kernel counts on all that it wrote being known here.
            self._restart()
            raise
        return np.concatenate([row_bytes(front), row_bytes(tasks)]).view(TASK) if len(front) else tasks

    def close(self) -> None:
        """Unloads the program."""
        self._program.close()

    def _restart(self) -> None:
        self._program.close()
        self._table = Table()
        self._program = IterProgram(object_image(OBJECT), "tasks", self._settings)

    def _fill(self) -> int:
        """Reads to the end; the number of bytes."""
        fd = self._program.open()
        filled = 0
        try:
            while True:
                whole, part = divmod(filled, _PIECE)
                if whole == len(self._pieces):
                    self._grow(2 * len(self._pieces))
                pieces = self._pieces[whole : whole + _MAX_PIECES]
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
        self._pieces = [view[index : index + _PIECE] for index in range(0, len(larger), _PIECE)]


class Table:
    """The processes as of the last reading, to which the next one's records are applied.

    Pure: it sees records only. tasks.bpf.c writes whole the tasks that have run, and just the numbers
    of those that have not.
    """

    def __init__(self) -> None:
        self._tasks = _Rows("pid")
        self._threads = _Rows("ns_pid")

    def update(self, records: TaskArray) -> TaskArray:
        """The processes after a whole reading, sorted by pid, what their threads used added to them.

        `records` is not kept. Raises LookupError for a number that no earlier reading had.
        """
        flags = records["flags"]
        is_idle = flags >= IDLE
        idle = idle_numbers(take_rows(records, is_idle))
        if len(self._threads.rows) or bool((flags == THREAD).any()):
            is_thread = flags == THREAD
            threads = sorted_rows(take_rows(records, is_thread), "ns_pid")
            fresh = sorted_rows(take_rows(records, ~(is_idle | is_thread)), "pid")
            was_thread = self._threads.find(idle)[1]
            self._threads.replace(idle[was_thread], threads, *self._threads.find(threads["ns_pid"]))
            add_threads(fresh, self._threads.rows)
            speak_for_ended(fresh, self._threads.rows)
            idle = idle[~was_thread]
        else:
            fresh = sorted_rows(take_rows(records, ~is_idle), "pid")
        index, known = self._tasks.find(fresh["pid"])
        split_cpu_time(fresh, self._tasks.rows, index, known)
        self._tasks.replace(idle, fresh, index, known)
        return self._tasks.rows


class _Rows:
    """Records sorted by one of their fields. They are replaced, never changed: others may hold them."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._keep(np.empty(0, dtype=TASK))

    def _keep(self, rows: TaskArray) -> None:
        self.rows = rows
        self._keys = np.ascontiguousarray(rows[self._key])
        self._total = int(self._keys.sum(dtype=np.uint64))

    def find(self, keys: Any) -> tuple[Any, Any]:
        """Where each of the keys stands (or any place), and whether it does."""
        if not len(self._keys):
            return np.zeros(len(keys), dtype=np.int64), np.zeros(len(keys), dtype=bool)
        index = self._keys.searchsorted(keys)
        np.minimum(index, len(self._keys) - 1, out=index)
        return index, self._keys[index] == keys

    def replace(self, idle: Any, fresh: TaskArray, index: Any, known: Any) -> None:
        """Keeps the rows with an `idle` key, and takes the fresh ones; `at`, `known`: find() of these."""
        if len(idle) + len(fresh) == len(self.rows) and bool(known.all()):
            # Then the idle ones are all the others, which their sum confirms without a search for each.
            total = int(idle.sum(dtype=np.uint64)) + int(fresh[self._key].sum(dtype=np.uint64))
            if total == self._total:
                rows = row_bytes(self.rows).copy().view(TASK)
                row_bytes(rows)[index] = row_bytes(fresh)
                self.rows = rows
                return
        kept, found = self.find(idle)
        if not found.all():
            number = int(idle[~found][0])
            raise LookupError(f"task {number} is said to be as before, but was not there")
        rows = np.concatenate([row_bytes(self.rows)[kept], row_bytes(fresh)]).view(TASK)
        self._keep(sorted_rows(rows, self._key))


def idle_numbers(batches: TaskArray) -> npt.NDArray[np.uint32]:
    """The numbers that these records hold."""
    words = batches.view("<u4").reshape(len(batches), TASK.itemsize // 4)[:, :_IDLE_BATCH]
    # The last one alone is not full.
    return words.reshape(-1)[: int(batches["threads"].sum())]


def sorted_rows(rows: TaskArray, key: str) -> TaskArray:
    keys = rows[key]
    # The kernel goes by number, so that mostly there is nothing to do but to make sure.
    return rows if bool((keys[1:] > keys[:-1]).all()) else take_rows(rows, np.argsort(keys, kind="stable"))


def add_threads(tasks: TaskArray, threads: TaskArray) -> None:
    """Adds to each process, in place, what its threads used; `tasks` is sorted by pid.

    A thread whose process is not among them is left out.
    """
    if not len(threads) or not len(tasks):
        return
    pids, of = np.ascontiguousarray(tasks["pid"]), threads["pid"]
    index = np.minimum(pids.searchsorted(of), len(pids) - 1)
    known = np.flatnonzero(pids[index] == of)
    if not len(known):
        return
    # By process, so that reduceat() adds each one's threads in a row, exactly, in uint64.
    known = known[np.argsort(index[known], kind="stable")]
    index = index[known]
    begins = np.flatnonzero(np.diff(index, prepend=-1))
    used = threads.view("<u8").reshape(len(threads), _WORDS)[known, _ADDED]
    tasks.view("<u8").reshape(len(tasks), _WORDS)[index[begins], _ADDED] += np.add.reduceat(used, begins)


def speak_for_ended(tasks: TaskArray, threads: TaskArray) -> None:
    """Fills in, in place, what a living thread says of a process whose main thread has ended.

    `tasks` is sorted by pid. Such a thread's record has a number of threads, others have none.
    """
    speakers = take_rows(threads, threads["threads"] > 0)
    if not len(speakers) or not len(tasks):
        return
    index = np.minimum(tasks["pid"].searchsorted(speakers["pid"]), len(tasks) - 1)
    known = tasks["pid"][index] == speakers["pid"]
    for name in _SPOKEN:
        tasks[name][index[known]] = speakers[name][known]


def split_cpu_time(tasks: TaskArray, previous: TaskArray, index: Any, known: Any) -> None:
    """Scales raw utime and stime in place so that their sum is cpu_ns, neither ever going back.

    As cputime_adjust() in kernel/sched/cputime.c: the tick that charges a mode only samples, the
    scheduler's sum is exact. `previous` is the last result, in which `index` is the row of the same pid
    where it is `known`.
    """
    runtime, user, system = tasks["cpu_ns"], tasks["utime_ns"], tasks["stime_ns"]
    # At least 1: where nothing was charged yet, all of it counts as user time.
    share = system / np.maximum(user + system, 1)
    # A float has 53 bits: off by a few ns after 100 days of CPU time.
    scaled = np.minimum((runtime * share).astype(np.uint64), runtime)
    if len(previous):
        same = known & (previous["start_ns"][index] == tasks["start_ns"])
        scaled = np.maximum(scaled, np.minimum(previous["stime_ns"][index] * same, runtime))
        before_user = previous["utime_ns"][index] * same
        tasks["utime_ns"] = np.maximum(runtime - scaled, np.minimum(before_user, runtime))
    else:
        tasks["utime_ns"] = runtime - scaled
    tasks["stime_ns"] = runtime - tasks["utime_ns"]
