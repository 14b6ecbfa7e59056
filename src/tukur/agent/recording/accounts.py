"""What each process life has done: since it was first seen, and within the block that is being built."""

from typing import Any

import numpy as np
import numpy.typing as npt

from tukur.protocol.messages import Ended, ProcessMinute
from tukur.records import (
    ENDED,
    KTHREAD,
    PEAK_UNKNOWN,
    Change,
    Departed,
    Snapshot,
    TaskArray,
    match_previous,
    row_bytes,
    rss_of,
    take_rows,
)

_ACCOUNT = np.dtype(
    [
        ("cpu_ns", "<u8"),
        ("read_bytes", "<u8"),
        ("write_bytes", "<u8"),
        ("rss", "<u8"),
        ("peak", "<u8"),
        ("life_peak", "<u8"),
    ]
)
"""At the block's start: the counters and the RSS; since then: the peak; since its last exec: life_peak.

The peak of a life is that of the program it ended as, whose name it has: what it held before its exec is in
the minutes. After vfork() that would be its parent's memory.
"""

_COUNTERS = ("cpu_ns", "read_bytes", "write_bytes")
_TICK_NS = 20_000_000
ACTIVE_CPU_NS = 1_000_000
"""A life that spent less than this in a block, and did nothing else, gets no per-minute row."""
ACTIVE_RSS = 1 << 20
"""Growth of RSS in a block, bytes, that makes a life active."""


class Accounts:
    """Follows every life from snapshot to snapshot."""

    def __init__(self) -> None:
        self._last: Snapshot | None = None
        self._account: Any = np.zeros(0, dtype=_ACCOUNT)
        self._ended: list[Ended] = []
        self._rows: list[ProcessMinute] = []

    def add(self, snapshot: Snapshot, change: Change, departed: Departed) -> None:
        """Counts one snapshot in; `change`: how its table came out of the one before.

        `departed`: the lives that ended meanwhile, most of which have a last row in the snapshot.
        """
        tasks, last = snapshot.tasks, self._last
        reported = self._record_ends(snapshot, departed)
        if last is not None and len(change.gone):
            rows = take_rows(last.tasks, change.gone)
            self._close(rows, take_rows(self._account, change.gone), last, reported)
        if not change.same_lives:
            account: Any = np.zeros(len(tasks), dtype=_ACCOUNT)
            known = change.index >= 0
            row_bytes(account)[known] = row_bytes(self._account)[change.index[known]]
            self._account = account
        self._open(tasks, change.new)
        if last is not None:
            self._account["life_peak"][_executed(tasks, change, last.tasks)] = 0
        touched = np.concatenate((change.changed, change.new))
        rss = rss_of(take_rows(tasks, touched))
        for name in ("peak", "life_peak"):
            self._account[name][touched] = np.maximum(self._account[name][touched], rss)
        self._last = snapshot

    def _open(self, tasks: TaskArray, new: npt.NDArray[np.int64]) -> None:
        """A life that began since the last snapshot counts whole, an older one from here on."""
        if len(new) == 0:
            return
        since = self._last.boot_ns - _TICK_NS if self._last is not None else np.iinfo(np.int64).max
        # What no sample saw, though it was there at the last, had died by then: its end is reported only now.
        unseen = (tasks["flags"][new] & ENDED != 0) & (self._last is not None)
        old = new[(tasks["start_ns"][new].astype(np.int64) < since) & ~unseen]
        for name in _COUNTERS:
            self._account[name][old] = tasks[name][old]
        self._account["rss"][new] = rss_of(take_rows(tasks, new))

    def _record_ends(self, snapshot: Snapshot, departed: Departed) -> set[tuple[int, int]]:
        """Records the ends that the kernel reported; which lives they are: (pid, start_ns)."""
        tasks = departed.tasks
        if not len(tasks):
            return set()
        peaks, known = self._life_peaks(departed)
        shown = match_previous(tasks, snapshot.tasks) >= 0
        self._rows.extend(_whole_rows(take_rows(tasks, ~shown), peaks[~shown], known[~shown]))
        self._ended.extend(_ends(departed, _optional(peaks, known), snapshot))
        return set(zip(tasks["pid"].tolist(), tasks["start_ns"].tolist(), strict=True))

    def _life_peaks(self, departed: Departed) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.bool_]]:
        """The most memory of each, as the kernel says or as a sample saw it; and whether that is known."""
        tasks = departed.tasks
        peaks: npt.NDArray[np.uint64] = tasks["rss_anon"].copy()
        known = tasks["flags"] & PEAK_UNKNOWN == 0
        if self._last is None:
            return peaks, known
        at = match_previous(tasks, self._last.tasks)
        # Of one with arguments the exec may be later than the last sample, which then saw another program.
        sampled = (at >= 0) & np.array([not args for args in departed.args], dtype=bool)
        peaks[sampled] = np.maximum(peaks[sampled], self._account["life_peak"][at[sampled]])
        return peaks, known | (peaks > 0)

    def _close(self, tasks: TaskArray, account: Any, last: Snapshot, reported: set[tuple[int, int]]) -> None:
        """Lives in no table any more: what they did in this block and, unless reported, their end."""
        self._rows.extend(_minute_rows(tasks, account))
        unreported = (tasks["flags"] & ENDED) == 0
        if reported:
            keys = zip(tasks["pid"].tolist(), tasks["start_ns"].tolist(), strict=True)
            unreported &= np.array([key not in reported for key in keys], dtype=bool)
        tasks, account = take_rows(tasks, unreported), take_rows(account, unreported)
        # A program has some memory: without, only its zombie was seen.
        known = (account["life_peak"] > 0) | (tasks["flags"] & KTHREAD != 0)
        self._ended.extend(
            Ended(
                pid=int(task["pid"]),
                start_ns=int(task["start_ns"]),
                last_ns=last.boot_ns,
                last_wall_ns=last.wall_ns,
                cpu_ns=int(task["cpu_ns"]),
                rss_peak=peak,
                read_bytes=int(task["read_bytes"]),
                write_bytes=int(task["write_bytes"]),
            )
            for task, peak in zip(tasks, _optional(account["life_peak"], known), strict=True)
        )

    def flush(self) -> tuple[list[Ended], list[ProcessMinute]]:
        """What ended and what was active since the last flush; a new block begins."""
        rows, ended = self._rows, self._ended
        self._rows, self._ended = [], []
        if self._last is not None:
            tasks = self._last.tasks
            rows.extend(_minute_rows(tasks, self._account))
            for name in _COUNTERS:
                self._account[name] = tasks[name]
            self._account["rss"] = self._account["peak"] = rss_of(tasks)
        return ended, rows


