"""Live frames and the heartbeat's top list: what a watching browser and the hub get each second."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from tukur.protocol.frames import encode_frame
from tukur.protocol.messages import Image
from tukur.records import (
    PROCESS_RATES,
    ROW,
    Change,
    HostRates,
    Snapshot,
    comm_text,
    row_bytes,
    take_rows,
    task_rows,
)

TOP = 8
"""Processes in a heartbeat."""


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
        self._rows: Any = np.empty(0, dtype=ROW)
        self._busy = np.zeros(0, dtype=bool)

    def update(self, current: Snapshot, previous: Snapshot | None, change: Change) -> Any:
        """The table of `current` (an array of ``records.ROW``); `change`: how it came out of `previous`."""
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
        before = previous if previous is not None else current
        known_before = change.index[at][change.index[at] >= 0]
        fresh = task_rows(
            take_rows(current.tasks, at),
            take_rows(before.tasks, known_before),
            current.boot_ns,
            before.boot_ns,
        )
        row_bytes(rows)[at] = row_bytes(fresh)
        busy = np.zeros(len(rows), dtype=bool)
        busy[at] = np.any([fresh[name] != 0 for name in PROCESS_RATES], axis=0)
        self._rows, self._busy = rows, busy
        return rows


def top_of(snapshot: Snapshot, rows: Any) -> list[tuple[int, str, float, int]]:
    """(pid, name, cpu, rss) of the busiest processes."""
    count = min(TOP, len(rows))
    if count == 0:
        return []
    shares = np.nan_to_num(rows["cpu"])
    busiest = np.argpartition(-shares, count - 1)[:count]
    busiest = busiest[np.argsort(-shares[busiest], kind="stable")]
    return [
        (
            int(rows["pid"][at]),
            comm_text(bytes(snapshot.tasks["comm"][at])),
            round(float(shares[at]), 4),
            int(rows["rss"][at]),
        )
        for at in busiest
    ]
