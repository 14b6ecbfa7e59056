"""The agent's half of one connection, sans-I/O.

The hub speaks first: :meth:`AgentSession.receive` answers its challenge with the bytes of a hello, and
gives the messages that come once the hub has said welcome.
"""

import time
from collections.abc import Callable
from enum import Enum, auto

from tukur.protocol import auth, messages
from tukur.protocol.errors import UNREADABLE, ProtocolError
from tukur.protocol.hub_side import pack


def unpack(data: bytes) -> messages.FromHub:
    """What the hub says. Raises ProtocolError where that is none of its messages, or a refusal."""
    if data[:1] != messages.TYPED:
        raise ProtocolError("bad_kind", f"a message of kind {data[:1]!r}; {messages.TYPED!r} expected")
    try:
        message: messages.FromHub = messages.from_hub.decode(data[1:])
    except UNREADABLE as error:
        raise ProtocolError("bad_message", str(error)) from error
    if isinstance(message, messages.Refused):
        raise ProtocolError(message.code, message.detail)
    return message


class _State(Enum):
    NEW = auto()
    PROVING = auto()
    OPEN = auto()


class AgentSession:
    """One connection as the agent sees it."""

    def __init__(
        self,
        host_id: str,
        key: bytes,
        facts: messages.HostFacts,
        clock: Callable[[], int] = time.time_ns,
        certificate: bytes = b"",
    ) -> None:
        """`clock`: the wall clock, nanoseconds. `certificate`: SHA-256 of the one that the hub shows."""
        self._state = _State.NEW
        self._host_id = host_id
        self._key = key
        self._facts = facts
        self._clock = clock
        self._certificate = certificate

    @property
    def open(self) -> bool:
        """Whether the hub has said welcome."""
        return self._state is _State.OPEN

    def receive(self, data: bytes) -> tuple[messages.FromHub, bytes | None]:
        """One WebSocket message: what it says, and the bytes to send in answer, if any.

        Raises ProtocolError where the hub breaks the protocol or refuses this agent.
        """
        message = unpack(data)
        return message, self._step(message)

    def _step(self, message: messages.FromHub) -> bytes | None:
        match message, self._state:
            case messages.Challenge(), _State.NEW:
                self._state = _State.PROVING
                return self._hello(message)
            case messages.Welcome(), _State.PROVING:
                self._state = _State.OPEN
                return None
            case ((messages.Challenge() | messages.Welcome()), _):
                pass
            case _, _State.OPEN:
                return None
        raise ProtocolError(
            "out_of_order", f"{type(message).__name__} from the hub in state {self._state.name.lower()}"
        )

    def _hello(self, challenge: messages.Challenge) -> bytes:
        signature = auth.sign(self._key, auth.hello_text(challenge.nonce, self._host_id, self._certificate))
        return pack(
            messages.Hello(
                follows=True,
                protocol=messages.PROTOCOL_VERSION,
                host_id=self._host_id,
                signature=signature,
                facts=self._facts,
                wall_ns=self._clock(),
                certificate=self._certificate,
            )
        )
