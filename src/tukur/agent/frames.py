"""Live frames and the heartbeat's top list: what a watching browser and the hub get each second."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tukur.agent.clock import SECOND
from tukur.protocol.frames import encode_frame
from tukur.protocol.messages import Image
from tukur.records import (
    PROCESS_RATES,
    ROW,
    Change,
    DeviceRates,
    HostRates,
    Snapshot,
    began_within,
    busiest,
    comm_text,
    row_bytes,
    rss_of,
    take_rows,
    task_rows,
)

TOP = 8
"""Processes in a heartbeat."""
DEVICES = 64
"""Disks and interfaces in a frame: those with the most traffic."""


class FrameMaker:
    """Turns snapshots into frames: a key frame first, then what changed."""

    def __init__(self, boot_id: str) -> None:
        self._boot_id = boot_id
        self._seq = 0
        self._shown: Any = np.empty(0, dtype=ROW)
        self._key_due = True

    def request_key(self) -> None:
        """The next frame holds everything."""
        self._key_due = True

    def frame(
        self,
        snapshot: Snapshot,
        rows: Any,
        rates: HostRates,
        fresh: list[Image],
        everything: Iterable[Image],
        devices: Sequence[DeviceRates] = (),
    ) -> bytes:
        """The frame of one snapshot; `fresh` are the images that are new since the last frame."""
        key, self._key_due = self._key_due, False
        changed, gone = (rows, []) if key else _difference(rows, self._shown)
        self._shown = rows
        self._seq += 1
        return encode_frame(
            seq=self._seq,
            key=key,
            wall_ns=snapshot.wall_ns,
            boot_id=self._boot_id,
            host=rates,
            count=len(rows),
            rows=changed,
            gone=gone,
            images=list(everything) if key else fresh,
            devices=busiest(devices, DEVICES),
        )


def _difference(rows: Any, shown: Any) -> tuple[Any, list[int]]:
    """The rows that are not in `shown` byte for byte, and the PIDs that are only in `shown`."""
    if len(shown) == 0:
        return rows, []
    at = np.minimum(np.searchsorted(shown["pid"], rows["pid"]), len(shown) - 1)
    same = row_bytes(rows) == row_bytes(shown)[at]
    gone = np.setdiff1d(shown["pid"], rows["pid"], assume_unique=True)
    return take_rows(rows, ~same), gone.tolist()


class RowKeeper:
    """The process table from second to second: only rows that changed, or had rates, are made anew."""

    def __init__(self) -> None:
        self._of: Snapshot | None = None
        self._rows: Any = np.empty(0, dtype=ROW)
        self._busy = np.zeros(0, dtype=bool)

    def update(self, current: Snapshot, previous: Snapshot | None, change: Change) -> Any:
        """The table of `current` (an array of ``records.ROW``); `change`: how it came out of `previous`.

        Made whole where the table of `previous` was not asked for.
        """
        if previous is None or self._of is not previous:
            rows = self._whole(current, previous)
        else:
            rows = self._updated(current, previous, change)
        self._of = current
        return rows

    def _whole(self, current: Snapshot, previous: Snapshot | None) -> Any:
        before = previous if previous is not None else current
        rows = task_rows(
            current.tasks, before.tasks if previous else before.tasks[:0], current.boot_ns, before.boot_ns
        )
        self._rows, self._busy = rows, _is_busy(rows)
        return rows

    def _updated(self, current: Snapshot, previous: Snapshot, change: Change) -> Any:
        if change.same_lives:
            rows, busy = row_bytes(self._rows).copy().view(ROW), self._busy
        else:
            rows = np.zeros(len(current.tasks), dtype=ROW)
            busy = np.zeros(len(rows), dtype=bool)
            known = np.flatnonzero(change.index >= 0)
            row_bytes(rows)[known] = row_bytes(self._rows)[change.index[known]]
            busy[known] = self._busy[change.index[known]]
        touched = busy.copy()
        touched[change.changed] = touched[change.new] = True
        at = np.flatnonzero(touched)
        known_before = change.index[at][change.index[at] >= 0]
        fresh = task_rows(
            take_rows(current.tasks, at),
            take_rows(previous.tasks, known_before),
            current.boot_ns,
            previous.boot_ns,
        )
        row_bytes(rows)[at] = row_bytes(fresh)
        busy = np.zeros(len(rows), dtype=bool)
        busy[at] = _is_busy(fresh)
        self._rows, self._busy = rows, busy
        return rows


def _is_busy(rows: Any) -> Any:
    """Which rows have a rate that is not 0; unknown is none of 0."""
    return np.any([rows[name] != 0 for name in PROCESS_RATES], axis=0)


def top_of(current: Snapshot, previous: Snapshot | None, change: Change) -> list[tuple[int, str, float, int]]:
    """(pid, name, cpu, rss) of the processes that used most CPU since `previous`; cpu as in the table.

    From the counters, as most seconds nobody watches and no table is made.
    """
    tasks = current.tasks
    grown = np.zeros(len(tasks), dtype=np.int64)
    seconds = 1.0
    if previous is not None:
        ran, began = change.changed, change.new
        now, before = tasks["cpu_ns"][ran], previous.tasks["cpu_ns"][change.index[ran]]
        grown[ran] = np.maximum(now, before) - before
        began = began[began_within(take_rows(tasks, began), previous.boot_ns)]
        grown[began] = tasks["cpu_ns"][began]
        seconds = max(current.boot_ns - previous.boot_ns, 1) / SECOND
    count = min(TOP, len(tasks))
    order = np.argpartition(-grown, count - 1)[:count] if count else np.empty(0, dtype=np.int64)
    order = order[np.argsort(-grown[order], kind="stable")]
    found, shares = take_rows(tasks, order), grown[order] / (seconds * SECOND)
    return [
        (pid, comm_text(comm), round(share, 4), rss)
        for pid, comm, share, rss in zip(
            *(found["pid"].tolist(), found["comm"].tolist(), shares.tolist(), rss_of(found).tolist()),
            strict=True,
        )
    ]
