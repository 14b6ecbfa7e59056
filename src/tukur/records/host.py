"""Host counters: what they are called, their units, and one sample of them.

The set differs from machine to machine (cores, disks, interfaces), so a sample is a list of names
with one integer for each. Every name belongs to one declared metric; a test holds sources to that.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

Kind = Literal["counter", "gauge"]

CPU_MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice")
"""The columns of /proc/stat, in its order. guest is also in user, guest_nice in nice: see proc(5)."""


@dataclass(frozen=True, slots=True)
class HostMetric:
    """One kind of host figure. ``*`` in the name stands for a core, a disk or an interface."""

    name: str
    unit: str
    """ns, bytes, 1 (a count), us, ms, or 1/1000."""
    kind: Kind
    """counter: only grows within a boot; gauge: any value."""
    origin: str
    """The kernel file that it comes from."""
    key: str = ""
    """Where it stands there: the word that its line begins with, or the number of its column from 0.
    Empty: the file's parser in ``tukur.sources.host`` says."""


def _cpu(who: str) -> list[HostMetric]:
    return [HostMetric(f"cpu.{who}.{mode}", "ns", "counter", "/proc/stat") for mode in CPU_MODES]


HOST_METRICS: tuple[HostMetric, ...] = (
    *_cpu("total"),
    *_cpu("*"),
    *(
        HostMetric(f"mem.{name}", "bytes", "gauge", "/proc/meminfo", key)
        for name, key in (
            ("total", "MemTotal"),
            ("free", "MemFree"),
            ("available", "MemAvailable"),
            ("buffers", "Buffers"),
            ("cached", "Cached"),
            ("shmem", "Shmem"),
            ("slab", "Slab"),
            ("sreclaimable", "SReclaimable"),
            ("anon", "AnonPages"),
            ("mapped", "Mapped"),
            ("dirty", "Dirty"),
            ("writeback", "Writeback"),
            ("kernel_stack", "KernelStack"),
            ("page_tables", "PageTables"),
            ("huge_total", ""),
            ("swap_total", "SwapTotal"),
            ("swap_free", "SwapFree"),
            ("swap_cached", "SwapCached"),
            ("committed", "Committed_AS"),
        )
    ),
    *(
        HostMetric(f"mem.{name}", "bytes", "gauge", "/proc/spl/kstat/zfs/arcstats", key)
        for name, key in (("arc", "size"), ("arc_min", "c_min"))
    ),
    HostMetric("load.1", "1/1000", "gauge", "/proc/loadavg", "0"),
    HostMetric("load.5", "1/1000", "gauge", "/proc/loadavg", "1"),
    HostMetric("load.15", "1/1000", "gauge", "/proc/loadavg", "2"),
    *(
        HostMetric(f"psi.{what}.{who}", "us", "counter", f"/proc/pressure/{what}")
        for what in ("cpu", "memory", "io")
        for who in ("some", "full")
    ),
    HostMetric("uptime", "ns", "gauge", "CLOCK_BOOTTIME"),
    HostMetric("procs.running", "1", "gauge", "/proc/stat", "procs_running"),
    HostMetric("procs.blocked", "1", "gauge", "/proc/stat", "procs_blocked"),
    HostMetric("procs.forks", "1", "counter", "/proc/stat", "processes"),
    HostMetric("context_switches", "1", "counter", "/proc/stat", "ctxt"),
    HostMetric("disks", "1", "gauge", "/proc/diskstats"),
    HostMetric("interfaces", "1", "gauge", "/proc/net/dev"),
    *(
        HostMetric(f"disk.*.{name}", unit, "counter", "/proc/diskstats", column)
        for name, unit, column in (
            ("reads", "1", "3"),
            ("read_bytes", "bytes", "5"),
            ("writes", "1", "7"),
            ("write_bytes", "bytes", "9"),
            ("busy_ms", "ms", "12"),
        )
    ),
    *(
        HostMetric(f"net.*.{name}", unit, "counter", "/proc/net/dev", column)
        for name, unit, column in (
            ("rx_bytes", "bytes", "0"),
            ("rx_packets", "1", "1"),
            ("rx_errors", "1", "2"),
            ("rx_dropped", "1", "3"),
            ("tx_bytes", "bytes", "8"),
            ("tx_packets", "1", "9"),
            ("tx_errors", "1", "10"),
            ("tx_dropped", "1", "11"),
        )
    ),
)
"""Every host metric there is."""


def metrics_of(origin: str) -> tuple[HostMetric, ...]:
    """The metrics that stand in one kernel file under a key of their own."""
    return tuple(metric for metric in HOST_METRICS if metric.origin == origin and metric.key)


_BY_NAME = {metric.name: metric for metric in HOST_METRICS}


@dataclass(frozen=True, slots=True)
class HostSample:
    """The host counters at one instant."""

    names: tuple[str, ...]
    """One name for each value, such as ``cpu.0.user`` or ``net.eth0.rx_bytes``. The tuple is the
    same object from sample to sample while the set stays the same."""
    values: npt.NDArray[np.int64]
    """The values, in the units of :data:`HOST_METRICS`; shape (len(names),)."""

    def get(self, name: str, default: int = 0) -> int:
        """The value of one name, or `default` where this machine has none."""
        index = _indices(self.names).get(name)
        return default if index is None else int(self.values[index])


@lru_cache(maxsize=64)
def _indices(names: tuple[str, ...]) -> dict[str, int]:
    return {name: index for index, name in enumerate(names)}


def metric_of(name: str) -> HostMetric | None:
    """The declared metric that a name of a sample belongs to; None where it is not declared."""
    exact = _BY_NAME.get(name)
    if exact is not None:
        return exact
    group, _, rest = name.partition(".")
    # An interface may be called "eth0.100": the instance is all between the first and last dot.
    return _BY_NAME.get(f"{group}.*.{rest.rpartition('.')[2]}")
