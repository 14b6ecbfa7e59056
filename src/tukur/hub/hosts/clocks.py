"""Measures how far each host's clock is off the hub's, and corrects the times of its record.

A host's wall clock and its boot clock keep the same distance until somebody sets the wall clock: such a
span is an *epoch*. Each heartbeat has both clocks' times; as its transfer takes time, the fastest of many
gives the best estimate of the offset. A small offset is not corrected: the clock is as good as the hub's.
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
_EPOCHS = 16


@dataclass(slots=True)
class Epoch:
    """A span of one boot of a host in which its wall clock was not set."""

    boot_id: str
    distance_ns: int
    """Wall clock less boot clock."""
    corrected: bool = False
    _best: int | None = None
    _before: int | None = None
    _count: int = 0

    def measure(self, distance_ns: int, offset_ns: int) -> None:
        """Adds a reading; `offset_ns`: the host's wall clock less the hub's when it arrived."""
        self.distance_ns = distance_ns
        if self._count == _WINDOW:
            # Of the last one to two minutes: a clock may drift.
            self._best, self._before, self._count = None, self._best, 0
        self._best = offset_ns if self._best is None else max(self._best, offset_ns)
        self._count += 1
        off = abs(self.offset_ns)
        self.corrected = off > WRONG_NS or (self.corrected and off > _RIGHT_NS)

    @property
    def offset_ns(self) -> int:
        """How far the host's wall clock is ahead of the hub's, less the fastest transfer time."""
        return max(offset for offset in (self._best, self._before, -(2**63)) if offset is not None)

    @property
    def shift_ns(self) -> int:
        """What to add to its wall times; whole milliseconds, 0 where the clock is good."""
        return -(self.offset_ns // _MS) * _MS if self.corrected else 0


@dataclass(slots=True)
class HostClock:
    """One host's clock since the hub started."""

    epochs: deque[Epoch] = field(default_factory=lambda: deque(maxlen=_EPOCHS))
    """The newest is the last."""

    def measure(self, boot_id: str, wall_ns: int, boot_ns: int, here_ns: int) -> None:
        """Adds the times of the host's two clocks, from a message that arrived at `here_ns` by the hub's."""
        distance = wall_ns - boot_ns
        newest = self.epochs[-1] if self.epochs else None
        if newest is None or newest.boot_id != boot_id or abs(newest.distance_ns - distance) > CLOCK_SET_NS:
            newest = Epoch(boot_id, distance)
            self.epochs.append(newest)
        newest.measure(distance, wall_ns - here_ns)

    def shift_of(self, boot_id: str, wall_ns: int, boot_ns: int) -> int:
        """What to add to the wall time that the host took at `boot_ns`, nanoseconds."""
        mine = [epoch for epoch in self.epochs if epoch.boot_id == boot_id]
        for epoch in reversed(mine):
            if abs(epoch.distance_ns - (wall_ns - boot_ns)) <= CLOCK_SET_NS:
                return epoch.shift_ns
        if not mine:
            return 0
        # Taken before its clock was set, while it was not connected: the boot clock never jumps.
        shift = mine[-1].distance_ns + mine[-1].shift_ns + boot_ns - wall_ns
        return shift // _MS * _MS if abs(shift) > WRONG_NS else 0

    @property
    def offset_ns(self) -> int | None:
        """How far the wall clock is ahead of the hub's; None: not measured yet."""
        return self.epochs[-1].offset_ns if self.epochs else None

    @property
    def shift_ns(self) -> int:
        """What to add to the wall times that the host takes now."""
        return self.epochs[-1].shift_ns if self.epochs else 0

    def corrected(self, content: Block | Gap) -> Block | Gap:
        """The same at the hub's time."""
        shift = self.shift_of(content.boot_id, content.first_wall_ns, content.first_ns)
        return shifted(content, shift) if shift else content


def shifted(content: Block | Gap, by_ns: int) -> Block | Gap:
    """A copy with all wall times moved; the times in a block's columns follow from its row in the store."""

    def at(wall_ns: int) -> int:
        return min(max(wall_ns + by_ns, 0), 2**63 - 1)

    moved = replace(content, first_wall_ns=at(content.first_wall_ns), last_wall_ns=at(content.last_wall_ns))
    if isinstance(moved, Gap):
        return moved
    return replace(
        moved,
        images=[replace(one, since_wall_ns=at(one.since_wall_ns)) for one in moved.images],
        ended=[replace(one, last_wall_ns=at(one.last_wall_ns)) for one in moved.ended],
        ooms=[replace(one, at_wall_ns=at(one.at_wall_ns)) for one in moved.ooms],
    )