def _ends(departed: Departed, peaks: list[int | None], snapshot: Snapshot) -> list[Ended]:
    tasks, end_ns = departed.tasks, departed.end_ns.astype(np.int64)
    wall_ns = snapshot.wall_ns - np.maximum(snapshot.boot_ns - end_ns, 0)
    # Of thousands of lives nearly all end in the same few ways.
    exits = {status: exit_of(status) for status in np.unique(departed.status).tolist()}
    columns = zip(
        *(tasks[name].tolist() for name in ("pid", "start_ns", "cpu_ns", "read_bytes", "write_bytes")),
        peaks,
        end_ns.tolist(),
        wall_ns.tolist(),
        map(exits.__getitem__, departed.status.tolist()),
        strict=True,
    )
    return [
        Ended(
            pid=pid,
            start_ns=start_ns,
            last_ns=last_ns,
            last_wall_ns=last_wall_ns,
            cpu_ns=cpu_ns,
            rss_peak=peak,
            read_bytes=read,
            write_bytes=write,
            exact=True,
            exit_code=code,
            exit_signal=sign,
        )
        for pid, start_ns, cpu_ns, read, write, peak, last_ns, last_wall_ns, (code, sign) in columns
    ]


def exit_of(status: int) -> tuple[int | None, int | None]:
    """Exit code and signal of a wait(2) status; -1: neither is known."""
    if status < 0:
        return None, None
    sign = status & 0x7F
    return (None, sign) if sign else (status >> 8 & 0xFF, None)


def _executed(tasks: TaskArray, change: Change, before: TaskArray) -> npt.NDArray[np.int64]:
    """Rows whose process has become another program since the table before."""
    was = before["exec_id"][change.index[change.changed]]
    # A row of what has ended has no exec_id.
    alive = tasks["flags"][change.changed] & ENDED == 0
    rows: npt.NDArray[np.int64] = change.changed[(tasks["exec_id"][change.changed] != was) & alive]
    return rows


def _optional(values: npt.NDArray[np.uint64], known: npt.NDArray[np.bool_]) -> list[int | None]:
    return [
        value if is_known else None for value, is_known in zip(values.tolist(), known.tolist(), strict=True)
    ]


def _whole_rows(
    tasks: TaskArray, peaks: npt.NDArray[np.uint64], known: npt.NDArray[np.bool_]
) -> list[ProcessMinute]:
    """Of lives that have no row in any sample: all that they did."""
    account = np.zeros(len(tasks), dtype=_ACCOUNT)
    account["peak"] = peaks
    return _minute_rows(tasks, account, known)


def _minute_rows(
    tasks: TaskArray, account: Any, known: npt.NDArray[np.bool_] | None = None
) -> list[ProcessMinute]:
    """`known`: whether each one's peak is; None: of all."""
    grown = {
        name: np.where(tasks[name] > account[name], tasks[name] - np.minimum(account[name], tasks[name]), 0)
        for name in _COUNTERS
    }
    active = (
        (grown["cpu_ns"] >= ACTIVE_CPU_NS)
        | (grown["read_bytes"] > 0)
        | (grown["write_bytes"] > 0)
        | (account["peak"] >= account["rss"] + np.uint64(ACTIVE_RSS))
    )
    picked = np.flatnonzero(active)
    columns = (
        tasks["pid"][picked].tolist(),
        tasks["start_ns"][picked].tolist(),
        grown["cpu_ns"][picked].tolist(),
        account["peak"][picked].tolist()
        if known is None
        else _optional(account["peak"][picked], known[picked]),
        grown["read_bytes"][picked].tolist(),
        grown["write_bytes"][picked].tolist(),
    )
    return [
        ProcessMinute(pid=p, start_ns=s, cpu_ns=c, rss_peak=m, read_bytes=r, write_bytes=w)
        for p, s, c, m, r, w in zip(*columns, strict=True)
    ]
