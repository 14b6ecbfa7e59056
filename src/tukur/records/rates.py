"""From two samples of the host counters to what a person reads: per-second rates. Pure arithmetic.

What a sample does not have is NaN, never 0: a collector failed, this kernel does not have the file, or there
was no sample before this one to take a difference from.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, get_type_hints

from tukur.records.cpu_time import CpuShares, cpu_shares
from tukur.records.devices import DeviceRates, device_rates, known_kinds
from tukur.records.host import HostSample


@dataclass(frozen=True)
class Interval:
    """Two samples, and the figures that can be had from them."""

    current: HostSample
    previous: HostSample
    seconds: float
    """Between the two; 0: there is no sample before, and no rate."""
    processes: int
    """At the second."""

    def gauge(self, name: str) -> float:
        """The value now, an integer; NaN where the sample does not have it."""
        return self._now.get(name, math.nan)

    def known(self, *names: str) -> float:
        """The sum of those that the sample has: of parts that not every kernel tells apart."""
        return sum(self._now.get(name, 0) for name in names)

    def rate(self, kind: str, what: str) -> float:
        """Bytes a second over all devices of a kind, ``read`` or ``write``: the sum of what each did."""
        return self._sums.get((kind, what), math.nan)

    def stalled(self, name: str) -> float:
        """Share of the interval that a counter of microseconds grew by."""
        grown = self._now.get(name, math.nan) - self._before.get(name, math.nan)
        if not grown >= 0 or self.seconds <= 0:
            return math.nan
        return min(grown / 1e6 / self.seconds, 1.0)

    def mode(self, *modes: str) -> float:
        """Share of the machine's CPU time that went to these modes, as far as the kernel has them."""
        known = [share for mode in modes if not math.isnan(share := self.cpus.modes[mode])]
        return sum(known) if known else math.nan

    @property
    def available(self) -> float:
        """Bytes that programs can have: what the kernel says, and what the ARC of ZFS would give back.

        Kernels before 3.14, and some containers, have no ``MemAvailable``: then it is estimated, as htop and
        procps do, as free, buffers, reclaimable slab and the page cache without what is shared memory.
        """
        available: float | None = self._now.get("mem.available")
        if available is None:
            page_cache = self.gauge("mem.cached") - self.known("mem.shmem")
            reclaimable = self.known("mem.buffers", "mem.sreclaimable")
            available = self.gauge("mem.free") + page_cache + reclaimable
        shrinkable = max(self.known("mem.arc") - self.known("mem.arc_min"), 0)
        total = self.gauge("mem.total")
        return math.nan if math.isnan(available + total) else max(min(available + shrinkable, total), 0)

    @cached_property
    def cpus(self) -> CpuShares:
        """The CPU time of the machine and of each core."""
        return cpu_shares(self.current, self.previous, self.seconds)

    @cached_property
    def devices(self) -> list[DeviceRates]:
        """Each disk and each interface."""
        return device_rates(self.current, self.previous, self.seconds)

    @cached_property
    def _sums(self) -> dict[tuple[str, str], float]:
        if self.seconds <= 0:
            return {}
        kinds = known_kinds(self.current) & known_kinds(self.previous)
        sums = {(kind, what): 0.0 for kind in kinds for what in ("read", "write")}
        for device in self.devices:
            for what, value in (("read", device.read), ("write", device.write)):
                if device.kind in kinds and not math.isnan(value):
                    sums[device.kind, what] += value
        return sums

    # HostSample.get hashes the tuple of all names at each call: with dictionaries that is spared.
    @cached_property
    def _now(self) -> dict[str, int]:
        return dict(zip(self.current.names, self.current.values.tolist(), strict=True))

    @cached_property
    def _before(self) -> dict[str, int]:
        return dict(zip(self.previous.names, self.previous.values.tolist(), strict=True))


LIVE_ONLY = frozenset({"cores", "core_numbers"})
"""Figures of :class:`HostRates` without a past: in frames and heartbeats, not in the record."""


