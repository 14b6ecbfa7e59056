"""From two samples of the host counters to what a person reads: per-second rates. Pure arithmetic."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, get_type_hints

from tukur.records.host import CPU_MODES, HostSample


@dataclass(frozen=True)
class Interval:
    """Two samples, and the figures that can be had from them."""

    current: HostSample
    previous: HostSample
    seconds: float
    """Between the two."""
    processes: int
    """At the second."""

    def gauge(self, name: str) -> int:
        """The value now."""
        return self._now.get(name, 0)

    def rate(self, prefix: str, suffix: str) -> float:
        """Growth per second of a counter, over all its instances."""
        grown = self.current.total(prefix, suffix) - self.previous.total(prefix, suffix)
        return max(grown, 0) * self._per_second

    def stalled(self, name: str) -> float:
        """Share of the interval that a counter of microseconds grew by."""
        grown = self._now.get(name, 0) - self._before.get(name, 0)
        return min(max(grown, 0) * self._per_second / 1e6, 1.0)

    def mode(self, *modes: str) -> float:
        """Share of the CPU time of the whole machine that went to these modes."""
        return sum(self._total[mode] for mode in modes)

    @property
    def busy(self) -> float:
        """Share of the CPU time of the whole machine that was neither idle nor waiting for I/O."""
        return _busy(self._total)

    @property
    def cores(self) -> list[float]:
        """The busy share of each core."""
        return [_busy(self._cpu_shares(core)) for core in _cores(self.current)]

    @cached_property
    def _per_second(self) -> float:
        return 1.0 / max(self.seconds, 1e-6)

    @cached_property
    def _total(self) -> dict[str, float]:
        return self._cpu_shares("total")

    # HostSample.get hashes the tuple of all names at each call: with dictionaries that is spared.
    @cached_property
    def _now(self) -> dict[str, int]:
        return dict(zip(self.current.names, self.current.values.tolist(), strict=True))

    @cached_property
    def _before(self) -> dict[str, int]:
        return dict(zip(self.previous.names, self.previous.values.tolist(), strict=True))

    def _cpu_shares(self, core: str) -> dict[str, float]:
        """Each mode's share of the time that passed; guest modes are left in user and nice."""
        names = [(mode, f"cpu.{core}.{mode}") for mode in CPU_MODES]
        grown = {mode: max(self._now.get(name, 0) - self._before.get(name, 0), 0) for mode, name in names}
        whole = sum(grown.values()) - grown["guest"] - grown["guest_nice"]
        return {mode: value / whole if whole else 0.0 for mode, value in grown.items()}


LIVE_ONLY = frozenset({"cores"})
"""Figures of :class:`HostRates` without a past: in frames and heartbeats, not in the record."""


@dataclass(frozen=True, slots=True)
class HostRates:
    """The host at one instant, derived: each figure with how it is made of an :class:`Interval`.

    CPU figures are shares of the whole machine (0 to 1). The fields, in this order, are what frames and
    heartbeats hold and what the page's type is generated from.
    """

    cpu: Annotated[float, lambda interval: interval.busy]
    """Not idle and not waiting for I/O."""
    cpu_user: Annotated[float, lambda interval: interval.mode("user", "nice")]
    cpu_system: Annotated[float, lambda interval: interval.mode("system", "irq", "softirq")]
    """Kernel, interrupts included."""
    cpu_iowait: Annotated[float, lambda interval: interval.mode("iowait")]
    cpu_steal: Annotated[float, lambda interval: interval.mode("steal")]
    cores: Annotated[list[float], lambda interval: interval.cores]
    """The busy share of each core."""
    mem_total: Annotated[int, lambda interval: interval.gauge("mem.total")]
    """Bytes, as are all of mem_* and swap_*."""
    mem_used: Annotated[int, lambda interval: interval.gauge("mem.total") - interval.gauge("mem.available")]
    """Total less available."""
    mem_available: Annotated[int, lambda interval: interval.gauge("mem.available")]
    mem_cached: Annotated[
        int,
        lambda interval: sum(interval.gauge(f"mem.{name}") for name in ("cached", "buffers", "sreclaimable")),
    ]
    """Page cache, buffers and reclaimable slab."""
    mem_free: Annotated[int, lambda interval: interval.gauge("mem.free")]
    swap_total: Annotated[int, lambda interval: interval.gauge("mem.swap_total")]
    swap_used: Annotated[
        int, lambda interval: interval.gauge("mem.swap_total") - interval.gauge("mem.swap_free")
    ]
    load1: Annotated[float, lambda interval: interval.gauge("load.1") / 1000]
    load5: Annotated[float, lambda interval: interval.gauge("load.5") / 1000]
    load15: Annotated[float, lambda interval: interval.gauge("load.15") / 1000]
    psi_cpu: Annotated[float, lambda interval: interval.stalled("psi.cpu.some")]
    """Share of the interval in which some task waited for a CPU; likewise the next two."""
    psi_memory: Annotated[float, lambda interval: interval.stalled("psi.memory.some")]
    psi_io: Annotated[float, lambda interval: interval.stalled("psi.io.some")]
    disk_read: Annotated[float, lambda interval: interval.rate("disk", "read_bytes")]
    """Bytes a second over all disks; likewise the next three."""
    disk_write: Annotated[float, lambda interval: interval.rate("disk", "write_bytes")]
    net_rx: Annotated[float, lambda interval: interval.rate("net", "rx_bytes")]
    net_tx: Annotated[float, lambda interval: interval.rate("net", "tx_bytes")]
    uptime_s: Annotated[float, lambda interval: interval.gauge("uptime") / 1e9]
    processes: Annotated[int, lambda interval: interval.processes]


_RULES: tuple[tuple[str, Callable[[Interval], Any]], ...] = tuple(
    (name, hint.__metadata__[0]) for name, hint in get_type_hints(HostRates, include_extras=True).items()
)


def host_rates(current: HostSample, previous: HostSample, seconds: float, processes: int) -> HostRates:
    """What the host did between two samples that lie `seconds` apart."""
    interval = Interval(current, previous, seconds, processes)
    return HostRates(**{name: rule(interval) for name, rule in _RULES})


def _cores(sample: HostSample) -> list[str]:
    return [
        name.split(".")[1]
        for name in sample.names
        if name.startswith("cpu.") and name.endswith(".idle") and name != "cpu.total.idle"
    ]


def _busy(modes: dict[str, float]) -> float:
    if not any(modes.values()):
        return 0.0
    return min(max(1.0 - modes["idle"] - modes["iowait"], 0.0), 1.0)
