"""The host's figures over time, in as many points as a chart has room for. Pure arithmetic."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tukur.hub.models.history import Figure, Gap, Series
from tukur.hub.store.record.gaps import GAP_MS, Hole
from tukur.hub.store.record.rollups import MINUTE_MS
from tukur.hub.store.schema import FIGURES as KEPT

FIGURES = (
    "cpu",
    "cpu_user",
    "cpu_system",
    "cpu_iowait",
    "cpu_steal",
    "mem_used",
    "mem_available",
    "mem_cached",
    "mem_free",
    "mem_total",
    "swap_used",
    "swap_total",
    "load1",
    "psi_cpu",
    "psi_memory",
    "psi_io",
    "disk_read",
    "disk_write",
    "net_rx",
    "net_tx",
    "processes",
    "mem_arc",
)
"""Names of ``records.HostRates`` that a series has."""

Floats = npt.NDArray[np.float64]


def step_ms(begin: int, end: int, points: int, unit: int) -> int:
    """The width of one point: whole units, so many that `points` suffice."""
    return max(-(-(end - begin) // (points * unit)), 1) * unit


def of_samples(
    times_ms: list[int], values: Mapping[str, list[float]], begin: int, end: int, points: int
) -> Series:
    """From samples, one a second. Each point has the lowest, mean and highest of what falls into it."""
    step = step_ms(begin, end, points, 1000)
    begin -= begin % step
    times = np.array(times_ms, dtype=np.int64)
    slots = (times - begin) // step
    figures = {
        name: (sample := np.array(values[name], dtype=np.float64), sample, sample, np.ones(len(times)))
        for name in FIGURES
    }
    gaps = _gaps(times, GAP_MS)
    return _series(begin, end, step, slots, figures, gaps)


def of_rollups(
    rows: Iterable[Any],
    begin: int,
    end: int,
    points: int,
    unit: int = MINUTE_MS,
    holes: Sequence[Hole] = (),
) -> Series:
    """From rows of minutes and hours, which keep their lowest and highest second; unit: the longest.

    `holes`: where no sample lies, as far back as there are seconds; before, only whole units show as gaps.
    """
    step = step_ms(begin, end, points, unit)
    begin -= begin % step
    # at_ms, samples, then low, high and total of each figure; what an agent does not tell is NaN.
    table = np.array([tuple(row) for row in rows], dtype=np.float64).reshape(-1, 2 + 3 * len(KEPT))
    times, samples = table[:, 0].astype(np.int64), table[:, 1]
    figures = {}
    for at, name in enumerate(KEPT):
        low, high, total = table[:, 2 + 3 * at : 5 + 3 * at].T
        if name in FIGURES:
            figures[name] = (low, total, high, samples)
    slots = (times - begin) // step
    known = [Gap(from_ms=hole.last_ms, to_ms=hole.first_ms) for hole in holes]
    coarse = [gap for gap in _gaps(times, unit) if not any(_touch(gap, one) for one in known)]
    gaps = sorted([*known, *coarse], key=lambda gap: gap.from_ms)
    return _series(begin, end, step, slots, figures, gaps)


def _touch(one: Gap, other: Gap) -> bool:
    return one.from_ms < other.to_ms and other.from_ms < one.to_ms


def _series(
    begin: int,
    end: int,
    step: int,
    slots: npt.NDArray[np.int64],
    figures: Mapping[str, tuple[Floats, Floats, Floats, Floats]],
    gaps: list[Gap],
) -> Series:
    """`figures`: name to (lowest, sum, highest, samples) of each entry; `slots`: the point it falls into."""
    count = -(-(end - begin) // step)
    return Series(
        from_ms=begin,
        to_ms=end,
        step_ms=step,
        t_ms=[begin + slot * step for slot in range(count)],
        figures={name: _figure(slots, columns, count) for name, columns in figures.items()},
        gaps=gaps,
    )


def _figure(
    slots: npt.NDArray[np.int64], columns: tuple[Floats, Floats, Floats, Floats], count: int
) -> Figure:
    inside = (slots >= 0) & (slots < count) & ~np.isnan(columns[1])
    at = slots[inside]
    low, total, high, samples = (column[inside] for column in columns)
    lowest, highest = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(lowest, at, low)
    np.maximum.at(highest, at, high)
    number = np.bincount(at, weights=samples, minlength=count)
    added = np.bincount(at, weights=total, minlength=count)
    known = number > 0
    mean = np.divide(added, number, out=np.zeros(count), where=known)
    # Of a rollup in which only a part of the samples knew the figure, the sum is of that part alone.
    mean = np.clip(mean, np.where(known, lowest, 0), np.where(known, highest, 0))
    return Figure(low=_known(lowest, known), mean=_known(mean, known), high=_known(highest, known))


def _known(values: Floats, known: npt.NDArray[np.bool_]) -> list[float | None]:
    return [value if there else None for value, there in zip(values.tolist(), known.tolist(), strict=True)]


def _gaps(times: npt.NDArray[np.int64], longest: int) -> list[Gap]:
    breaks = np.flatnonzero(np.diff(times) > longest)
    return [Gap(from_ms=int(times[at]), to_ms=int(times[at + 1])) for at in breaks]
