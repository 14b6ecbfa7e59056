"""When to sample: on each whole second of the wall clock, without drift, counting what was missed."""

import time
from dataclasses import dataclass

from tukur.sources import boot_clock

SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Instant:
    """One reading of both clocks."""

    wall_ns: int
    """CLOCK_REALTIME."""
    boot_ns: int
    """The machine's CLOCK_BOOTTIME: never goes back, counts suspended time too."""


def now() -> Instant:
    """Both clocks now."""
    return Instant(time.time_ns(), boot_clock.now_ns())


class Ticker:
    """Says how long to wait for the next sample, and how many were missed. Pure arithmetic.

    Waits are computed from the wall clock each time, so an error never adds up; what was missed is
    counted on the boot clock, so a wall clock that jumps is not taken for missed samples.
    """

    def __init__(self, interval_ns: int = SECOND) -> None:
        self._interval = interval_ns
        self._last_boot: int | None = None
        self._due: int | None = None
        self._unreported = 0
        self.missed = 0
        """Samples that were due and not taken, or that failed, since the start."""

    def wait_ns(self, at: Instant) -> int:
        """Nanoseconds until the next sample is due; 0: now."""
        slot, into = divmod(at.wall_ns, self._interval)
        if self._due is None or self._due > slot + 1:
            # At the start, or the clock went back: the next whole second from here on.
            self._due = slot + 1
        elif self._due <= slot and into > self._interval // 2:
            # More than half a second late: a sample now would crowd the next one.
            self._due = slot + 1
        return max(self._due * self._interval - at.wall_ns, 0)

    def taken(self, at: Instant) -> int:
        """Counts a sample taken at this instant; how many were missed or failed just before it."""
        missed = 0
        if self._last_boot is not None:
            missed = max(round((at.boot_ns - self._last_boot) / self._interval) - 1, 0)
        self._last_boot = at.boot_ns
        self._due = at.wall_ns // self._interval + 1
        self.missed += missed
        unreported, self._unreported = self._unreported, 0
        return missed + unreported

    def failed(self, missed: int) -> None:
        """The sample just taken cannot be used: with the `missed` ones before it, it counts to the next."""
        self.missed += 1
        self._unreported = missed + 1
