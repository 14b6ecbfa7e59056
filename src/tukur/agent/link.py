"""The connection to the hub: one WebSocket, made again whenever it breaks."""

import asyncio
import logging
import random
import ssl
from collections.abc import Awaitable, Callable

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from tukur.agent.joining.hub_address import is_this_machine
from tukur.agent.joining.identity import IdentityError
from tukur.agent.joining.trust import Trust, seen, tls_options
from tukur.agent.outbox import Outbox
from tukur.protocol import messages
from tukur.protocol.agent_side import AgentSession
from tukur.protocol.errors import ProtocolError

log = logging.getLogger(__name__)

_BACKOFF_S = (0.25, 30.0)
_BACKOFF_HERE_S = 3.0
"""The longest pause where the hub is this very machine's: no other agent will come at the same time."""


class Link:
    """Connects, signs in, sends what the outbox gives, and hands over what comes."""

    def __init__(
        self,
        uri: str,
        session: Callable[[bytes], AgentSession],
        outbox: Outbox,
        handler: Callable[[messages.FromHub], Awaitable[None]],
        trust: Callable[[], Trust] = lambda: Trust(None),
    ) -> None:
        """`session`: to a hub whose certificate has this SHA-256; `trust`: asked each time."""
        self._trust = trust
        self._uri = uri
        self._new_session = session
        self._outbox = outbox
        self._handler = handler
        self._socket: ClientConnection | None = None
        self.connected = asyncio.Event()

    async def run(self) -> None:
        """Connects, and connects again, for ever."""
        # A run before this one may have crashed while it was connected.
        self._disconnected()
        delay = _BACKOFF_S[0]
        longest = _BACKOFF_HERE_S if is_this_machine(self._uri) else _BACKOFF_S[1]
        while True:
            try:
                await self._connect_once()
                delay = _BACKOFF_S[0]
            except ProtocolError as error:
                log.error("the hub refuses this agent: %s (%s)", error.detail, error.code)
                delay = max(delay, 2.0)
            except (ssl.SSLError, IdentityError) as error:
                log.error("the hub cannot be trusted: %s", error)
            except (OSError, ConnectionClosed, InvalidHandshake, InvalidURI, TimeoutError) as error:
                log.debug("no connection to the hub: %s", error)
            if self.connected.is_set():
                log.warning("the connection to the hub is lost; recording goes on")
                delay = _BACKOFF_S[0]
            self._disconnected()
            # Jitter: a fleet whose hub comes back must not come back in one instant.
            await asyncio.sleep(delay * random.uniform(0.5, 1.5))  # noqa: S311
            delay = min(delay * 2, longest)

    async def renew(self) -> None:
        """Connects anew, so that the hub hears what has changed of the facts of this host."""
        if self._socket is not None:
            await self._socket.close()

    def _disconnected(self) -> None:
        self._socket = None
        self.connected.clear()
        self._outbox.end()

    async def _connect_once(self) -> None:
        async with connect(
            self._uri,
            **tls_options(self._uri, self._trust()),
            max_size=messages.MAX_MESSAGE,
            # Blocks are compressed already, and compressing frames would cost the watched host.
            compression=None,
            open_timeout=10,
            ping_interval=20,
            ping_timeout=20,
            proxy=None,
        ) as socket:
            session = self._new_session(seen(socket))
            self._socket = socket
            async with asyncio.timeout(10):
                while not session.open:
                    await self._receive(socket, session)
            log.info("connected to the hub")
            self.connected.set()
            await self._exchange(socket, session)

    async def _exchange(self, socket: ClientConnection, session: AgentSession) -> None:
        """Sends and receives until the connection ends or either of them fails; raises why."""
        sending = asyncio.create_task(self._send(socket), name="send")
        receiving = asyncio.create_task(self._receive_all(socket, session), name="receive")
        try:
            # A connection that takes nothing more may still hold the hub's reason: that is read.
            done, _ = await asyncio.wait((sending, receiving), return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            sending.cancel()
            receiving.cancel()
            await asyncio.gather(sending, receiving, return_exceptions=True)

    async def _send(self, socket: ClientConnection) -> None:
        try:
            await self._outbox.deliver(socket.send)
        except ConnectionClosed:
            return

    async def _receive_all(self, socket: ClientConnection, session: AgentSession) -> None:
        while True:
            await self._receive(socket, session)

    async def _receive(self, socket: ClientConnection, session: AgentSession) -> None:
        data = await socket.recv()
        if isinstance(data, str):
            raise ProtocolError("bad_kind", "a text message; binary expected")
        message, answer = session.receive(data)
        if answer is not None:
            await socket.send(answer)
        match message:
            case messages.Welcome():
                self._outbox.begin(takes_gaps=message.gaps, takes_goodbye=message.goodbye)
            case messages.Ack():
                await self._outbox.acknowledged(message)
            case messages.Reject():
                await self._outbox.rejected(message)
            case _:
                await self._handler(message)
