"""The host's figures over one block, for the per-minute rows."""

from dataclasses import fields

from tukur.records import LIVE_ONLY, HostRates

FIGURES = tuple(f.name for f in fields(HostRates) if f.name not in LIVE_ONLY)
"""Every figure of HostRates that has a past."""


class HostRollup:
    """Lowest, highest and sum of each figure over the samples added."""

    def __init__(self) -> None:
        self.samples = 0
        self._figures: dict[str, tuple[float, float, float]] = {}

    def add(self, rates: HostRates) -> None:
        """Counts one sample in."""
        self.samples += 1
        for name in FIGURES:
            value = float(getattr(rates, name))
            low, high, total = self._figures.get(name, (value, value, 0.0))
            self._figures[name] = (min(low, value), max(high, value), total + value)

    def finish(self) -> dict[str, tuple[float, float, float]]:
        """Name to (low, high, sum); the rollup starts again."""
        figures = self._figures
        self.samples, self._figures = 0, {}
        return figures
