"""The retention policy: how long seconds, minutes and hours are kept."""

from dataclasses import dataclass

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """How long each resolution is kept, in milliseconds, and the maximum size of the record, in bytes."""

    seconds_ms: int = 7 * DAY_MS
    """Blocks: every process at every second."""
    minutes_ms: int = 90 * DAY_MS
    hours_ms: int = 730 * DAY_MS
    """Hours, and the lives with their names, totals and exits."""
    max_bytes: int = 0
    """0: limited only by the disk."""

    def cutoffs(self, now_ms: int) -> "Cutoffs":
        """The instants before which data is deleted."""
        return Cutoffs(now_ms - self.seconds_ms, now_ms - self.minutes_ms, now_ms - self.hours_ms)


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """Milliseconds since the epoch; older data is deleted."""

    seconds_ms: int
    minutes_ms: int
    hours_ms: int
