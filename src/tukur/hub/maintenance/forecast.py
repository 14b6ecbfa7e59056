"""When the disk will be full. Pure arithmetic."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

DAY_MS = 86_400_000
MIN_AGE_MS = 3_600_000
"""A younger record allows no forecast."""
HORIZON_DAYS = 3650.0
"""Ten years; anything later counts as never."""


@dataclass(frozen=True, slots=True)
class RollupGrowth:
    """The growth of one resolution of the record: seconds, minutes or hours."""

    bytes_per_day: float
    """What a day adds, while nothing is old enough to be deleted."""
    age_ms: int
    """How far back it reaches."""
    keep_ms: int
    """How far back it may reach."""

    def size_after(self, days: float) -> float:
        """Its size in bytes so many days from now."""
        return self.bytes_per_day * min(self.age_ms + days * DAY_MS, max(self.keep_ms, self.age_ms)) / DAY_MS


@dataclass(frozen=True, slots=True)
class Forecast:
    """How the record will grow."""

    bytes_per_day: float
    """Its present growth."""
    settles_at_bytes: int
    """Its size when all resolutions are as old as the retention policy allows."""
    full_in_days: float | None
    """When the available space will be used up; None: never, at the present growth."""


def forecast(growths: Sequence[RollupGrowth], used: int, room: int) -> Forecast | None:
    """`used`: bytes of the record as it is; `room`: bytes that it may still grow by.

    The growths are estimates; their sum is scaled to the real size. None: too young for a forecast.
    """
    estimated = sum(growth.size_after(0) for growth in growths)
    if estimated <= 0 or max(growth.age_ms for growth in growths) < MIN_AGE_MS:
        return None
    scale = used / estimated

    def grown(days: float) -> float:
        return scale * sum(growth.size_after(days) for growth in growths) - used

    return Forecast(
        bytes_per_day=grown(1.0),
        settles_at_bytes=int(
            scale * sum(growth.bytes_per_day * growth.keep_ms / DAY_MS for growth in growths)
        ),
        full_in_days=_crossing(grown, room) if grown(HORIZON_DAYS) >= room else None,
    )


def _crossing(grown: Callable[[float], float], room: int) -> float:
    low, high = 0.0, HORIZON_DAYS
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (middle, high) if grown(middle) < room else (low, middle)
    return high
