"""From two raw samples to what a person reads: per-second rates. Pure arithmetic."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tukur.records.host import CPU_MODES, HostSample
from tukur.records.task import ENDED, TaskArray, match_previous

ROW = np.dtype(
    [
        ("pid", "<u4"),
        ("ppid", "<u4"),
        ("uid", "<u4"),
        ("threads", "<u4"),
        ("start_ns", "<u8"),
        ("state", "u1"),
        ("flags", "u1"),
        ("nice", "<i2"),
        ("cpu", "<f4"),
        ("cpu_time", "<f8"),
        ("rss", "<f8"),
        ("swap", "<f8"),
        ("vsz", "<f8"),
        ("read_rate", "<f4"),
        ("write_rate", "<f4"),
        ("fault_rate", "<f4"),
        ("switch_rate", "<f4"),
    ]
)
"""One row of the process table.

pid, ppid, uid, threads, start_ns, state, nice: as in the task record; flags: the low eight bits.
cpu: share of one core (1.0 is one core busy). cpu_time: seconds since the process began.
rss, swap, vsz: bytes. read_rate, write_rate: bytes of storage I/O a second. fault_rate: major page
faults a second. switch_rate: context switches a second. Rates are over the time since the sample
before; of a process that was not there then, since its start. A row whose flags have ``ENDED`` is of a
life that is over: its rates are over the time since the sample before, its rss is the most it held.
"""

NS = 1e9


@dataclass(frozen=True, slots=True)
class HostRates:
    """The host at one instant, derived. CPU figures are shares of the whole machine (0 to 1)."""

    cpu: float
    """Not idle and not waiting for I/O."""
    cpu_user: float
    cpu_system: float
    """Kernel, interrupts included."""
    cpu_iowait: float
    cpu_steal: float
    cores: list[float]
    """The busy share of each core."""
    mem_total: int
    """Bytes, as are all of mem_* and swap_*."""
    mem_used: int
    """Total less available."""
    mem_available: int
    mem_cached: int
    """Page cache, buffers and reclaimable slab."""
    mem_free: int
    swap_total: int
    swap_used: int
    load1: float
    load5: float
    load15: float
    psi_cpu: float
    """Share of the interval in which some task waited for a CPU; likewise the next two."""
    psi_memory: float
    psi_io: float
    disk_read: float
    """Bytes a second over all disks; likewise the next three."""
    disk_write: float
    net_rx: float
    net_tx: float
    uptime_s: float
    processes: int


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
    for name in ("pid", "ppid", "uid", "threads", "start_ns", "state", "nice", "swap", "vsz"):
        rows[name] = current[name]
    rows["flags"] = current["flags"] & 0xFF
    rows["cpu_time"] = current["cpu_ns"] / NS
    rows["rss"] = rss_of(current)
    at = match_previous(current, previous)
    known = at >= 0
    seconds = _seconds(current, known, boot_ns, previous_boot_ns)
    for target, fields, scale in (
        ("cpu", ("cpu_ns",), NS),
        ("read_rate", ("read_bytes",), 1.0),
        ("write_rate", ("write_bytes",), 1.0),
        ("fault_rate", ("majflt",), 1.0),
        ("switch_rate", ("nvcsw", "nivcsw"), 1.0),
    ):
        grown = sum(_grown(current[f], previous[f], at, known) for f in fields)
        rows[target] = grown / scale / seconds
    return rows


def _seconds(
    current: TaskArray, known: npt.NDArray[np.bool_], boot_ns: int, previous_boot_ns: int
) -> npt.NDArray[np.float64]:
    interval = max(boot_ns - previous_boot_ns, 1) / NS
    if known.all():
        return np.full(len(current), interval)
    age = (np.float64(boot_ns) - current["start_ns"].astype(np.float64)) / NS
    # The first sample of all has no sample before it: then a rate is the mean since the start.
    # A newborn's age is at least a millisecond here, so that no rate explodes.
    rates = np.where(known, interval, np.maximum(age, 1e-3))
    # What came and went between two samples: its share of that time, so that the shares add up.
    rates[(current["flags"] & ENDED != 0) & (boot_ns > previous_boot_ns)] = interval
    return rates


def _grown(
    now: npt.NDArray[np.uint64],
    before: npt.NDArray[np.uint64],
    at: npt.NDArray[np.int64],
    known: npt.NDArray[np.bool_],
) -> npt.NDArray[np.float64]:
    base = np.zeros(len(now), dtype=np.uint64)
    base[known] = before[at[known]]
    return np.where(now > base, now - np.minimum(base, now), 0).astype(np.float64)


def host_rates(current: HostSample, previous: HostSample, seconds: float, processes: int) -> HostRates:
    """What the host did between two samples that lie `seconds` apart."""
    modes = _cpu_delta(current, previous, "total")
    per_second = 1.0 / max(seconds, 1e-6)

    def rate(prefix: str, suffix: str) -> float:
        return max(current.total(prefix, suffix) - previous.total(prefix, suffix), 0) * per_second

    def pressure(name: str) -> float:
        return min(max(current.get(name) - previous.get(name), 0) * per_second / 1e6, 1.0)

    total, available = current.get("mem.total"), current.get("mem.available")
    cached = current.get("mem.cached") + current.get("mem.buffers") + current.get("mem.sreclaimable")
    return HostRates(
        cpu=_busy(modes),
        cpu_user=modes["user"] + modes["nice"],
        cpu_system=modes["system"] + modes["irq"] + modes["softirq"],
        cpu_iowait=modes["iowait"],
        cpu_steal=modes["steal"],
        cores=[_busy(_cpu_delta(current, previous, core)) for core in _cores(current)],
        mem_total=total,
        mem_used=total - available,
        mem_available=available,
        mem_cached=cached,
        mem_free=current.get("mem.free"),
        swap_total=current.get("mem.swap_total"),
        swap_used=current.get("mem.swap_total") - current.get("mem.swap_free"),
        load1=current.get("load.1") / 1000,
        load5=current.get("load.5") / 1000,
        load15=current.get("load.15") / 1000,
        psi_cpu=pressure("psi.cpu.some"),
        psi_memory=pressure("psi.memory.some"),
        psi_io=pressure("psi.io.some"),
        disk_read=rate("disk", "read_bytes"),
        disk_write=rate("disk", "write_bytes"),
        net_rx=rate("net", "rx_bytes"),
        net_tx=rate("net", "tx_bytes"),
        uptime_s=current.get("uptime") / NS,
        processes=processes,
    )


def _cores(sample: HostSample) -> list[str]:
    return [
        name.split(".")[1]
        for name in sample.names
        if name.startswith("cpu.") and name.endswith(".idle") and name != "cpu.total.idle"
    ]


def _cpu_delta(current: HostSample, previous: HostSample, core: str) -> dict[str, float]:
    """Each mode's share of the time that passed; guest modes are left in user and nice."""
    grown = {
        mode: max(current.get(f"cpu.{core}.{mode}") - previous.get(f"cpu.{core}.{mode}"), 0)
        for mode in CPU_MODES
    }
    whole = sum(grown.values()) - grown["guest"] - grown["guest_nice"]
    return {mode: value / whole if whole else 0.0 for mode, value in grown.items()}


def _busy(modes: dict[str, float]) -> float:
    if not any(modes.values()):
        return 0.0
    return min(max(1.0 - modes["idle"] - modes["iowait"], 0.0), 1.0)
