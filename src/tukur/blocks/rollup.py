"""The host's figures over one block, for the per-minute rows."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields

from tukur.records import LIVE_ONLY, DeviceRates, HostRates

FIGURES = tuple(f.name for f in fields(HostRates) if f.name not in LIVE_ONLY)
"""Every figure of HostRates that has a past."""


class HostRollup:
    """Lowest, highest and sum of each figure over the samples added."""

    def __init__(self) -> None:
        self.samples = 0
        self._figures: dict[str, tuple[float, float, float, int]] = {}

    def add(self, rates: HostRates) -> None:
        """Counts one sample in."""
        self.samples += 1
        for name in FIGURES:
            value = float(getattr(rates, name))
            if math.isnan(value):
                continue
            low, high, total, known = self._figures.get(name, (value, value, 0.0, 0))
            self._figures[name] = (min(low, value), max(high, value), total + value, known + 1)

    def finish(self) -> dict[str, tuple[float, float, float]]:
        """Name to (low, high, sum), without what no sample knew; the rollup starts again.

        The sum is divided by all samples: where some did not know a figure, the mean of the others stands for
        them.
        """
        figures = {
            name: (low, high, total if known == self.samples else total / known * self.samples)
            for name, (low, high, total, known) in self._figures.items()
        }
        self.samples, self._figures = 0, {}
        return figures


MAX_DEVICES = 64
"""Devices of one block: those with the most traffic. A machine of containers has hundreds of interfaces."""


@dataclass(slots=True)
class DeviceSum:
    """One device over the samples of a block that knew its rates: sums and highest values."""

    kind: str
    """``disk`` or ``net``."""
    name: str
    samples: int = 0
    read_sum: float = 0.0
    """Bytes a second, received of an interface."""
    read_high: float = 0.0
    write_sum: float = 0.0
    """Bytes a second, sent of an interface."""
    write_high: float = 0.0
    busy_sum: float | None = None
    """Share of the time in which a disk had something to do; None: not known, as of an interface."""
    busy_high: float | None = None

    def add(self, rates: DeviceRates) -> None:
        """Counts one sample in, unless its rates are not known."""
        if math.isnan(rates.read) or math.isnan(rates.write):
            return
        self.samples += 1
        self.read_sum += rates.read
        self.read_high = max(self.read_high, rates.read)
        self.write_sum += rates.write
        self.write_high = max(self.write_high, rates.write)
        if not math.isnan(rates.busy):
            self.busy_sum = (self.busy_sum or 0.0) + rates.busy
            self.busy_high = max(self.busy_high or 0.0, rates.busy)


class DeviceRollup:
    """Each device over the samples added."""

    def __init__(self) -> None:
        self._devices: dict[tuple[str, str], DeviceSum] = {}

    def add(self, devices: Iterable[DeviceRates]) -> None:
        """Counts one sample in."""
        for rates in devices:
            key = rates.kind, rates.name
            if key not in self._devices:
                self._devices[key] = DeviceSum(*key)
            self._devices[key].add(rates)

    def finish(self) -> list[DeviceSum]:
        """The devices with the most traffic, the busiest first; the rollup starts again."""
        known = [device for device in self._devices.values() if device.samples]
        self._devices = {}
        return sorted(known, key=lambda each: -(each.read_sum + each.write_sum))[:MAX_DEVICES]
