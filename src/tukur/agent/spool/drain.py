"""What goes out next: the block just recorded at once, then the past, newest first, at a bounded rate."""

import time
from collections import deque
from collections.abc import Callable

from tukur.agent.spool.spool import Spool, Ticket
from tukur.protocol.hub_side import pack
from tukur.protocol.messages import Gap

WINDOW = 8
"""Blocks sent and not yet acknowledged, at most."""
PAST_WINDOW = 6
"""Of these, the most that are of the past: there is always room for the one just recorded."""
PAST_BYTES = 128 * 1024
"""Bytes of the past in flight, at most (one block may have more): what a message to the hub waits behind."""
DEFAULT_RATE = 1024 * 1024
"""Bytes a second of the past."""
_BURST_S = 1.0

BlockKey = tuple[str, int]
"""(boot_id, first_ns)"""


class Bucket:
    """Lets bytes through at a rate, and those of one second at once. A taker may overdraw it once."""

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._most = rate * _BURST_S
        self._left = self._most
        self._at = clock()

    def take(self, count: int) -> None:
        """So many bytes have gone."""
        self._fill()
        self._left -= count

    def wait_s(self) -> float:
        """How long until the next may go; 0: now."""
        self._fill()
        return max(-self._left / self._rate, 0.0)

    def _fill(self) -> None:
        now = self._clock()
        self._left = min(self._left + (now - self._at) * self._rate, self._most)
        self._at = now


class Drain:
    """Takes blocks and gaps out of the spool for one connection after another.

    Not thread-safe, as the spool is not; `next` reads the disk.
    """

    def __init__(
        self, spool: Spool, rate: float = DEFAULT_RATE, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._spool = spool
        self._clock = clock
        self._bucket = Bucket(rate, clock)
        self._fresh: deque[Ticket] = deque(maxlen=WINDOW)
        self._sent: dict[BlockKey, Ticket] = {}
        self._past: dict[BlockKey, int] = {}
        self._sent_gaps: dict[BlockKey, int] = {}
        self._takes_gaps = False
        self._open = False

    def set_rate(self, rate: float) -> None:
        """Bytes a second of the past, from now on."""
        self._bucket = Bucket(rate, self._clock)

    def begin(self, *, takes_gaps: bool) -> None:
        """A connection is open."""
        self._open, self._takes_gaps = True, takes_gaps

    def end(self) -> None:
        """It is lost: what was not acknowledged waits again."""
        self._open = False
        for held in (self._fresh, self._sent, self._past, self._sent_gaps):
            held.clear()

    def recorded(self, ticket: Ticket) -> None:
        """A block has just come into the spool."""
        if self._open:
            self._fresh.append(ticket)

    def next(self) -> bytes | None:
        """The next message to send; None: nothing may go now."""
        while self._fresh and len(self._sent) < WINDOW:
            data = self._take(self._fresh.pop(), past=False)
            if data is not None:
                return data
        gap = self._next_gap()
        if gap is not None:
            return gap
        while self._has_room() and not self._bucket.wait_s():
            ticket = self._spool.newest(self._in_flight())
            if ticket is None:
                return None
            data = self._take(ticket, past=True)
            if data is not None:
                return data
        return None

    def wait_s(self) -> float | None:
        """After `next` gave nothing: when to ask again; None: not before something happens."""
        wait = self._bucket.wait_s()
        return wait if wait and self._has_room() and self._spool.newest(self._in_flight()) else None

    def acknowledged(self, boot_id: str, first_ns: int) -> Ticket | None:
        """Which block that was; None: it was not sent on this connection."""
        self._past.pop((boot_id, first_ns), None)
        return self._sent.pop((boot_id, first_ns), None)

    def _take(self, ticket: Ticket, *, past: bool) -> bytes | None:
        found = self._spool.read(ticket)
        if found is None:
            return None
        span, data = found
        key = (span.boot_id, span.first_ns)
        self._sent[key] = ticket
        self._bucket.take(len(data))
        if past:
            self._past[key] = len(data)
        return data

    def _has_room(self) -> bool:
        return (
            len(self._past) < PAST_WINDOW
            and len(self._sent) < WINDOW
            and sum(self._past.values()) < PAST_BYTES
        )

    def _in_flight(self) -> set[Ticket]:
        return {*self._sent.values(), *self._fresh}

    def _next_gap(self) -> bytes | None:
        if not self._takes_gaps:
            return None
        for gap in self._spool.gaps:
            if self._sent_gaps.get(_key(gap), -1) < gap.last_ns:
                self._sent_gaps[_key(gap)] = gap.last_ns
                return pack(gap)
        return None


def _key(gap: Gap) -> BlockKey:
    return gap.boot_id, gap.first_ns
