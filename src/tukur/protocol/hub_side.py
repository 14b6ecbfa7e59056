"""The hub's half of one agent connection, sans-I/O: bytes in, messages out; bytes to send come back.

Order of events: :meth:`challenge` is sent; the first message must be a :class:`~messages.Hello`, which
:meth:`receive` returns; the caller looks the host's public key up and calls :meth:`admit` or
:meth:`refuse`; from then on :meth:`receive` returns messages and live frames. In place of a hello there may
be a :class:`~messages.Join`, :class:`~messages.InstanceJoin` or :class:`~messages.Rotate`: each is answered,
and the connection ends.
"""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum, auto

from tukur.protocol import auth, messages
from tukur.protocol.errors import UNREADABLE, ProtocolError


@dataclass(frozen=True, slots=True)
class LiveFrame:
    """A frame for the browsers that watch this host; never decoded by the hub."""

    data: bytes


First = messages.Hello | messages.Join | messages.InstanceJoin | messages.Rotate
"""What an agent may say first."""


class _State(Enum):
    NEW = auto()
    CHALLENGED = auto()
    PROVING = auto()
    OPEN = auto()
    CLOSED = auto()


class HubSession:
    """One agent's connection as the hub sees it."""

    def __init__(self, certificates: Collection[bytes] = (b"",)) -> None:
        """`certificates`: by which the agent may know this hub, SHA-256 each; empty bytes: by none."""
        self._certificates = certificates
        self._state = _State.NEW
        self._nonce = secrets.token_bytes(32)
        self._first: First | None = None

    @property
    def open(self) -> bool:
        """Whether the agent has proved its key."""
        return self._state is _State.OPEN

    def challenge(self) -> bytes:
        """The first bytes to send."""
        self._state = _State.CHALLENGED
        return pack(messages.Challenge(protocol=messages.PROTOCOL_VERSION, nonce=self._nonce))

    def receive(self, data: bytes) -> messages.FromAgent | LiveFrame:
        """One WebSocket message. Raises ProtocolError: send :meth:`refuse` with it, then close."""
        if len(data) > messages.MAX_MESSAGE:
            raise ProtocolError(
                "too_large", f"a message of {len(data)} bytes; at most {messages.MAX_MESSAGE} are taken"
            )
        kind, payload = data[:1], data[1:]
        if kind == messages.FRAME and self._state is _State.OPEN:
            return LiveFrame(payload)
        if kind != messages.TYPED:
            raise ProtocolError("bad_kind", f"a message of kind {kind!r} in state {self._state.name.lower()}")
        try:
            message: messages.FromAgent = messages.from_agent.decode(payload)
        except UNREADABLE as error:  # ValidationError is one too
            raise ProtocolError("bad_message", str(error)) from error
        self._check_order(message)
        return message

    def _check_order(self, message: messages.FromAgent) -> None:
        if isinstance(message, First):
            if self._state is not _State.CHALLENGED:
                raise ProtocolError(
                    "out_of_order", f"{type(message).__name__} in state {self._state.name.lower()}"
                )
            if message.protocol != messages.PROTOCOL_VERSION:
                raise ProtocolError(
                    "version",
                    f"the agent speaks protocol {message.protocol}, this hub {messages.PROTOCOL_VERSION}",
                )
            self._check_certificate(message.certificate)
            self._first = message
            self._state = _State.PROVING
        elif self._state is not _State.OPEN:
            raise ProtocolError("out_of_order", f"{type(message).__name__} before the agent was admitted")

    def _check_certificate(self, certificate: bytes) -> None:
        if certificate in self._certificates:
            return
        seen = certificate.hex() or "none"
        expected = " or ".join(one.hex() or "none" for one in self._certificates)
        raise ProtocolError(
            "not_this_hub",
            f"the agent sees certificate {seen}, the hub's is {expected}: something between them ends TLS",
        )

    def admit(self, public: bytes, wall_ns: int) -> bytes | None:
        """The welcome to send, where the hello was signed by the owner of `public`; None: it was not."""
        hello = self._first
        if not isinstance(hello, messages.Hello) or self._state is not _State.PROVING:
            raise RuntimeError("admit() before hello")
        text = auth.hello_text(self._nonce, hello.host_id, hello.certificate)
        if not auth.verify(public, text, hello.signature):
            return None
        self._state = _State.OPEN
        return pack(messages.Welcome(wall_ns=wall_ns, gaps=True, goodbye=True))

    def joins(self, join: messages.Join) -> bool:
        """Whether who joins has the key that it joins with."""
        text = auth.join_text(self._nonce, join.certificate, join.public_key, join.secret)
        return auth.verify(join.public_key, text, join.signature)

    def joins_by_instance(self, join: messages.InstanceJoin) -> bool:
        """The same of a virtual machine."""
        text = auth.instance_join_text(self._nonce, join.certificate, join.public_key, join.token)
        return auth.verify(join.public_key, text, join.signature)

    def audience(self, join: messages.InstanceJoin) -> str:
        """For whom the identity token of this connection has to be made."""
        return auth.instance_audience(self._nonce, join.certificate)

    def rotates(self, rotate: messages.Rotate, public: bytes) -> bool:
        """Whether the owner of the key `public` wants the new one, and has it.

        Where `public` is the new one already, an answer was lost, and the same is asked again.
        """
        text = auth.rotate_text(self._nonce, rotate.certificate, rotate.host_id, rotate.public_key)
        if not auth.verify(rotate.public_key, text, rotate.proof):
            return False
        return public == rotate.public_key or auth.verify(public, text, rotate.signature)

    def refuse(self, code: str, detail: str) -> bytes:
        """The last bytes to send before closing."""
        self._state = _State.CLOSED
        return pack(messages.Refused(code=code, detail=detail))


def pack(message: messages.Message) -> bytes:
    """A typed message in its envelope."""
    return messages.TYPED + messages.encoder.encode(message)
