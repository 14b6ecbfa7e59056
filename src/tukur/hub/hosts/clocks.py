"""Measures each host's clock offset, and converts its record to the hub's time.

The difference between a host's wall clock and boot clock is constant until the wall clock is set: such a
period is an *epoch*. Each heartbeat reports both clocks. Network delay only makes the offset look smaller, so
the largest of many measurements is the best. Small offsets are not corrected.
"""

from collections import deque
from dataclasses import dataclass, field

from msgspec.structs import replace

from tukur.protocol.messages import CLOCK_SET_NS, Block, Gap

_MS = 1_000_000
WRONG_NS = 500 * _MS
"""A clock that is off by more is corrected ..."""
_RIGHT_NS = 250 * _MS
"""... until it is off by less than this (hysteresis)."""
_WINDOW = 60
"""Measurements after which the maximum starts again."""
_MAX_EPOCHS = 16


@dataclass(slots=True)
class Epoch:
    """A period of one boot in which the wall clock was not set."""

    boot_id: str
    boot_offset_ns: int
    """Wall clock minus boot clock."""
    corrected: bool = False
    _max_offset_ns: int | None = None
    _previous_max_ns: int | None = None
    _count: int = 0

    def measure(self, boot_offset_ns: int, offset_ns: int) -> None:
        """Adds a measurement; `offset_ns`: the host's wall clock minus the hub's at receipt."""
        self.boot_offset_ns = boot_offset_ns
        if self._count == _WINDOW:
            # Covers the last one to two minutes, since a clock may drift.
            self._max_offset_ns, self._previous_max_ns, self._count = None, self._max_offset_ns, 0
        known_ns = offset_ns if self._max_offset_ns is None else self._max_offset_ns
        self._max_offset_ns = max(known_ns, offset_ns)
        self._count += 1
        off = abs(self.offset_ns)
        self.corrected = off > WRONG_NS or (self.corrected and off > _RIGHT_NS)

    @property
    def offset_ns(self) -> int:
        """How far the host's wall clock is ahead of the hub's, minus the shortest network delay."""
        maxima = (self._max_offset_ns, self._previous_max_ns, -(2**63))
        return max(offset_ns for offset_ns in maxima if offset_ns is not None)

    @property
    def shift_ns(self) -> int:
        """Correction to add to its wall times, in whole milliseconds; 0 if none is needed."""
        return -(self.offset_ns // _MS) * _MS if self.corrected else 0


@dataclass(slots=True)
class HostClock:
    """One host's clock since the hub started."""

    epochs: deque[Epoch] = field(default_factory=lambda: deque(maxlen=_MAX_EPOCHS))
    """The newest last."""

    def measure(self, boot_id: str, wall_ns: int, boot_ns: int, hub_ns: int) -> None:
        """Adds both clocks of a message that the hub received at its wall time `hub_ns`."""
        boot_offset_ns = wall_ns - boot_ns
        newest = self.epochs[-1] if self.epochs else None
        if (
            newest is None
            or newest.boot_id != boot_id
            or abs(newest.boot_offset_ns - boot_offset_ns) > CLOCK_SET_NS
        ):
            newest = Epoch(boot_id, boot_offset_ns)
            self.epochs.append(newest)
        newest.measure(boot_offset_ns, wall_ns - hub_ns)

    def shift_of(self, boot_id: str, wall_ns: int, boot_ns: int) -> int:
        """Correction for the wall time that the host recorded at `boot_ns`, nanoseconds."""
        same_boot = [epoch for epoch in self.epochs if epoch.boot_id == boot_id]
        for epoch in reversed(same_boot):
            if abs(epoch.boot_offset_ns - (wall_ns - boot_ns)) <= CLOCK_SET_NS:
                return epoch.shift_ns
        if not same_boot:
            return 0
        # Recorded before the clock was set, in an epoch never measured here: derived from the boot clock.
        shift = same_boot[-1].boot_offset_ns + same_boot[-1].shift_ns + boot_ns - wall_ns
        return shift // _MS * _MS if abs(shift) > WRONG_NS else 0

    @property
    def offset_ns(self) -> int | None:
        """How far the wall clock is ahead of the hub's; None: not measured yet."""
        return self.epochs[-1].offset_ns if self.epochs else None

    @property
    def shift_ns(self) -> int:
        """Correction for the wall times that the host records now."""
        return self.epochs[-1].shift_ns if self.epochs else 0

    def corrected(self, content: Block | Gap) -> Block | Gap:
        """The same in the hub's time."""
        shift = self.shift_of(content.boot_id, content.first_wall_ns, content.first_ns)
        return shifted(content, shift) if shift else content


def shifted(content: Block | Gap, shift_ns: int) -> Block | Gap:
    """Adds `shift_ns` to all wall times, except those within a block's columns: their shift is in its row."""

    def shift(wall_ns: int) -> int:
        return min(max(wall_ns + shift_ns, 0), 2**63 - 1)

    shifted_content = replace(
        content, first_wall_ns=shift(content.first_wall_ns), last_wall_ns=shift(content.last_wall_ns)
    )
    if isinstance(shifted_content, Gap):
        return shifted_content
    return replace(
        shifted_content,
        images=[replace(image, since_wall_ns=shift(image.since_wall_ns)) for image in shifted_content.images],
        ended=[replace(life, last_wall_ns=shift(life.last_wall_ns)) for life in shifted_content.ended],
        ooms=[replace(kill, at_wall_ns=shift(kill.at_wall_ns)) for kill in shifted_content.ooms],
    )
