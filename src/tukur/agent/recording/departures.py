"""Lives that ended between two samples: which have a row in the next one, and which are aggregated."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from tukur.records import (
    GROUP,
    GROUP_EVENT,
    PEAK_UNKNOWN,
    Departed,
    GroupArray,
    TaskArray,
    match_previous,
    merge_groups,
    row_bytes,
    take_rows,
)

MAX_UNSEEN = 2000
"""Lives of one sample that no sample saw alive and that get a row each, at most."""
_COUNTERS = (
    *("cpu_ns", "utime_ns", "stime_ns", "minflt", "majflt"),
    *("read_bytes", "write_bytes", "nvcsw", "nivcsw"),
)
_SAVED_UP = 30_000
_A_SECOND = 200


class Quota:
    """How many lives that no sample saw get a row each; the others are aggregated by parent and name.

    A build or a burst of thousands has room; a program that forks for ever does not fill the record: each
    life is some 250 bytes on the wire and three rows in the store.
    """

    def __init__(self) -> None:
        self._left = float(_SAVED_UP)
        self._at_ns: int | None = None

    def limit(self, boot_ns: int) -> int:
        """How many there may be in a sample at this instant."""
        if self._at_ns is not None:
            gained = _A_SECOND * max(boot_ns - self._at_ns, 0) / 1e9
            self._left = min(self._left + gained, _SAVED_UP)
        self._at_ns = boot_ns
        return min(int(self._left), MAX_UNSEEN)

    def spend(self, lives: int) -> None:
        """So many have got one."""
        self._left = max(self._left - lives, 0)


def limited(departed: Departed, previous: TaskArray, limit: int) -> Departed:
    """With at most `limit` lives that are not in `previous`, those that used most CPU; the rest as groups."""
    unseen = np.flatnonzero(match_previous(departed.tasks, previous) < 0)
    if len(unseen) <= limit:
        return departed
    by_use = unseen[np.argsort(departed.tasks["cpu_ns"][unseen], kind="stable")]
    folded = np.sort(by_use[: len(unseen) - limit])
    kept = np.ones(len(departed.tasks), dtype=bool)
    kept[folded] = False
    return replace(
        departed,
        tasks=take_rows(departed.tasks, kept),
        end_ns=departed.end_ns[kept],
        status=departed.status[kept],
        args=[args for args, keep in zip(departed.args, kept.tolist(), strict=True) if keep],
        groups=merge_groups([departed.groups, _groups(departed, folded, previous)]),
    )


def _groups(departed: Departed, rows: npt.NDArray[np.int64], previous: TaskArray) -> GroupArray:
    """A group for each of these lives, still to be merged."""
    tasks = take_rows(departed.tasks, rows)
    groups: GroupArray = np.zeros(len(tasks), dtype=GROUP)
    groups["kind"], groups["size"], groups["lives"] = GROUP_EVENT, GROUP.itemsize, 1
    groups["at_ns"] = groups["first_ns"] = departed.end_ns[rows]
    for name in ("ppid", "uid", "comm", "cpu_ns", "read_bytes", "write_bytes"):
        groups[name] = tasks[name]
    groups["rss_peak"], groups["peaks"] = tasks["rss_anon"], tasks["flags"] & PEAK_UNKNOWN == 0
    if len(previous):
        at = np.minimum(np.searchsorted(previous["pid"], tasks["ppid"]), len(previous) - 1)
        known = previous["pid"][at] == tasks["ppid"]
        groups["start_ns"] = np.where(known, previous["start_ns"][at], 0)
    return groups


def with_departed(living: TaskArray, departed: Departed, previous: TaskArray) -> TaskArray:
    """The table of one sample, sorted by pid: the living, and the lives that ended since the one before.

    A life of the `previous` table whose account is still open stays, lest what it did at last be no
    sample's. A PID stands once: where it is another life's by now, the last of them is shown.
    An ended life whose peak is not known keeps the memory of the sample before.
    """
    staying = _staying(departed.waiting, previous)
    if not len(departed.tasks) and not len(staying):
        return living
    tasks = _with_last_memory(departed.tasks, previous)
    ended = np.concatenate([row_bytes(tasks), row_bytes(staying)]).view(living.dtype)
    ended = take_rows(ended, np.lexsort((ended["start_ns"], ended["pid"])))
    newest = np.append(ended["pid"][1:] != ended["pid"][:-1], True)
    shown = take_rows(ended, newest & ~np.isin(ended["pid"], living["pid"]))
    table = np.concatenate([row_bytes(living), row_bytes(shown)]).view(living.dtype)
    merged: TaskArray = take_rows(table, np.argsort(table["pid"], kind="stable"))
    return merged


def _with_last_memory(tasks: TaskArray, previous: TaskArray) -> TaskArray:
    unknown = np.flatnonzero(tasks["flags"] & PEAK_UNKNOWN != 0)
    if not len(unknown):
        return tasks
    at = match_previous(take_rows(tasks, unknown), previous)
    tasks = tasks.copy()
    for name in ("rss_anon", "rss_file", "rss_shmem"):
        tasks[name][unknown[at >= 0]] = previous[name][at[at >= 0]]
    return tasks


def _staying(waiting: TaskArray, previous: TaskArray) -> TaskArray:
    """The rows of `previous` that are waiting, with what they did until their deaths."""
    at = match_previous(waiting, previous)
    known = at >= 0
    rows: TaskArray = take_rows(previous, at[known])
    for name in ("state", *_COUNTERS):
        rows[name] = waiting[name][known]
    return rows
