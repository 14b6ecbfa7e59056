"""Builds a block, one snapshot at a time. What is held between is only what changed."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tukur.blocks.container import Words, pack, to_planes, vector_planes
from tukur.blocks.layout import (
    HOST_MAGIC,
    MAX_SAMPLES,
    TASK_MAGIC,
    WORDS,
    HostHeader,
    TaskHeader,
    without_cpu,
)
from tukur.records import (
    RECORD_VERSION,
    TASK,
    Change,
    HostSample,
    Snapshot,
    as_words,
    compare,
    living_count,
)

_NONE = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A finished block: two payloads and what is known of them."""

    tasks: bytes
    host: bytes
    first_ns: int
    """boot_ns of the first sample; likewise the next, and wall_ns."""
    last_ns: int
    first_wall_ns: int
    last_wall_ns: int
    samples: int
    lives: int
    process_samples: int
    """Records in the block: the processes of each sample, added up."""


@dataclass(frozen=True, slots=True)
class _Step:
    wall_ns: int
    boot_ns: int
    host: HostSample
    processes: int
    new: int
    gone: npt.NDArray[np.int64]
    changed: npt.NDArray[np.int64]
    delta: Words


class BlockBuilder:
    """Takes snapshots, gives blocks. The last snapshot of a block is the next one's baseline."""

    def __init__(self, before: Snapshot | None = None) -> None:
        """`before`: the sample before the first, where it is known."""
        self._last = before
        self._begin()

    def _begin(self) -> None:
        self._steps: list[_Step] = []
        self._births: list[Words] = []
        self._lives = 0
        self._life_of_row = _NONE
        self._baseline = self._last is not None
        if self._last is not None:
            self._append(self._last, None, None)

    @property
    def samples(self) -> int:
        """Snapshots in the block so far."""
        return len(self._steps) - self._baseline

    def add(self, snapshot: Snapshot, change: Change | None = None) -> None:
        """Adds one snapshot; it must be later than the one before, and the block not yet full.

        `change`: how its table came out of that of the snapshot before, where the caller knows.
        """
        if self.samples >= MAX_SAMPLES:
            raise ValueError(f"a block of {self.samples} samples is full; finish() first")
        if self._last is not None and snapshot.boot_ns <= self._last.boot_ns:
            raise ValueError(f"a sample at {snapshot.boot_ns} ns after one at {self._last.boot_ns} ns")
        self._append(snapshot, self._last if self._steps else None, change)
        self._last = snapshot

    def _append(self, snapshot: Snapshot, before: Snapshot | None, change: Change | None) -> None:
        previous = before.tasks if before is not None else np.empty(0, dtype=TASK)
        if change is None or before is None:
            change = compare(snapshot.tasks, previous)
        now = as_words(snapshot.tasks)
        delta = now[change.changed] - as_words(previous)[change.index[change.changed]]
        gone = self._life_of_row[change.gone]
        if not change.same_lives:
            lives = (
                np.where(change.index >= 0, self._life_of_row[change.index], -1)
                if len(previous)
                else change.index
            )
            lives = lives.copy()
            lives[change.new] = np.arange(self._lives, self._lives + len(change.new))
            self._life_of_row = lives
            self._lives += len(change.new)
        self._births.append(now[change.new])
        self._steps.append(
            _Step(
                wall_ns=snapshot.wall_ns,
                boot_ns=snapshot.boot_ns,
                host=snapshot.host,
                processes=living_count(snapshot.tasks),
                new=len(change.new),
                gone=np.sort(gone),
                changed=self._life_of_row[change.changed],
                delta=delta,
            )
        )

    def finish(self) -> Encoded:
        """The block; the builder begins the next. Raises ValueError where there is no sample."""
        if self.samples == 0:
            raise ValueError("a block needs a sample")
        own = self._steps[self._baseline :]
        encoded = Encoded(
            tasks=self._encode_tasks(),
            host=_encode_host(self._steps, self._baseline),
            first_ns=own[0].boot_ns,
            last_ns=own[-1].boot_ns,
            first_wall_ns=own[0].wall_ns,
            last_wall_ns=own[-1].wall_ns,
            samples=len(own),
            lives=self._lives,
            process_samples=sum(step.processes for step in own),
        )
        self._begin()
        return encoded

    def _encode_tasks(self) -> bytes:
        steps = self._steps
        births = without_cpu(np.concatenate(self._births))
        deltas = without_cpu(np.concatenate([step.delta for step in steps]))
        gone = np.concatenate([step.gone for step in steps])
        changed = np.concatenate([step.changed for step in steps])
        header = TaskHeader(
            record=RECORD_VERSION,
            words=WORDS,
            steps=len(steps),
            baseline=self._baseline,
            lives=self._lives,
            changes=len(changed),
            gone=len(gone),
        )
        body = b"".join(
            (
                vector_planes(np.array([step.wall_ns for step in steps], dtype=np.int64)),
                vector_planes(np.array([step.boot_ns for step in steps], dtype=np.int64)),
                vector_planes(np.array([step.new for step in steps], dtype=np.int64)),
                vector_planes(np.array([len(step.gone) for step in steps], dtype=np.int64)),
                vector_planes(np.array([len(step.changed) for step in steps], dtype=np.int64)),
                vector_planes(gone),
                vector_planes(changed),
                to_planes(np.diff(births, axis=0, prepend=np.zeros((1, WORDS), dtype=np.uint64))),
                to_planes(deltas),
            )
        )
        return pack(TASK_MAGIC, header, body)


def _encode_host(steps: list[_Step], baseline: bool) -> bytes:
    names = _union([step.host.names for step in steps])
    values = np.zeros((len(steps), len(names)), dtype=np.int64)
    present = np.ones_like(values, dtype=bool)
    column = {name: index for index, name in enumerate(names)}
    for row, step in enumerate(steps):
        if step.host.names == names:
            values[row] = step.host.values
        else:
            columns = [column[name] for name in step.host.names]
            values[row, columns] = step.host.values
            present[row] = False
            present[row, columns] = True
    absent = {names[index]: np.flatnonzero(~present[:, index]).tolist() for index in _incomplete(present)}
    for name in absent:
        _fill(values[:, column[name]], present[:, column[name]])
    header = HostHeader(
        steps=len(steps),
        baseline=baseline,
        names=list(names),
        processes=[step.processes for step in steps],
        absent=absent,
    )
    times = np.array([[step.wall_ns, step.boot_ns] for step in steps], dtype=np.int64)
    matrix = np.hstack([times, values]).view(np.uint64)
    return pack(HOST_MAGIC, header, to_planes(np.diff(matrix, axis=0, prepend=np.zeros_like(matrix[:1]))))


def _incomplete(present: npt.NDArray[np.bool_]) -> list[int]:
    """The columns that some step does not have."""
    return np.flatnonzero(~present.all(axis=0)).tolist()


def _fill(values: npt.NDArray[np.int64], present: npt.NDArray[np.bool_]) -> None:
    """Puts the value before, or else the first one, where there is none: no difference costs nothing."""
    known = np.flatnonzero(present)
    values[:] = values[known[np.maximum(np.searchsorted(known, np.arange(len(values)), side="right") - 1, 0)]]


def _union(sets: list[tuple[str, ...]]) -> tuple[str, ...]:
    """All names in the order of their first appearance: a disk that comes in mid-block is not lost."""
    if all(names == sets[0] for names in sets):
        return sets[0]
    return tuple(dict.fromkeys(name for names in sets for name in names))
