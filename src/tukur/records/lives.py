"""What happened to processes between two readings: events of ``tukur_record.h`` and what is made of them."""

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from tukur.records.task import TASK, TaskArray

EVENT_VERSION = 2
"""TUKUR_EVENT_VERSION of the header that these dtypes follow."""

OWN_PEAK = 1 << 8
"""Flag of an exit: rss_peak is of the memory of its last image (TUKUR_EXIT_OWN_PEAK)."""

EXEC_EVENT, EXIT_EVENT, FREE_EVENT, CGROUP_EVENT, GROUP_EVENT, LOST_EVENT = 1, 2, 3, 4, 5, 6
"""TUKUR_EVENT_*."""

_HEAD = [("at_ns", "<u8"), ("start_ns", "<u8"), ("size", "<u4"), ("kind", "<u4")]

EVENT = np.dtype(_HEAD)
"""struct tukur_event: what each of them begins with."""

EXEC = np.dtype(
    [
        *_HEAD,
        ("pid", "<u4"),
        ("ppid", "<u4"),
        ("uid", "<u4"),
        ("gid", "<u4"),
        ("kernel_pid", "<u4"),
        ("args_len", "<u4"),
        ("args_whole", "<u4"),
        ("pad0", "<u4"),
        ("cgroup_id", "<u8"),
        ("comm", "S16"),
    ]
)
"""struct tukur_exec, without the arguments that follow it."""

EXIT = np.dtype(
    [
        *_HEAD,
        ("cpu_ns", "<u8"),
        ("utime_ns", "<u8"),
        ("stime_ns", "<u8"),
        ("rss_peak", "<u8"),
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
        ("kernel_pid", "<u4"),
        ("status", "<u4"),
        ("flags", "<u4"),
        ("comm", "S16"),
    ]
)
"""struct tukur_exit: TUKUR_EVENT_EXIT and TUKUR_EVENT_FREE."""

CGROUP = np.dtype(
    [
        ("at_ns", "<u8"),
        ("cgroup_id", "<u8"),
        ("size", "<u4"),
        ("kind", "<u4"),
        ("path_len", "<u4"),
        ("root", "<u4"),
    ]
)
"""struct tukur_cgroup, without the path that follows it."""

GROUP = np.dtype(
    [
        *_HEAD,
        ("first_ns", "<u8"),
        ("lives", "<u8"),
        ("cpu_ns", "<u8"),
        ("read_bytes", "<u8"),
        ("write_bytes", "<u8"),
        ("rss_peak", "<u8"),
        ("ppid", "<u4"),
        ("uid", "<u4"),
        ("comm", "S16"),
        ("peaks", "<u8"),
    ]
)
"""struct tukur_group: many lives of one name under one parent, added up. `lives` 0: how many is not known.
`peaks`: of how many rss_peak is the largest; 0: no peak is known."""

GROUP_SIZE_1 = GROUP.fields["peaks"][1]  # type: ignore[index]
"""Its bytes in version 1, which knew no `peaks`."""

LOST = np.dtype(
    [*_HEAD, ("execs", "<u8"), ("lives", "<u8"), ("cpu_ns", "<u8"), ("finals", "<u8")],
)
"""struct tukur_lost."""

GroupArray: TypeAlias = npt.NDArray[np.void]
"""A one-dimensional array of :data:`GROUP`."""


OTHERS = b"(others)"
"""Name of a group of lives that had several."""


@dataclass(frozen=True, slots=True)
class Losses:
    """What the kernel had no room to report since the reading before."""

    execs: int = 0
    """Program changes: the command line of some short lives is not known."""
    lives: int = 0
    """Lives of which not even the name is known."""
    cpu_ns: int = 0
    """CPU time of those."""
    finals: int = 0
    """Lives whose last CPU time is missing: some tens of microseconds each."""

    def __add__(self, other: "Losses") -> "Losses":
        return Losses(
            self.execs + other.execs,
            self.lives + other.lives,
            self.cpu_ns + other.cpu_ns,
            self.finals + other.finals,
        )

    def __bool__(self) -> bool:
        return bool(self.execs or self.lives or self.cpu_ns or self.finals)


def no_groups() -> GroupArray:
    """An empty array of :data:`GROUP`."""
    return np.empty(0, dtype=GROUP)


@dataclass(frozen=True, slots=True)
class Departed:
    """The lives that ended since the reading before, as a source reports them.

    `tasks`, `end_ns`, `status` and `args` belong together, row by row.
    """

    tasks: TaskArray = field(default_factory=lambda: np.empty(0, dtype=TASK))
    """Final records, flag ``ENDED`` set, state X, sorted by pid; of memory only rss_anon, the most that the
    last image held, or 0 with the flag ``PEAK_UNKNOWN``."""
    end_ns: npt.NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, dtype=np.uint64))
    """When each one died, nanoseconds since boot."""
    status: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    """As wait(2) gives it: exit code << 8, or the signal; -1: not known."""
    args: list[bytes] = field(default_factory=list)
    """The arguments at its last exec, each ended by a NUL; empty: not known."""
    groups: GroupArray = field(default_factory=no_groups)
    """Lives that are known only as a sum."""
    lost: Losses = field(default_factory=Losses)
    waiting: TaskArray = field(default_factory=lambda: np.empty(0, dtype=TASK))
    """Lives that ended and are in no reading any more, but whose account is not closed: as of their deaths,
    state X, sorted by pid. They come again, in ``tasks``."""
    cgroups: list[tuple[int, str]] = field(default_factory=list)
    """(cgroup_id, path) of v2 cgroups that were made meanwhile: they may be gone again."""

    def __bool__(self) -> bool:
        return bool(len(self.tasks) or len(self.waiting) or len(self.groups) or self.lost or self.cgroups)


def merge_groups(parts: list[GroupArray]) -> GroupArray:
    """Groups of the same parent, name and user as one; sorted."""
    if not parts:
        return no_groups()
    whole: GroupArray = np.concatenate(parts)
    if len(whole) < 2:
        return whole
    by = np.lexsort((whole["uid"], whole["comm"], whole["ppid"], whole["start_ns"]))
    whole = whole[by]
    keys = whole[["start_ns", "ppid", "comm", "uid"]]
    begins = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    merged: GroupArray = whole[begins].copy()
    for name in ("lives", "cpu_ns", "read_bytes", "write_bytes", "peaks"):
        merged[name] = np.add.reduceat(whole[name], begins)
    for name in ("rss_peak", "at_ns"):
        merged[name] = np.maximum.reduceat(whole[name], begins)
    merged["first_ns"] = np.minimum.reduceat(whole["first_ns"], begins)
    return merged


def bounded_groups(groups: GroupArray, limit: int) -> GroupArray:
    """With at most `limit` groups, those that used most; the others as one for each parent, or as one in all.

    A program that gives each of a million processes another name would otherwise fill the record.
    """
    if len(groups) <= limit:
        return groups
    by_use = np.argsort(groups["cpu_ns"], kind="stable")
    # Half of the room is for the names, the other half for parents whose children's names had none.
    kept, folded = (
        groups[by_use[len(groups) - limit // 2 :]],
        groups[by_use[: len(groups) - limit // 2]].copy(),
    )
    folded["comm"] = OTHERS
    folded = merge_groups([folded])
    if len(folded) > limit - limit // 2:
        folded["start_ns"] = folded["ppid"] = folded["uid"] = 0
        folded = merge_groups([folded])
    return merge_groups([kept, folded])
