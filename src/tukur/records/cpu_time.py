"""Shares of CPU time between two samples of ``/proc/stat``, of the machine and of each core.

Cores are matched by their number: one that went offline in between, or came back, has no figure for that
interval. A kernel takes idle and iowait time back now and then, by a tick or (when a core comes or goes) by
hours. What went back is unknown and counts as nothing; the time that passed is known all the same, so it is
the least that the shares of such an interval are taken of. Without that floor, one tick of work beside an
idle counter that stepped back would be "100 % busy".
"""

import math
import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from tukur.records.host import CPU_MODES, HostSample

MODES = CPU_MODES[:8]
"""Without guest and guest_nice: they are in user and nice already."""
_IDLE = [MODES.index("idle"), MODES.index("iowait")]
_NUMBER = re.compile(r"[0-9]{1,6}")
_TOTAL = -1
"""The number that stands for the line of all cores together."""

Grown = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Rows:
    """Where a set of names has its CPU times: a row for each core, the line of all first if there is one."""

    numbers: tuple[int, ...]
    columns: npt.NDArray[np.intp]
    """Index of each mode's value; one past the last where this kernel does not have the mode."""


@lru_cache(maxsize=64)
def _rows(names: tuple[str, ...]) -> _Rows:
    found: dict[int, list[int]] = {}
    for index, name in enumerate(names):
        group, _, rest = name.partition(".")
        who, _, mode = rest.partition(".")
        # Of a block of unknown origin a name may be anything.
        if group == "cpu" and mode in MODES and (who == "total" or _NUMBER.fullmatch(who)):
            number = _TOTAL if who == "total" else int(who)
            found.setdefault(number, [len(names)] * len(MODES))[MODES.index(mode)] = index
    numbers = tuple(sorted(found))
    columns = np.array([found[number] for number in numbers], dtype=np.intp).reshape(-1, len(MODES))
    return _Rows(numbers, columns)


@dataclass(frozen=True, slots=True)
class CpuShares:
    """What each core, and all together, did between two samples."""

    modes: dict[str, float]
    """Share of the whole machine's time by mode; NaN: not known."""
    busy: float
    """Share that was neither idle nor waiting for I/O; NaN: not known."""
    numbers: list[int]
    """The cores that were there in both samples, in ascending order."""
    cores: list[float]
    """The busy share of each of them."""


def core_numbers(names: tuple[str, ...]) -> tuple[int, ...]:
    """The numbers of the cores that a sample has, in ascending order."""
    return tuple(number for number in _rows(names).numbers if number != _TOTAL)


def cpu_shares(current: HostSample, previous: HostSample, seconds: float) -> CpuShares:
    """The shares between two samples that lie `seconds` apart."""
    now, before = _rows(current.names), _rows(previous.names)
    common = sorted(set(now.numbers) & set(before.numbers))
    if not common or seconds <= 0:
        return CpuShares(dict.fromkeys(MODES, math.nan), math.nan, [], [])
    ends, starts = _times(current, now, common), _times(previous, before, common)
    back: npt.NDArray[np.bool_] = np.any(ends < starts, axis=1)
    grown = np.maximum(ends - starts, 0)
    whole = grown.sum(axis=1)
    whole = np.where(back, np.maximum(whole, int(seconds * 1e9)), whole)
    first = int(common[0] == _TOTAL)
    same_cores = now.numbers == before.numbers
    # The kernel's own sum jumps when a core comes or goes: it counts those that are offline in another way.
    trusted = bool(first) and ((same_cores and not back[0]) or len(common) == 1)
    part = slice(0, 1) if trusted else slice(first, None)
    modes, busy = _shares(grown[part].sum(axis=0), int(whole[part].sum()))
    lacking = (now.columns == len(current.names)).all(axis=0)
    counted = np.flatnonzero(whole[first:] > 0) + first
    return CpuShares(
        modes={
            mode: math.nan if missing else share
            for mode, share, missing in zip(MODES, modes, lacking, strict=True)
        },
        busy=busy,
        numbers=[common[row] for row in counted],
        cores=[_shares(grown[row], int(whole[row]))[1] for row in counted],
    )


def _times(sample: HostSample, rows: _Rows, wanted: list[int]) -> npt.NDArray[np.int64]:
    columns = rows.columns
    if list(rows.numbers) != wanted:
        columns = columns[[rows.numbers.index(number) for number in wanted]]
    return np.append(sample.values, 0)[columns]


def _shares(grown: Grown, whole: int) -> tuple[list[float], float]:
    if whole <= 0:
        return [math.nan] * len(MODES), math.nan
    busy = (int(grown.sum()) - int(grown[_IDLE].sum())) / whole
    return [value / whole for value in grown.tolist()], min(busy, 1.0)
