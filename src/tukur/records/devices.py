"""What each disk and each interface did between two samples.

A figure of the host is the sum of these differences, never a difference of sums: a device that is first seen
brings counters of its whole life, one that is gone takes them away, and one that was replaced by another of
the same name starts anew. Each of them has no figure for that interval, and adds nothing to the sum.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from tukur.records.host import HostSample

_STEADY = {
    "disk": ("reads", "read_bytes", "writes", "write_bytes"),
    "net": ("rx_bytes", "rx_packets", "tx_bytes", "tx_packets"),
}
"""Counters that only grow while a device stays the same one. Some drivers take errors and drops back."""
_COUNTS = {"disk": "disks", "net": "interfaces"}
"""The figure that is in each sample whose devices of a kind could be read, even where there are none."""
_READ = {"disk": "read_bytes", "net": "rx_bytes"}
_WRITE = {"disk": "write_bytes", "net": "tx_bytes"}


@dataclass(frozen=True, slots=True)
class DeviceRates:
    """One device between two samples; NaN: not known for this interval."""

    kind: str
    """``disk`` or ``net``."""
    name: str
    read: float
    """Bytes a second read, or received."""
    write: float
    """Bytes a second written, or sent."""
    busy: float
    """Share of the time in which a disk had something to do; NaN for an interface."""


def device_rates(current: HostSample, previous: HostSample, seconds: float) -> list[DeviceRates]:
    """Each device of the second sample, disks first, in the order in which the kernel lists them."""
    now, before = _devices(current.names), _devices(previous.names)
    return [
        _rates(kind, name, _values(current, columns), _values(previous, before[kind].get(name, {})), seconds)
        for kind in _STEADY
        for name, columns in now[kind].items()
    ]


def known_kinds(sample: HostSample) -> set[str]:
    """The kinds of devices that could be read; older agents do not say so where there were none."""
    devices = _devices(sample.names)
    return {kind for kind in _COUNTS if devices[kind] or sample.get(_COUNTS[kind], -1) >= 0}


def _rates(kind: str, name: str, now: dict[str, int], before: dict[str, int], seconds: float) -> DeviceRates:
    replaced = any(now[what] < before[what] for what in _STEADY[kind] if what in now and what in before)
    if replaced or seconds <= 0:
        before = {}

    def grown(what: str) -> float:
        if what not in now or what not in before or now[what] < before[what]:
            return math.nan
        return (now[what] - before[what]) / seconds

    busy = min(grown("busy_ms") / 1000, 1.0) if kind == "disk" else math.nan
    return DeviceRates(kind, name, grown(_READ[kind]), grown(_WRITE[kind]), busy)


Columns = dict[str, dict[str, int]]
"""Name of a device to its figures' indices."""


def busiest(devices: Sequence[DeviceRates], limit: int) -> list[DeviceRates]:
    """As many as `limit` allows, in their order: those that read and wrote most."""
    if len(devices) <= limit:
        return list(devices)
    kept = sorted(range(len(devices)), key=lambda at: -_traffic(devices[at]))[:limit]
    return [devices[at] for at in sorted(kept)]


def _traffic(device: DeviceRates) -> float:
    return sum(value for value in (device.read, device.write) if not math.isnan(value))


@lru_cache(maxsize=64)
def _devices(names: tuple[str, ...]) -> dict[str, Columns]:
    found: dict[str, Columns] = {kind: {} for kind in _STEADY}
    for index, name in enumerate(names):
        kind, _, rest = name.partition(".")
        # An interface may be called "eth0.100": the device is all between the first and last dot.
        device, dot, what = rest.rpartition(".")
        if kind in found and dot:
            found[kind].setdefault(device, {})[what] = index
    return found


def _values(sample: HostSample, columns: dict[str, int]) -> dict[str, int]:
    return {what: int(sample.values[index]) for what, index in columns.items()}
