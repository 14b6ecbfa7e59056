"""What is inside a payload; shared by the builder and the reader.

A block of task columns is a run of *steps*. With a baseline, step 0 is the last sample of the block
before, so that rates are known at each sample of this block; it does not count as a sample of it.
A *life* is one process life; lives are numbered in the order in which the block first has them.

The body holds, in this order: wall times and boot times of the steps; how many lives come, go and
change at each step; the numbers of the lives that go; the numbers of those that change; the record
of each life where it first appears, as differences from the life before; and the differences of each
changed record from its last. A record is taken as 64-bit words: an idle process costs nothing.
"""

import msgspec

from tukur.blocks.container import Words
from tukur.records import TASK

TASK_MAGIC = b"TKT1"
HOST_MAGIC = b"TKH1"

WORDS = TASK.itemsize // 8
MAX_SAMPLES = 60
"""Samples of one block, at most."""

_CPU, _USER, _SYSTEM = (TASK.fields[name][1] // 8 for name in ("cpu_ns", "utime_ns", "stime_ns"))  # type: ignore[index]


class TaskHeader(msgspec.Struct, frozen=True, kw_only=True):
    """The header of task columns."""

    record: int
    """TUKUR_RECORD_VERSION."""
    words: int
    """64-bit words of a record."""
    steps: int
    baseline: bool
    """Whether step 0 is the sample before this block's first."""
    lives: int
    changes: int
    """Changed records over all steps."""
    gone: int
    """Lives that went, over all steps."""


class HostHeader(msgspec.Struct, frozen=True, kw_only=True):
    """The header of host columns: one row of values for each step, one column for each name."""

    steps: int
    baseline: bool
    names: list[str]
    processes: list[int]
    """Processes at each step."""
    absent: dict[str, list[int]] | None = None
    """Name to the steps that do not have it: there its column holds the value beside. None: an older agent,
    which wrote 0 there."""


def without_cpu(words: Words) -> Words:
    """CPU time as what user and system time do not explain: nothing, mostly, so it costs nothing.

    User and system time are kept, for in most seconds only one of them grows. Row by row, for records
    and for differences; :func:`with_cpu` undoes it.
    """
    changed = words.copy()
    changed[:, _CPU] -= words[:, _USER] + words[:, _SYSTEM]
    return changed


def with_cpu(words: Words) -> Words:
    """What :func:`without_cpu` was given."""
    changed = words.copy()
    changed[:, _CPU] += words[:, _USER] + words[:, _SYSTEM]
    return changed
