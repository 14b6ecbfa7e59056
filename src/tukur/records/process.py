"""The figures of a process at one instant: the one list that rows, the API and the page's types come from.

A figure that the task record holds already is one line in :data:`PROCESS_FIELDS`. One that it lacks begins in
``native/include/tukur_record.h`` and its mirror :data:`tukur.records.TASK`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tukur.records.task import ENDED, TaskArray, match_previous

_NS = 1e9


@dataclass(frozen=True, slots=True)
class ProcessField:
    """One figure of a process."""

    name: str
    dtype: str
    """In a row and in a frame, little-endian: numpy's name of the type."""
    sources: tuple[str, ...]
    """Fields of the task record, added up."""
    kind: Literal["value", "rate"] = "value"
    """rate: growth per second since the sample before."""
    divisor: float = 1.0
    api: type[int | float | str] | None = int
    """Its type in the API; None: the API does not give it as such."""
    convert: Callable[[Any], Any] | None = None
    """From a row's value to the API's, where that is more than a change of type."""
    text: str = ""
    """Its description in the API."""

    def to_api(self, values: npt.NDArray[Any]) -> list[Any]:
        """A column of rows as the API gives it."""
        plain: list[Any] = values.tolist()
        make = self.convert or self.api
        # Most are of the right type already, and a table has ten thousand rows.
        if make is None or not plain or (make is type(plain[0])):
            return plain
        return list(map(make, plain))


PROCESS_FIELDS: tuple[ProcessField, ...] = (
    ProcessField("pid", "<u4", ("pid",)),
    ProcessField("ppid", "<u4", ("ppid",)),
    ProcessField("uid", "<u4", ("uid",)),
    ProcessField("threads", "<u4", ("threads",)),
    ProcessField("start_ns", "<u8", ("start_ns",), api=str),
    ProcessField("state", "u1", ("state",), api=str, convert=chr),
    # The low eight bits.
    ProcessField("flags", "u1", ("flags",), api=None),
    ProcessField("nice", "<i2", ("nice",)),
    ProcessField("cpu", "<f4", ("cpu_ns",), "rate", _NS, float, lambda share: round(share, 5)),
    ProcessField("cpu_time", "<f8", ("cpu_ns",), "value", _NS, float, text="Since its start, seconds."),
    ProcessField("rss", "<f8", ("rss_anon", "rss_file", "rss_shmem")),
    ProcessField("swap", "<f8", ("swap",)),
    ProcessField("vsz", "<f8", ("vsz",)),
    ProcessField("read_rate", "<f4", ("read_bytes",), "rate", api=float, text="Bytes read from storage."),
    ProcessField("write_rate", "<f4", ("write_bytes",), "rate", api=float, text="Bytes written to storage."),
    ProcessField("fault_rate", "<f4", ("majflt",), "rate", api=float, text="Major page faults."),
    ProcessField("switch_rate", "<f4", ("nvcsw", "nivcsw"), "rate", api=float, text="Context switches."),
)
"""Every figure, in the order of a row."""

PROCESS_RATES = tuple(field.name for field in PROCESS_FIELDS if field.kind == "rate")

ROW = np.dtype([(field.name, field.dtype) for field in PROCESS_FIELDS])
"""One row of the process table: :data:`PROCESS_FIELDS`, with memory in bytes and I/O in bytes of storage.

cpu is a share of one core (1.0 is one core busy). Rates are over the time since the sample before; of a
process that was not there then, since its start. A row whose flags have ``ENDED`` is of a life that is over:
its rates are over the time since the sample before, its rss is the most it held.
"""


def rss_of(tasks: TaskArray) -> npt.NDArray[np.uint64]:
    """Resident memory of each process, bytes: anonymous, file and shared pages."""
    total: npt.NDArray[np.uint64] = tasks["rss_anon"] + tasks["rss_file"] + tasks["rss_shmem"]
    return total


def task_rows(current: TaskArray, previous: TaskArray, boot_ns: int, previous_boot_ns: int) -> Any:
    """The process table (an array of :data:`ROW`) of one instant.

    `previous` is the sample before, taken at `previous_boot_ns`. A counter that seems to have gone
    back (a thread that ended between two readings) gives a rate of zero, never a negative one.
    """
    rows: Any = np.zeros(len(current), dtype=ROW)
    index = match_previous(current, previous)
    known = index >= 0
    seconds = _seconds(current, known, boot_ns, previous_boot_ns)
    for field in PROCESS_FIELDS:
        if field.kind == "rate":
            grown: Any = sum(_grown(current[name], previous[name], index, known) for name in field.sources)
            rows[field.name] = grown / field.divisor / seconds
        else:
            total: Any = sum(current[name] for name in field.sources)
            rows[field.name] = total if field.divisor == 1 else total / field.divisor
    return rows


def _seconds(
    current: TaskArray, known: npt.NDArray[np.bool_], boot_ns: int, previous_boot_ns: int
) -> npt.NDArray[np.float64]:
    interval = max(boot_ns - previous_boot_ns, 1) / _NS
    if known.all():
        return np.full(len(current), interval)
    age = (np.float64(boot_ns) - current["start_ns"].astype(np.float64)) / _NS
    # The first sample of all has no sample before it: then a rate is the mean since the start.
    # A newborn's age is at least a millisecond here, so that no rate explodes.
    rates = np.where(known, interval, np.maximum(age, 1e-3))
    # What came and went between two samples: its share of that time, so that the shares add up.
    rates[(current["flags"] & ENDED != 0) & (boot_ns > previous_boot_ns)] = interval
    return rates


def _grown(
    now: npt.NDArray[np.uint64],
    before: npt.NDArray[np.uint64],
    index: npt.NDArray[np.int64],
    known: npt.NDArray[np.bool_],
) -> npt.NDArray[np.float64]:
    base = np.zeros(len(now), dtype=np.uint64)
    base[known] = before[index[known]]
    return np.where(now > base, now - np.minimum(base, now), 0).astype(np.float64)
