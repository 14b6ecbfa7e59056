"""How long each level of the record is kept."""

from dataclasses import dataclass

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """How long each level is kept, in milliseconds, and how large all may become, in bytes."""

    seconds_ms: int = 7 * DAY_MS
    """Blocks: every process at every second."""
    minutes_ms: int = 90 * DAY_MS
    hours_ms: int = 730 * DAY_MS
    """Hours, and the lives themselves with their names, totals and ends."""
    max_bytes: int = 0
    """0: no bound but the disk's."""

    def cutoffs(self, now_ms: int) -> "Cutoffs":
        """What lies before these instants goes."""
        return Cutoffs(now_ms - self.seconds_ms, now_ms - self.minutes_ms, now_ms - self.hours_ms)


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """Milliseconds since the epoch; what lies before goes."""

    seconds_ms: int
    minutes_ms: int
    hours_ms: int
