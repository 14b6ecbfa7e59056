"""The task record of ``native/include/tukur_record.h`` as a numpy dtype, and the snapshot."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tukur.records.host import HostSample
from tukur.text import readable

RECORD_VERSION = 1
"""TUKUR_RECORD_VERSION of the header that this dtype follows."""

KTHREAD = 1 << 0
"""Flag: a kernel thread (TUKUR_TASK_KTHREAD)."""
THREAD = 1 << 1
"""Flag: a thread's share, to be added to its process (TUKUR_TASK_THREAD); never leaves a source."""
ENDED = 1 << 2
"""Flag: the life is over, the counters are final (TUKUR_TASK_ENDED); such a row stands in one sample."""
PEAK_UNKNOWN = 1 << 3
"""Flag, beside ``ENDED``: its peak of memory is not known (TUKUR_TASK_PEAK_UNKNOWN)."""

TASK = np.dtype(
    [
        ("start_ns", "<u8"),
        ("cpu_ns", "<u8"),
        ("utime_ns", "<u8"),
        ("stime_ns", "<u8"),
        ("rss_anon", "<u8"),
        ("rss_file", "<u8"),
        ("rss_shmem", "<u8"),
        ("swap", "<u8"),
        ("vsz", "<u8"),
        ("minflt", "<u8"),
        ("majflt", "<u8"),
        ("read_bytes", "<u8"),
        ("write_bytes", "<u8"),
        ("nvcsw", "<u8"),
        ("nivcsw", "<u8"),
        ("cgroup_id", "<u8"),
        ("pid", "<u4"),
        ("ppid", "<u4"),
        ("uid", "<u4"),
        ("gid", "<u4"),
        ("ns_pid", "<u4"),
        ("threads", "<u4"),
        ("exec_id", "<u4"),
        ("flags", "<u4"),
        ("nice", "<i2"),
        ("oom_score_adj", "<i2"),
        ("state", "u1"),
        ("policy", "u1"),
        ("pad0", "<u2"),
        ("comm", "S16"),
    ]
)
"""One process at one instant; units and kernel sources are in ``tukur_record.h``."""

TaskArray: TypeAlias = npt.NDArray[np.void]
"""A one-dimensional array of :data:`TASK`, sorted by pid, one row for each process."""

IntArray: TypeAlias = npt.NDArray[np.int64]

_NO_ROWS: IntArray = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One host at one instant."""

    wall_ns: int
    """CLOCK_REALTIME when the reading began, nanoseconds since the epoch."""
    boot_ns: int
    """CLOCK_BOOTTIME at the same instant, nanoseconds; never goes back within a boot."""
    host: HostSample
    """The host counters."""
    tasks: TaskArray
    """One :data:`TASK` for each process, sorted by pid."""


def living_count(tasks: TaskArray) -> int:
    """How many of them are processes that there are: all but those that have just ended."""
    return int(np.count_nonzero((tasks["flags"] & ENDED) == 0))


def comm_text(comm: bytes) -> str:
    """The process name as text that can be shown."""
    return readable(comm)


@dataclass(frozen=True, slots=True)
class Change:
    """What differs between two tables of one host; everything that follows costs only this much."""

    index: IntArray
    """For each row the index in the table before of the same life, or -1."""
    changed: IntArray
    """Rows whose life was there before and whose record differs in any byte; ascending."""
    new: IntArray
    """Rows whose life was not there before; ascending."""
    gone: IntArray
    """Indices in the table before of the lives that are no more; ascending."""

    @property
    def same_lives(self) -> bool:
        """Whether both tables hold the same lives in the same rows."""
        return len(self.new) == 0 and len(self.gone) == 0


def as_words(tasks: TaskArray) -> npt.NDArray[np.uint64]:
    """The records as 64-bit words, shape (len(tasks), TASK.itemsize // 8); no copy where contiguous."""
    return np.ascontiguousarray(tasks).view("<u8").reshape(len(tasks), TASK.itemsize // 8)


def row_bytes(rows: Any) -> Any:
    """A structured array as plain bytes, one element for each row; no copy.

    numpy compares and copies structures field by field, twenty times slower than bytes.
    """
    return rows.view(np.dtype((np.void, rows.dtype.itemsize)))


def take_rows(rows: Any, which: Any) -> Any:
    """Some rows of a structured array, by mask or index: a copy."""
    return row_bytes(rows)[which].view(rows.dtype)


def compare(current: TaskArray, previous: TaskArray) -> Change:
    """How `current` came out of `previous`; both sorted by pid, both contiguous."""
    if len(current) == len(previous):
        rows = _differing(current, previous)
        now, before = take_rows(current, rows), take_rows(previous, rows)
        # Most seconds nobody comes or goes: then one pass over both tables is all it takes.
        if np.array_equal(now["pid"], before["pid"]) and np.array_equal(now["start_ns"], before["start_ns"]):
            return Change(np.arange(len(current)), rows, _NO_ROWS, _NO_ROWS)
    index = match_previous(current, previous)
    known = np.flatnonzero(index >= 0)
    stayed = np.zeros(len(previous), dtype=bool)
    stayed[index[known]] = True
    differs = _differing(take_rows(current, known), take_rows(previous, index[known]))
    return Change(index, known[differs], np.flatnonzero(index < 0), np.flatnonzero(~stayed))


def _differing(current: TaskArray, previous: TaskArray) -> IntArray:
    """Indices of the rows that are not the same in both tables, which are as long as each other."""
    # As one long row of numbers: many times faster than row by row.
    words = np.flatnonzero(as_words(current).ravel() != as_words(previous).ravel())
    rows = words // (TASK.itemsize // 8)
    return rows[np.diff(rows, prepend=-1) > 0]


def match_previous(current: TaskArray, previous: TaskArray) -> IntArray:
    """For each row of `current` the index in `previous` of the same process life, or -1.

    Both are sorted by pid. A row whose PID stands for another life (other start_ns) has no match.
    """
    if len(previous) == 0 or len(current) == 0:
        return np.full(len(current), -1, dtype=np.int64)
    if len(current) == len(previous) and _same_lives(current, previous):
        return np.arange(len(current), dtype=np.int64)
    index: Any = np.searchsorted(previous["pid"], current["pid"])
    index = np.minimum(index, len(previous) - 1).astype(np.int64)
    candidate = previous[index]
    same = (candidate["pid"] == current["pid"]) & (candidate["start_ns"] == current["start_ns"])
    return np.where(same, index, -1).astype(np.int64)


def _same_lives(current: TaskArray, previous: TaskArray) -> bool:
    return bool(
        np.array_equal(current["pid"], previous["pid"])
        and np.array_equal(current["start_ns"], previous["start_ns"])
    )
