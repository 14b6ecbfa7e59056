"""The connection to the hub: one WebSocket, made again whenever it breaks."""

import asyncio
import contextlib
import logging
import random
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from tukur.agent.joining.identity import IdentityError
from tukur.agent.joining.trust import Trust, seen, tls_options
from tukur.agent.spool.drain import DEFAULT_RATE, Drain
from tukur.agent.spool.format import span_of
from tukur.agent.spool.spool import Spool
from tukur.protocol import messages
from tukur.protocol.agent_side import AgentSession
from tukur.protocol.errors import ProtocolError
from tukur.protocol.hub_side import pack

log = logging.getLogger(__name__)

FRAMES = 3
"""Live frames that wait, at most: past that the viewers get a key frame instead."""
_BACKOFF_S = (0.25, 30.0)
_HERE = ("127.0.0.1", "::1", "localhost")
_BACKOFF_HERE_S = 3.0
"""The longest pause where the hub is this very machine's: no other agent will come at the same time."""


class LinkError(Exception):
    """The hub's address cannot be used. The text says what was found and what was expected."""


def hub_uri(hub: str) -> str:
    """The WebSocket address of a hub given as http(s)://host[:port]. Raises LinkError.

    Plain http is taken for this very machine only: nothing leaves it unencrypted.
    """
    parts = urlsplit(hub)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise LinkError(f"hub address {hub!r}; https://HOST[:PORT] expected")
    if parts.scheme == "http" and parts.hostname not in _HERE:
        raise LinkError(f"hub address {hub!r} is not encrypted; https:// is needed to reach another machine")
    return f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}/agent"


