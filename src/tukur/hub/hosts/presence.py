"""Which hosts are connected, and what they last reported."""

from collections import deque
from dataclasses import dataclass, field

from tukur.hub.bus import SILENCES, Bus, status_of
from tukur.hub.hosts.clocks import HostClock
from tukur.protocol.messages import Block, Gap, Heartbeat, Hello, HostFacts

RECENT_HEARTBEATS = 30


@dataclass(slots=True)
class HostState:
    """One host's state since the hub started."""

    facts: HostFacts
    online: bool = False
    heartbeat: Heartbeat | None = None
    """The newest; None before the first one of this connection."""
    recent: deque[Heartbeat] = field(default_factory=lambda: deque(maxlen=RECENT_HEARTBEATS))
    """For the charts, until the block of these seconds is recorded."""
    seen_wall_ns: int = 0
    """Time of its last message, by the hub's clock."""
    clock: HostClock = field(default_factory=HostClock)
    follows: bool = False
    """Whether its agent supports rotation of the order key."""
    connection: int = 0
    """Number of the current connection, counting up."""
    faults: dict[str, int] = field(default_factory=dict)
    """Faults with this host's data that the hub counted, besides those the host reports."""


class Presence:
    """Every host that has connected since the hub started."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._hosts: dict[str, HostState] = {}

    def get(self, host_id: str) -> HostState | None:
        """The host's state; None: it has not connected since the hub started."""
        return self._hosts.get(host_id)

    def online(self, host_id: str) -> bool:
        """Whether its agent is connected."""
        state = self._hosts.get(host_id)
        return state is not None and state.online

    def all_online(self) -> frozenset[str]:
        """Every host whose agent is connected."""
        return frozenset(host_id for host_id, state in self._hosts.items() if state.online)

    def connected(self, hello: Hello, wall_ns: int) -> int:
        """Registers a new connection; returns its number."""
        host_id, facts = hello.host_id, hello.facts
        state = self._hosts.setdefault(host_id, HostState(facts))
        state.facts, state.heartbeat, state.follows = facts, None, hello.follows
        if hello.wall_ns:
            # Its blocks may arrive before its first heartbeat.
            boot_ns = max(hello.wall_ns - facts.booted_wall_ns, 0)
            state.clock.measure(facts.boot_id, hello.wall_ns, boot_ns, wall_ns)
        state.online, state.seen_wall_ns = True, wall_ns
        state.connection += 1
        self._bus.publish(status_of(host_id), True)
        return state.connection

    def beat(self, host_id: str, heartbeat: Heartbeat, wall_ns: int) -> None:
        """Stores a heartbeat."""
        state = self._hosts[host_id]
        state.heartbeat, state.seen_wall_ns = heartbeat, wall_ns
        state.recent.append(heartbeat)
        state.clock.measure(state.facts.boot_id, heartbeat.wall_ns, heartbeat.boot_ns, wall_ns)

    def corrected(self, host_id: str, content: Block | Gap) -> Block | Gap:
        """A host's block or gap, in the hub's time."""
        state = self._hosts.get(host_id)
        return content if state is None else state.clock.corrected(content)

    def shift_ns(self, host_id: str) -> int:
        """Correction for the wall times that a host records now; 0 if none is needed."""
        state = self._hosts.get(host_id)
        return 0 if state is None else state.clock.shift_ns

    def fault(self, host_id: str, name: str) -> None:
        """Counts a fault with this host's data."""
        state = self._hosts.get(host_id)
        if state is not None:
            state.faults[name] = state.faults.get(name, 0) + 1

    def disconnected(self, host_id: str, connection: int) -> None:
        """Marks the host offline, unless a newer connection has replaced this one."""
        state = self._hosts[host_id]
        if state.connection == connection:
            state.online, state.heartbeat = False, None
            self._bus.publish(status_of(host_id), False)
            self._bus.publish(SILENCES, (host_id, None))
