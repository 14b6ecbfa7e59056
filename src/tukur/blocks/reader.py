"""Reads a block: the table at one sample, what each life did within a range, the host's figures."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tukur.blocks.container import BlockDamagedError, PlaneReader, Words, unpack
from tukur.blocks.layout import HOST_MAGIC, MAX_SAMPLES, TASK_MAGIC, WORDS, HostHeader, TaskHeader, with_cpu
from tukur.records import (
    ENDED,
    RECORD_VERSION,
    START_TOLERANCE_NS,
    TASK,
    DeviceRates,
    HostRates,
    HostSample,
    TaskArray,
    device_rates,
    host_rates,
    rss_of,
    take_rows,
)

TOTALS = np.dtype(
    [
        ("start_ns", "<u8"),
        ("cpu_ns", "<u8"),
        ("rss_peak", "<u8"),
        ("read_bytes", "<u8"),
        ("write_bytes", "<u8"),
        ("last_step", "<i8"),
        ("pid", "<u4"),
        ("ended", "?"),
    ]
)
"""What one life did within a range; last_step: the last of the block's steps that has it; ended: it
was gone before the range's last sample."""

MAX_ROWS = 1 << 23
"""Lives, and changed records, of one block: more than a hundred thousand processes that are all busy make
in a minute."""

_COUNTERS = ("cpu_ns", "read_bytes", "write_bytes")


@dataclass(frozen=True, slots=True)
class Table:
    """One recorded sample with the one before it."""

    wall_ns: int
    boot_ns: int
    tasks: TaskArray
    previous: TaskArray
    previous_boot_ns: int
    """Equal to boot_ns, and `previous` empty, where no sample before it is known."""


@dataclass(frozen=True, slots=True)
class HostPoint:
    """The host's figures at one sample."""

    wall_ns: int
    boot_ns: int
    rates: HostRates


class _Tasks:
    """Task columns taken apart; `at(step)` values are made by adding differences up, step by step."""

    def __init__(self, payload: bytes, first_ms: int | None = None) -> None:
        header, body = unpack(TASK_MAGIC, TaskHeader, payload)
        self.header: TaskHeader = header
        if header.record > RECORD_VERSION or header.words < WORDS:
            raise BlockDamagedError(
                f"records of version {header.record} with {header.words} words; "
                f"this program knows version {RECORD_VERSION} with {WORDS}"
            )
        _check_counts(header)
        reader = PlaneReader(body)
        wall_ns = reader.vector(header.steps)
        self.wall_ns = wall_ns + _shift(int(wall_ns[int(header.baseline)]), first_ms)
        self.boot_ns = reader.vector(header.steps)
        new = reader.vector(header.steps)
        gone = reader.vector(header.steps)
        changed = reader.vector(header.steps)
        if new.sum() != header.lives or gone.sum() != header.gone or changed.sum() != header.changes:
            raise BlockDamagedError("the counts of the steps do not add up to the header's")
        if new.min() < 0 or gone.min() < 0 or changed.min() < 0:
            raise BlockDamagedError("a step has a negative count")
        self.gone = np.split(reader.vector(header.gone), np.cumsum(gone)[:-1])
        self.changed = np.split(reader.vector(header.changes), np.cumsum(changed)[:-1])
        births = reader.words(header.lives, header.words)
        self.births = with_cpu(np.cumsum(births, axis=0, dtype=np.uint64))
        deltas = with_cpu(reader.words(header.changes, header.words))
        self._deltas = np.split(deltas, np.cumsum(changed)[:-1])
        self.born = np.concatenate(([0], np.cumsum(new)))

        for lives in (*self.gone, *self.changed):
            if len(lives) and not (lives.min() >= 0 and lives.max() < header.lives):
                raise BlockDamagedError(f"a life that is none of the block's {header.lives}")

    @property
    def first(self) -> int:
        """The first step that is a sample of this block."""
        return int(self.header.baseline)

    def walk(self, upto: int) -> Iterator[tuple[int, Words, npt.NDArray[np.bool_]]]:
        """Each step up to `upto`: (step, the record of every life so far, which of them live).

        The arrays are the same objects from step to step: a caller that keeps one copies it.
        """
        values = self.births.copy()
        alive = np.zeros(self.header.lives, dtype=bool)
        for step in range(upto + 1):
            alive[self.born[step] : self.born[step + 1]] = True
            alive[self.gone[step]] = False
            values[self.changed[step]] += self._deltas[step]
            yield step, values, alive

    def records(self, values: Words) -> TaskArray:
        """Words as task records; a longer record of a newer program is cut to what is known."""
        return np.ascontiguousarray(values[:, :WORDS]).astype("<u8", copy=False).view(TASK).reshape(-1)