class Link:
    """Sends what it is offered as the connection allows: orders' results first, blocks last.

    Heartbeats and live frames may be dropped; blocks and gaps stay in the spool until they are acknowledged.
    """

    def __init__(
        self,
        uri: str,
        session: Callable[[bytes], AgentSession],
        spool: Spool,
        handler: Callable[[messages.FromHub], Awaitable[None]],
        frames_lost: Callable[[], None],
        rate: float = DEFAULT_RATE,
        trust: Callable[[], Trust] = lambda: Trust(None),
    ) -> None:
        """`session`: to a hub whose certificate has this SHA-256; `trust`: asked each time."""
        self._trust = trust
        self._uri = uri
        self._new_session = session
        self._spool = spool
        self._handler = handler
        self._frames_lost = frames_lost
        self._spool_lock = asyncio.Lock()
        self._drain = Drain(spool, rate)
        self._staged: bytes | None = None
        self._fed = asyncio.Event()
        self._control: deque[bytes] = deque(maxlen=1000)
        self._frames: deque[bytes] = deque()
        self._heartbeat: bytes | None = None
        self._wake = asyncio.Event()
        self._settled = asyncio.Event()
        self._socket: ClientConnection | None = None
        self.connected = asyncio.Event()

    # --- what the agent offers

    def send(self, message: messages.Message) -> None:
        """A message that must arrive, such as an order's result."""
        self._control.append(pack(message))
        self._wake.set()

    def beat(self, heartbeat: messages.Heartbeat) -> None:
        """The newest heartbeat; replaces one that was not sent yet."""
        if self.connected.is_set():
            self._heartbeat = pack(heartbeat)
            self._wake.set()

    def frame(self, frame: bytes) -> None:
        """One live frame. Frames are differences: where one is lost, a key frame must follow."""
        if not self.connected.is_set():
            return
        if len(self._frames) >= FRAMES:
            self._frames.clear()
            self._frames_lost()
            return
        self._frames.append(messages.FRAME + frame)
        self._wake.set()

    async def record(self, block: messages.Block) -> None:
        """Spools one block; it is sent when its turn comes."""
        data = pack(block)
        async with self._spool_lock:
            # The disk may be slow; sampling must not wait for it.
            ticket = await asyncio.to_thread(self._spool.put, span_of(block), data)
            self._drain.recorded(ticket)
        log.debug("block %s-%020d is in the spool", block.boot_id, block.first_ns)
        self._fed.set()

    async def drained(self, seconds: float) -> bool:
        """Whether the spool is empty within `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                while len(self._spool):
                    self._settled.clear()
                    await self._settled.wait()
        except TimeoutError:
            return False
        return True

    # --- the connection

    async def run(self) -> None:
        """Connects, and connects again, for ever."""
        delay = _BACKOFF_S[0]
        longest = _BACKOFF_HERE_S if urlsplit(self._uri).hostname in _HERE else _BACKOFF_S[1]
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
            self._reset()
            # Jitter: a fleet whose hub comes back must not come back in one instant.
            await asyncio.sleep(delay * random.uniform(0.5, 1.5))  # noqa: S311
            delay = min(delay * 2, longest)

    async def renew(self) -> None:
        """Connects anew, so that the hub hears what has changed of the facts of this host."""
        if self._socket is not None:
            await self._socket.close()

    def _reset(self) -> None:
        self._socket = None
        self.connected.clear()
        self._drain.end()
        self._staged = None
        self._frames.clear()
        self._heartbeat = None

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
            self._wake.set()
            self._fed.set()
            sender = asyncio.create_task(self._send_all(socket))
            feeder = asyncio.create_task(self._feed())
            try:
                while True:
                    await self._receive(socket, session)
            finally:
                sender.cancel()
                # Not cancelled: its thread would go on reading, and take blocks for the next connection's.
                self._socket = None
                self._fed.set()
                await asyncio.gather(sender, feeder, return_exceptions=True)

    async def _receive(self, socket: ClientConnection, session: AgentSession) -> None:
        data = await socket.recv()
        if isinstance(data, str):
            raise ProtocolError("bad_kind", "a text message; binary expected")
        message, answer = session.receive(data)
        if answer is not None:
            await socket.send(answer)
        match message:
            case messages.Welcome():
                self._drain.begin(takes_gaps=message.gaps)
            case messages.Ack(last_ns=last_ns) if last_ns:
                async with self._spool_lock:
                    await asyncio.to_thread(
                        self._spool.gap_done, message.boot_id, message.first_ns, message.last_ns
                    )
            case messages.Ack():
                await self._settle(message.boot_id, message.first_ns)
            case messages.Reject():
                log.error("the hub cannot store a block: %s (%s)", message.detail, message.code)
                await self._settle(message.boot_id, message.first_ns, aside="rejected")
            case _:
                await self._handler(message)

    async def _settle(self, boot_id: str, first_ns: int, aside: str = "") -> None:
        async with self._spool_lock:
            ticket = self._drain.acknowledged(boot_id, first_ns)
            if ticket is not None and aside:
                await asyncio.to_thread(self._spool.quarantine, ticket, aside)
            elif ticket is not None:
                await asyncio.to_thread(self._spool.done, ticket)
        self._settled.set()
        self._fed.set()

    async def _send_all(self, socket: ClientConnection) -> None:
        try:
            while True:
                data = self._next()
                if data is None:
                    await self._wake.wait()
                    self._wake.clear()
                else:
                    await socket.send(data)
        except ConnectionClosed:
            return

    def _next(self) -> bytes | None:
        if self._control:
            return self._control.popleft()
        if self._frames:
            return self._frames.popleft()
        if self._heartbeat is not None:
            beat, self._heartbeat = self._heartbeat, None
            return beat
        block, self._staged = self._staged, None
        if block is not None:
            self._fed.set()
        return block

    async def _feed(self) -> None:
        """Keeps the next block at hand, so that nothing else waits for the disk."""
        while self._socket is not None:
            wait = None
            if self._staged is None:
                async with self._spool_lock:
                    self._staged = await asyncio.to_thread(self._drain.next)
                    wait = self._drain.wait_s() if self._staged is None else None
                self._wake.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._fed.wait()
            self._fed.clear()