@dataclass(frozen=True, slots=True)
class HostRates:
    """The host at one instant, derived: each figure with how it is made of an :class:`Interval`.

    CPU figures are shares of the whole machine (0 to 1). NaN: not known; 0 is a measurement. The fields,
    in this order, are what frames and heartbeats hold and what the page's type is generated from.
    """

    cpu: Annotated[float, lambda interval: interval.cpus.busy]
    """Not idle and not waiting for I/O."""
    cpu_user: Annotated[float, lambda interval: interval.mode("user", "nice")]
    cpu_system: Annotated[float, lambda interval: interval.mode("system", "irq", "softirq")]
    """Kernel, interrupts included."""
    cpu_iowait: Annotated[float, lambda interval: interval.mode("iowait")]
    cpu_steal: Annotated[float, lambda interval: interval.mode("steal")]
    cores: Annotated[list[float], lambda interval: interval.cpus.cores]
    """The busy share of each core that was there in both samples, by ascending number."""
    mem_total: Annotated[float, lambda interval: interval.gauge("mem.total")]
    """Bytes, as are all of mem_* and swap_*: integers, or NaN."""
    mem_used: Annotated[float, lambda interval: interval.gauge("mem.total") - interval.available]
    """Total less available."""
    mem_available: Annotated[float, lambda interval: interval.available]
    """What programs can have: see :attr:`Interval.available`."""
    mem_cached: Annotated[
        float,
        lambda interval: interval.gauge("mem.cached") + interval.known("mem.buffers", "mem.sreclaimable"),
    ]
    """Page cache, buffers and reclaimable slab."""
    mem_free: Annotated[float, lambda interval: interval.gauge("mem.free")]
    swap_total: Annotated[float, lambda interval: interval.gauge("mem.swap_total")]
    swap_used: Annotated[
        float, lambda interval: interval.gauge("mem.swap_total") - interval.gauge("mem.swap_free")
    ]
    load1: Annotated[float, lambda interval: interval.gauge("load.1") / 1000]
    load5: Annotated[float, lambda interval: interval.gauge("load.5") / 1000]
    load15: Annotated[float, lambda interval: interval.gauge("load.15") / 1000]
    psi_cpu: Annotated[float, lambda interval: interval.stalled("psi.cpu.some")]
    """Share of the interval in which some task waited for a CPU; likewise the next two."""
    psi_memory: Annotated[float, lambda interval: interval.stalled("psi.memory.some")]
    psi_io: Annotated[float, lambda interval: interval.stalled("psi.io.some")]
    disk_read: Annotated[float, lambda interval: interval.rate("disk", "read")]
    """Bytes a second over all disks; likewise the next three."""
    disk_write: Annotated[float, lambda interval: interval.rate("disk", "write")]
    net_rx: Annotated[float, lambda interval: interval.rate("net", "read")]
    net_tx: Annotated[float, lambda interval: interval.rate("net", "write")]
    uptime_s: Annotated[float, lambda interval: interval.gauge("uptime") / 1e9]
    processes: Annotated[int, lambda interval: interval.processes]
    core_numbers: Annotated[list[int], lambda interval: interval.cpus.numbers]
    """The kernel's number of each of ``cores``; older agents do not send it: 0, 1, 2 and so on."""
    mem_arc: Annotated[float, lambda interval: interval.gauge("mem.arc")]
    """The cache of ZFS (ARC), whole; NaN: no ZFS here. What it would give back is in ``mem_available``."""


_RULES: tuple[tuple[str, Callable[[Interval], Any]], ...] = tuple(
    (name, hint.__metadata__[0]) for name, hint in get_type_hints(HostRates, include_extras=True).items()
)


def host_rates(current: HostSample, previous: HostSample, seconds: float, processes: int) -> HostRates:
    """What the host did between two samples that lie `seconds` apart."""
    return rates_of(Interval(current, previous, seconds, processes))


def rates_of(interval: Interval) -> HostRates:
    """What the host did within an interval."""
    return HostRates(**{name: _one_nan(rule(interval)) for name, rule in _RULES})


def _one_nan(value: Any) -> Any:
    """One object for all that is unknown: NaN is not equal to itself, but two equal samples should be."""
    return math.nan if isinstance(value, float) and math.isnan(value) else value
