"""The host's figures over one block, for the per-minute rows."""

import math
from dataclasses import fields

from tukur.records import LIVE_ONLY, HostRates

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
