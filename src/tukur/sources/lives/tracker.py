"""Follows lives from their deaths to their last accounts: the events of a source, put together. Pure."""

import numpy as np
import numpy.typing as npt

from tukur.records import (
    ENDED,
    EXIT,
    KTHREAD,
    OWN_PEAK,
    PEAK_UNKNOWN,
    TASK,
    Departed,
    GroupArray,
    Losses,
    TaskArray,
    merge_groups,
    row_bytes,
    take_rows,
)
from tukur.sources.lives.events import Events, LifeKey

_MAX_AGE = 2
"""Readings for which a death waits for its reaping: that comes a grace period of RCU after the wait()."""
_USAGE = (
    *("cpu_ns", "utime_ns", "stime_ns", "minflt", "majflt"),
    *("read_bytes", "write_bytes", "nvcsw", "nivcsw", "status"),
)
"""What a reaping knows better than the death before it: not the memory, which is gone by then."""
_SAME = (
    *("start_ns", "cpu_ns", "minflt", "majflt", "read_bytes", "write_bytes", "nvcsw", "nivcsw"),
    *("cgroup_id", "pid", "ppid", "uid", "gid", "ns_pid", "comm"),
)
"""Fields of the same name in an exit and in a task record."""


class LifeTracker:
    """Holds what is known of lives that ended, until all is known."""

    def __init__(self) -> None:
        self._deaths: npt.NDArray[np.void] = np.empty(0, dtype=EXIT)
        self._final = np.zeros(0, dtype=bool)
        self._age = np.zeros(0, dtype=np.int64)
        self._args: dict[LifeKey, tuple[bytes, int]] = {}
        """Arguments, and for how many readings they have been there."""
        self._groups: list[GroupArray] = []
        self._lost = Losses()
        self._cgroups: list[tuple[int, str]] = []

    def feed(self, events: Events) -> None:
        """Takes in what happened since the last call."""
        if not events:
            return
        self._args.update((key, (args, 0)) for key, args in events.execs.items())
        self._add_deaths(events.exits)
        self._finish(events.frees)
        if len(events.groups):
            self._groups.append(events.groups)
        self._lost += events.lost
        self._cgroups += events.cgroups

    def _add_deaths(self, exits: npt.NDArray[np.void]) -> None:
        if not len(exits):
            return
        # Two threads that end at once may both find themselves to be the last: one death all the same.
        keys, at = np.unique(_keys(exits), return_index=True)
        at = np.sort(at[_match(keys, _keys(self._deaths)) < 0])
        self._deaths = _joined(self._deaths, take_rows(exits, at))
        self._final = np.concatenate((self._final, np.zeros(len(at), dtype=bool)))
        self._age = np.concatenate((self._age, np.zeros(len(at), dtype=np.int64)))

    def _finish(self, frees: npt.NDArray[np.void]) -> None:
        if not len(frees) or not len(self._deaths):
            return
        at = _match(_keys(frees), _keys(self._deaths))
        source, target = np.flatnonzero(at >= 0), at[at >= 0]
        for name in _USAGE:
            self._deaths[name][target] = frees[name][source]
        self._final[target] = True

    def departed(self, living: TaskArray) -> Departed:
        """The lives whose account is closed: reaped, or waited for long enough; none of the living."""
        if not (len(self._deaths) or self._args or self._groups or self._lost or self._cgroups):
            return Departed()
        gone = ~_among(self._deaths, living)
        ready = (self._final | (self._age >= _MAX_AGE)) & gone
        deaths = _ordered(take_rows(self._deaths, ready))
        waiting = _ordered(take_rows(self._deaths, gone & ~ready))
        unknown = (b"", 0)
        args = [self._args.pop(key, unknown)[0] for key in _life_keys(deaths)]
        self._deaths, self._final = take_rows(self._deaths, ~ready), self._final[~ready]
        self._age = self._age[~ready] + 1
        self._forget_args()
        groups, self._groups = merge_groups(self._groups), []
        lost, self._lost = self._lost, Losses()
        cgroups, self._cgroups = self._cgroups, []
        return Departed(
            tasks=_tasks(deaths, ENDED),
            waiting=_tasks(waiting, 0),
            end_ns=deaths["at_ns"].copy(),
            status=deaths["status"].astype(np.int64),
            args=args,
            groups=groups,
            lost=lost,
            cgroups=cgroups,
        )

    def _forget_args(self) -> None:
        """/proc has those of a life that goes on, from the next reading on."""
        if not self._args:
            return
        waiting = set(_life_keys(self._deaths))
        self._args = {
            key: (args, age + 1)
            for key, (args, age) in self._args.items()
            if age < _MAX_AGE or key in waiting
        }


def _life_keys(events: npt.NDArray[np.void]) -> list[LifeKey]:
    return list(zip(events["start_ns"].tolist(), events["kernel_pid"].tolist(), strict=True))


def _keys(events: npt.NDArray[np.void]) -> npt.NDArray[np.uint64]:
    """The same as one number each: no two lives of a PID begin exactly 2**42 ns (73 minutes) apart."""
    keys: npt.NDArray[np.uint64] = (events["start_ns"] << np.uint64(22)) | events["kernel_pid"]
    return keys


def _match(keys: npt.NDArray[np.uint64], among: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """For each key its index among the others, or -1."""
    if not len(among):
        return np.full(len(keys), -1, dtype=np.int64)
    order = np.argsort(among)
    index = order[np.minimum(np.searchsorted(among, keys, sorter=order), len(among) - 1)]
    return np.where(among[index] == keys, index, -1)


def _joined(first: npt.NDArray[np.void], second: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    joined: npt.NDArray[np.void] = np.concatenate((row_bytes(first), row_bytes(second))).view(EXIT)
    return joined


def _among(deaths: npt.NDArray[np.void], living: TaskArray) -> npt.NDArray[np.bool_]:
    """Which of them the reading still had, zombies mostly."""
    if not len(deaths) or not len(living):
        return np.zeros(len(deaths), dtype=bool)
    index = np.minimum(np.searchsorted(living["pid"], deaths["pid"]), len(living) - 1)
    found = take_rows(living, index)
    same: npt.NDArray[np.bool_] = (found["pid"] == deaths["pid"]) & (found["start_ns"] == deaths["start_ns"])
    return same


def _ordered(deaths: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    ordered: npt.NDArray[np.void] = take_rows(deaths, np.lexsort((deaths["start_ns"], deaths["pid"])))
    return ordered


def _tasks(deaths: npt.NDArray[np.void], flag: int) -> TaskArray:
    """The last task records of these lives."""
    tasks: TaskArray = np.zeros(len(deaths), dtype=TASK)
    for name in _SAME:
        tasks[name] = deaths[name]
    # Scaled as cputime_adjust() does for the living: ticks sample, the scheduler's sum is exact.
    share = deaths["stime_ns"] / np.maximum(deaths["utime_ns"] + deaths["stime_ns"], 1)
    tasks["stime_ns"] = np.minimum((tasks["cpu_ns"] * share).astype(np.uint64), tasks["cpu_ns"])
    tasks["utime_ns"] = tasks["cpu_ns"] - tasks["stime_ns"]
    own_peak = deaths["flags"] & OWN_PEAK != 0
    tasks["rss_anon"] = np.where(own_peak, deaths["rss_peak"], 0)
    tasks["flags"] = deaths["flags"] & KTHREAD | flag
    if flag:
        tasks["flags"][~own_peak] |= PEAK_UNKNOWN
    tasks["state"] = ord("X")
    return tasks
