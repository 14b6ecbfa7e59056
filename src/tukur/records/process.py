"""The figures of a process at one instant: the one list that rows, the API and the page's types come from.

A figure that the task record holds already is one line in :data:`PROCESS_FIELDS`. One that it lacks begins in
``native/include/tukur_record.h`` and its mirror :data:`tukur.records.TASK`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tukur.records.task import ENDED, PEAK_UNKNOWN, TaskArray, match_previous

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
    optional: bool = False
    """Whether it may be unknown though it is no rate, which all may be: NaN in a row, null in the API."""

    @property
    def nullable(self) -> bool:
        """Whether it may be unknown."""
        return self.optional or self.kind == "rate"

    def to_api(self, values: npt.NDArray[Any]) -> list[Any]:
        """A column of rows as the API gives it; None: unknown."""
        plain: list[Any] = values.tolist()
        make = self.convert or self.api
        if self.nullable and make is not None:
            return [None if value != value else make(value) for value in plain]  # noqa: PLR0124 (NaN)
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
    ProcessField(
        *("rss", "<f8", ("rss_anon", "rss_file", "rss_shmem")),
        optional=True,
        text="Of a process that has ended its peak; null: unknown.",
    ),
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

cpu is a share of one core (1.0 is one core busy). All rates of a table are over one interval, the time since
the sample before, also those of a process that began or ended within it: so a column adds up to what the host
did. NaN: unknown, because the sample before does not have a process that was there already. A row whose flags
have ``ENDED`` is of a life that is over: its rss is the most it held, NaN where that is unknown.
"""

START_TOLERANCE_NS = 20_000_000
"""A source that knows a start only to the clock tick (procfs) may place it this much too early."""


def rss_of(tasks: TaskArray) -> npt.NDArray[np.uint64]:
    """Resident memory of each process, bytes: anonymous, file and shared pages."""
    total: npt.NDArray[np.uint64] = tasks["rss_anon"] + tasks["rss_file"] + tasks["rss_shmem"]
    return total


def task_rows(current: TaskArray, previous: TaskArray, boot_ns: int, previous_boot_ns: int) -> Any:
    """The process table (an array of :data:`ROW`) of one instant.

    `previous` is the sample before, taken at `previous_boot_ns`; where there is none both times are equal and
    every rate is unknown. A counter that seems to have gone back (a thread that ended between two readings)
    gives a rate of zero, never a negative one.
    """
    rows: Any = np.zeros(len(current), dtype=ROW)
    index = match_previous(current, previous)
    known = index >= 0
    seconds = max(boot_ns - previous_boot_ns, 1) / _NS
    unknown = ~known
    if boot_ns > previous_boot_ns:
        unknown &= ~began_within(current, previous_boot_ns)
    for field in PROCESS_FIELDS:
        if field.kind == "rate":
            grown: Any = sum(_grown(current[name], previous[name], index, known) for name in field.sources)
            rows[field.name] = grown / field.divisor / seconds
            rows[field.name][unknown] = np.nan
        else:
            total: Any = sum(current[name] for name in field.sources)
            rows[field.name] = total if field.divisor == 1 else total / field.divisor
    rows["rss"][(current["flags"] & PEAK_UNKNOWN != 0) & (rows["rss"] == 0)] = np.nan
    return rows


def began_within(tasks: TaskArray, since_ns: int) -> npt.NDArray[np.bool_]:
    """Of lives that the sample at `since_ns` does not have: which did everything they did after it.

    A life whose death was reported late did not, but no sample before counted any of it.
    """
    began: npt.NDArray[np.bool_] = tasks["start_ns"] >= np.uint64(max(since_ns - START_TOLERANCE_NS, 0))
    began |= tasks["flags"] & ENDED != 0
    return began


def _grown(
    now: npt.NDArray[np.uint64],
    before: npt.NDArray[np.uint64],
    index: npt.NDArray[np.int64],
    known: npt.NDArray[np.bool_],
) -> npt.NDArray[np.float64]:
    base = np.zeros(len(now), dtype=np.uint64)
    base[known] = before[index[known]]
    return np.where(now > base, now - np.minimum(base, now), 0).astype(np.float64)
