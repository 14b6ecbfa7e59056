"""What of the machine may change while it runs, and was said to the hub: CPUs and memory come and go."""

import os
from collections.abc import Callable
from dataclasses import dataclass

from tukur.agent.clock import SECOND
from tukur.records import HostSample
from tukur.records.cpu_time import core_numbers
from tukur.sources.memory_limit import MemoryLimit, memory_limit

_FIRST_WAIT_NS = SECOND
_LONGEST_WAIT_NS = 600 * SECOND
_QUIET_NS = 3600 * SECOND
"""After so long without a change the next one is reported at once again."""
_LIMIT_EVERY_NS = 60 * SECOND
_NOTABLE = 0.01
"""Share by which memory must have changed: a balloon moves by pages."""


@dataclass(frozen=True, slots=True)
class Machine:
    """The size of the machine by one sample."""

    cpus: int
    """Online."""
    mem_total: int
    """Bytes; 0: not known."""
    limit: MemoryLimit | None = None
    """What a cgroup leaves of that to the agent and what runs beside it."""


def machine_of(sample: HostSample, limit: MemoryLimit | None = None) -> Machine:
    """The size of the machine when the sample was taken; a limit that is no less than its memory is none."""
    total = sample.get("mem.total")
    cpus = len(core_numbers(sample.names)) or os.cpu_count() or 1
    return Machine(cpus, total, limit if limit is not None and limit.size < total else None)


class MachineWatch:
    """Says when the hub has to hear that the machine has changed.

    Some machines switch a core on and off each second to save power: each report waits twice as long as the
    one before it.
    """

    def __init__(self, read_limit: Callable[[], MemoryLimit | None] = memory_limit) -> None:
        self._read_limit = read_limit
        self._limit = read_limit()
        self._limit_due_ns = 0
        self._reported: Machine | None = None
        self._at_ns = 0
        self._wait_ns = _FIRST_WAIT_NS

    def report(self, sample: HostSample) -> Machine:
        """The machine as the hub hears of it now."""
        self._limit = self._read_limit()
        self._reported = machine_of(sample, self._limit)
        return self._reported

    def is_due(self, sample: HostSample, boot_ns: int) -> bool:
        """Whether to report: the machine has changed, and the last report is long enough ago."""
        if boot_ns >= self._limit_due_ns:
            self._limit, self._limit_due_ns = self._read_limit(), boot_ns + _LIMIT_EVERY_NS
        before, now = self._reported, machine_of(sample, self._limit)
        if before is None or not _differ(before, now) or boot_ns - self._at_ns < self._wait_ns:
            return False
        quiet = boot_ns - self._at_ns > _QUIET_NS
        self._wait_ns = _FIRST_WAIT_NS if quiet else min(self._wait_ns * 2, _LONGEST_WAIT_NS)
        self._reported, self._at_ns = now, boot_ns
        return True


def _differ(one: Machine, other: Machine) -> bool:
    if one.limit != other.limit and one.mem_total and other.mem_total:
        return True
    # A sample whose memory could not be read says nothing about it.
    grown = abs(one.mem_total - other.mem_total) if one.mem_total and other.mem_total else 0
    return one.cpus != other.cpus or grown > _NOTABLE * one.mem_total
