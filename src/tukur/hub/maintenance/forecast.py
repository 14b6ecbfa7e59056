"""When the disk will be full. Pure arithmetic."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

DAY_MS = 86_400_000
MIN_AGE_MS = 3_600_000
"""A younger record tells nothing of how it will grow."""
HORIZON_DAYS = 3650.0
"""Ten years; whatever lies beyond is called never."""


@dataclass(frozen=True, slots=True)
class RollupGrowth:
    """One level of the record."""

    bytes_per_day: float
    """What a day adds, while nothing of the level is old enough to be deleted."""
    age_ms: int
    """How far back the level reaches."""
    keep_ms: int
    """How far back it may reach."""

    def at(self, days: float) -> float:
        """Its bytes so many days from now."""
        return self.bytes_per_day * min(self.age_ms + days * DAY_MS, max(self.keep_ms, self.age_ms)) / DAY_MS


@dataclass(frozen=True, slots=True)
class Forecast:
    """How the record will grow."""

    bytes_per_day: float
    """What it grows by now."""
    settles_at_bytes: int
    """Where it would end up with all levels as old as they may become."""
    full_in_days: float | None
    """When the room that there is will be used up; None: never, as it looks now."""


def forecast(levels: Sequence[RollupGrowth], used: int, room: int) -> Forecast | None:
    """`used`: bytes of the record as it is; `room`: bytes that it may still grow by.

    The levels' shares are estimates; their sum is held to what is really used. None: too young to tell.
    """
    estimated = sum(level.at(0) for level in levels)
    if estimated <= 0 or max(level.age_ms for level in levels) < MIN_AGE_MS:
        return None
    scale = used / estimated

    def grown(days: float) -> float:
        return scale * sum(level.at(days) for level in levels) - used

    return Forecast(
        bytes_per_day=grown(1.0),
        settles_at_bytes=int(scale * sum(level.bytes_per_day * level.keep_ms / DAY_MS for level in levels)),
        full_in_days=_crossing(grown, room) if grown(HORIZON_DAYS) >= room else None,
    )


def _crossing(grown: Callable[[float], float], room: int) -> float:
    low, high = 0.0, HORIZON_DAYS
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (middle, high) if grown(middle) < room else (low, middle)
    return high