def _shift(wall_ns: int, first_ms: int | None) -> int:
    shift = 0 if first_ms is None else (first_ms - wall_ns // 1_000_000) * 1_000_000
    if abs(shift) >= 1 << 63:
        raise BlockDamagedError(f"a first sample at {wall_ns} ns; its row says {first_ms} ms")
    return shift


def _check_counts(header: TaskHeader) -> None:
    """Zeros cost nothing in a payload, so a few bytes could ask for any amount of memory."""
    counts = (header.lives, header.changes, header.gone)
    if not (header.baseline < header.steps <= MAX_SAMPLES + 1) or min(counts) < 0 or max(counts) > MAX_ROWS:
        raise BlockDamagedError(
            f"{header.steps} steps, {header.lives} lives, {header.changes} changes, {header.gone} ends; "
            f"at most {MAX_SAMPLES + 1} steps and {MAX_ROWS} of each expected"
        )
    if header.words > 4 * WORDS:
        raise BlockDamagedError(f"records of {header.words} words; at most {4 * WORDS} expected")


def decode_table(
    tasks: bytes, wall_ns: int, first_ms: int | None = None, *, boot_ns: int | None = None
) -> Table:
    """The sample whose wall time is nearest to `wall_ns`, or the one at `boot_ns`. Raises BlockDamagedError.

    `first_ms`, here and below: when the block's first sample was taken, where its host's clock was wrong;
    all wall times are moved with it.
    """
    block = _Tasks(tasks, first_ms)
    times, asked = (block.wall_ns, wall_ns) if boot_ns is None else (block.boot_ns, boot_ns)
    distance = np.abs(times[block.first :] - asked)
    wanted = block.first + int(distance.argmin())
    previous = np.empty(0, dtype=TASK)
    current = previous
    for step, values, alive in block.walk(wanted):
        if step >= wanted - 1:
            previous, current = current, _by_pid(block.records(values[alive]))
    return Table(
        wall_ns=int(block.wall_ns[wanted]),
        boot_ns=int(block.boot_ns[wanted]),
        tasks=current,
        previous=previous,
        previous_boot_ns=int(block.boot_ns[max(wanted - 1, 0)]),
    )


def decode_samples(
    tasks: bytes, first_ms: int | None = None, *, baseline: bool = False
) -> Iterator[tuple[int, int, TaskArray]]:
    """Every sample of the block: (wall_ns, boot_ns, records sorted by pid).

    With `baseline` also the one before its first, where it knows it. Raises BlockDamagedError.
    """
    block = _Tasks(tasks, first_ms)
    first = 0 if baseline else block.first
    for step, values, alive in block.walk(block.header.steps - 1):
        if step >= first:
            yield int(block.wall_ns[step]), int(block.boot_ns[step]), _by_pid(block.records(values[alive]))


def _by_pid(records: TaskArray) -> TaskArray:
    ordered: TaskArray = take_rows(records, np.argsort(records["pid"], kind="stable"))
    return ordered


def decode_totals(
    tasks: bytes, from_wall_ns: int, to_wall_ns: int, first_ms: int | None = None
) -> npt.NDArray[np.void]:
    """What each life did in samples with from <= wall time < to: an array of :data:`TOTALS`.

    A sample stands for the time since the one before it. Empty where no sample lies within.
    """
    block = _Tasks(tasks, first_ms)
    inside = (block.wall_ns >= from_wall_ns) & (block.wall_ns < to_wall_ns)
    inside[: block.first] = False
    steps = np.flatnonzero(inside)
    if len(steps) == 0:
        return np.empty(0, dtype=TOTALS)
    begin, end = int(steps[0]), int(steps[-1])
    totals = np.zeros(block.header.lives, dtype=TOTALS)
    base: dict[str, npt.NDArray[np.uint64]] = {}
    seen = np.zeros(block.header.lives, dtype=bool)
    for step, values, alive in block.walk(end):
        records = block.records(values)
        if step == begin:
            base = _bases(block, begin)
        if step >= begin:
            rss = rss_of(records)
            totals["rss_peak"][alive] = np.maximum(totals["rss_peak"], rss)[alive]
            totals["last_step"][alive] = step
            seen |= alive
        if step == end:
            totals["pid"], totals["start_ns"] = records["pid"], records["start_ns"]
            for name in _COUNTERS:
                now = records[name]
                totals[name] = np.where(now > base[name], now - np.minimum(base[name], now), 0)
            totals["ended"] = ~alive | (records["flags"] & ENDED != 0)
    return totals[seen]


def _bases(block: _Tasks, begin: int) -> dict[str, npt.NDArray[np.uint64]]:
    """Each life's counters just before step `begin`: what it had done before the range."""
    first_records = block.records(block.births)
    before = first_records
    for step, values, _ in block.walk(begin - 1):
        if step == begin - 1:
            before = block.records(values)
    born = np.searchsorted(block.born, np.arange(block.header.lives), side="right") - 1
    # A life that began after the sample before its first is counted whole; one that had been running
    # (the agent has just begun, or a source had missed it) only from where it was first seen.
    sample_before = np.where(born > 0, block.boot_ns[np.maximum(born - 1, 0)], np.iinfo(np.int64).max)
    fresh = first_records["start_ns"].astype(np.int64) >= sample_before - START_TOLERANCE_NS
    # A death that was reported late: no sample saw it alive.
    fresh |= (born > 0) & (first_records["flags"] & ENDED != 0)
    late = born >= begin
    return {
        name: np.where(late, np.where(fresh, np.uint64(0), first_records[name]), before[name])
        for name in _COUNTERS
    }


@dataclass(frozen=True, slots=True)
class HostSamples:
    """The host's counters, sample by sample."""

    baseline: bool
    """Whether the first is the last of the block before."""
    samples: list[tuple[int, int, HostSample]]
    """(wall_ns, boot_ns, counters)."""
    processes: list[int]
    """How many processes there were at each."""


def decode_host_samples(host: bytes, first_ms: int | None = None) -> HostSamples:
    """The host's counters at each sample, the one before the first included. Raises BlockDamagedError."""
    header, body = unpack(HOST_MAGIC, HostHeader, host)
    if not (header.baseline < header.steps <= MAX_SAMPLES + 1):
        raise BlockDamagedError(f"{header.steps} steps; at most {MAX_SAMPLES + 1} expected")
    if len(header.processes) != header.steps:
        raise BlockDamagedError(f"{len(header.processes)} process counts for {header.steps} steps")
    matrix = PlaneReader(body).words(header.steps, len(header.names) + 2)
    values = np.cumsum(matrix, axis=0, dtype=np.uint64).view(np.int64)
    values[:, 0] += _shift(int(values[int(header.baseline), 0]), first_ms)
    sets = _present(header, values[:, 2:])
    samples = [
        (int(row[0]), int(row[1]), HostSample(names, row[2:] if columns is None else row[2:][columns]))
        for row, (names, columns) in zip(values, sets, strict=True)
    ]
    return HostSamples(bool(header.baseline), samples, header.processes)


_Present = tuple[tuple[str, ...], npt.NDArray[np.intp] | None]
"""The names that a step has, and their columns; None: all."""


def _present(header: HostHeader, values: npt.NDArray[np.int64]) -> list[_Present]:
    """What each step has; the tuple of names is the same object while the set stays the same."""
    names = tuple(header.names)
    absent = _absent_before(names, values) if header.absent is None else header.absent
    if not absent:
        return [(names, None)] * header.steps
    column = {name: index for index, name in enumerate(names)}
    there = np.ones((header.steps, len(names)), dtype=bool)
    for name, steps in absent.items():
        if name not in column or not all(0 <= step < header.steps for step in steps):
            raise BlockDamagedError(f"{name[:80]!r} is absent in steps {steps[:5]} of {header.steps}")
        there[steps, column[name]] = False
    sets: dict[bytes, _Present] = {}
    for row in there:
        if row.tobytes() not in sets:
            columns = np.flatnonzero(row)
            sets[row.tobytes()] = tuple(names[index] for index in columns), columns
    return [sets[row.tobytes()] for row in there]


def _absent_before(names: tuple[str, ...], values: npt.NDArray[np.int64]) -> dict[str, list[int]]:
    """The same of a block of an older agent, which wrote 0 for what a sample did not have.

    A device, or a core, of which every counter is 0 was not there, or had done nothing so far.
    """
    groups: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        if name.startswith(("cpu.", "disk.", "net.")):
            groups.setdefault(name.rpartition(".")[0], []).append(index)
    absent: dict[str, list[int]] = {}
    for columns in groups.values():
        steps = np.flatnonzero(~values[:, columns].any(axis=1)).tolist()
        if steps and len(steps) < len(values):
            absent |= {names[index]: steps for index in columns}
    return absent


def decode_host(host: bytes, first_ms: int | None = None) -> list[HostPoint]:
    """The host's figures at each sample of the block. Raises BlockDamagedError.

    The first sample of an agent's run has no sample before it: its rates are NaN.
    """
    found = decode_host_samples(host, first_ms)
    points = []
    for step in range(int(found.baseline), len(found.samples)):
        wall_ns, boot_ns, sample = found.samples[step]
        _, before_ns, before = found.samples[max(step - 1, 0)]
        rates = host_rates(sample, before, (boot_ns - before_ns) / 1e9, found.processes[step])
        points.append(HostPoint(wall_ns, boot_ns, rates))
    return points


def decode_devices(host: bytes, first_ms: int | None = None) -> list[tuple[int, list[DeviceRates]]]:
    """Each sample of the block with what every device did: (wall_ns, devices). Raises BlockDamagedError."""
    found = decode_host_samples(host, first_ms)
    points = []
    for step in range(int(found.baseline), len(found.samples)):
        wall_ns, boot_ns, sample = found.samples[step]
        _, before_ns, before = found.samples[max(step - 1, 0)]
        points.append((wall_ns, device_rates(sample, before, (boot_ns - before_ns) / 1e9)))
    return points
