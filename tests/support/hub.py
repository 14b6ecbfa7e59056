"""A real hub on a port of its own within the test's process, agents that speak the real protocol to it,
and clients with their rights."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support.record import facts_of
from tests.support.stores import lay_empty_store
from tests.support.waiting import until
from tukur.agent.joining.trust import Trust, seen, tls_options
from tukur.files import kept_secret
from tukur.hub.app import open_hub
from tukur.hub.auth.identity import Rights, Role
from tukur.hub.container import Hub
from tukur.hub.serve import listen, server_config
from tukur.hub.settings import HubSettings
from tukur.hub.tls.authority import der
from tukur.protocol import auth, messages
from tukur.protocol.agent_side import AgentSession
from tukur.protocol.errors import ProtocolError
from tukur.protocol.hub_side import pack

HOST = "11111111-2222-3333-4444-555555555555"
OTHER = "22222222-2222-3333-4444-555555555555"
KEYS = {HOST: auth.new_key(), OTHER: auth.new_key()}
ORDER_KEY = auth.new_key()

M = TypeVar("M")


@dataclass(slots=True)
class RunningHub:
    """A hub that listens; `parts` are its own, for a test to look into."""

    parts: Hub
    port: int

    @property
    def url(self) -> str:
        """Where it is."""
        return f"{'https' if self.parts.settings.tls.encrypted else 'http'}://127.0.0.1:{self.port}"

    def socket(self, path: str) -> str:
        """The address of a WebSocket."""
        return f"{self.url.replace('http', 'ws', 1)}{path}"

    @property
    def trust(self) -> Trust:
        """By what agents know it."""
        return Trust(tuple(der(root) for root in self.parts.tls.roots) or None)

    def client(self, **headers: str) -> httpx.AsyncClient:
        """Nobody yet."""
        # Names of headers come as Python names.
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.AsyncClient(base_url=self.url, headers=named, timeout=10)

    async def token(self, role: str, name: str = "") -> str:
        """A bearer token of a role."""
        return await self.parts.auth.new_token(name or role, Rights(Role.parse(role)), 1)

    async def bearer(self, role: str, name: str = "") -> httpx.AsyncClient:
        """Somebody with a token of a role."""
        return self.client(Authorization=f"Bearer {await self.token(role, name)}")

    async def signed_in(self, role: str = "admin") -> httpx.AsyncClient:
        """A browser's session, by a link: cookie and Origin."""
        link = await self.parts.auth.new_link(f"a {role}", Role.parse(role))
        async with self.client() as browser:
            answer = await browser.post("/api/session", json={"token": link})
            assert answer.status_code == 201, answer.text
        client = self.client(Origin=self.url)
        client.cookies = browser.cookies
        return client


def _own_tasks() -> set[asyncio.Task[Any]]:
    """Those that run, but for pytest's."""
    return {
        task for task in asyncio.all_tasks() if not task.done() and "fixture" not in repr(task.get_coro())
    }


@contextlib.asynccontextmanager
async def running_hub(data_dir: Path, **settings: Any) -> AsyncIterator[RunningHub]:
    """A hub with the two hosts enrolled. At its end no task of it is left."""
    before = _own_tasks()
    enrol = tuple((host_id, auth.public_key(key), f"host-{host_id[0]}") for host_id, key in KEYS.items())
    data_dir.mkdir(parents=True, exist_ok=True)
    kept_secret(data_dir / "order.key", ORDER_KEY)
    options = {"data_dir": data_dir, "enrol": enrol, **settings}
    if options.get("database") is None:
        await lay_empty_store(data_dir)
    parts = await open_hub(HubSettings(**options))
    listening = listen("127.0.0.1", 0)
    config = server_config(parts)
    config.timeout_graceful_shutdown = 1
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        await until(lambda: server.started or serving.done(), 30)
        assert not serving.done(), "the hub did not start"
        yield RunningHub(parts, listening.getsockname()[1])
    finally:
        server.should_exit = True
        await serving
        listening.close()
    left = _own_tasks() - before
    assert not left, f"tasks are left: {left}"


class ScriptedAgent:
    """One connection of an agent that does only what the test says."""

    def __init__(self, socket: ClientConnection, session: AgentSession) -> None:
        self.socket = socket
        self._session = session
        self.heard: list[messages.FromHub] = []
        self.refused: ProtocolError | None = None
        self._news = asyncio.Event()
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            async for data in self.socket:
                assert isinstance(data, bytes)
                message, answer = self._session.receive(data)
                if answer is not None:
                    await self.socket.send(answer)
                self.heard.append(message)
                self._news.set()
        except ProtocolError as error:
            self.refused = error
        except ConnectionClosed:
            pass
        finally:
            self._news.set()

    async def send(self, *sent: messages.Message) -> None:
        """Typed messages."""
        for message in sent:
            await self.socket.send(pack(message))

    async def frame(self, data: bytes) -> None:
        """One live frame."""
        await self.socket.send(messages.FRAME + data)

    async def hear(self, kind: type[M], seconds: float = 5) -> M:
        """The oldest message of a kind that was not asked for yet, waiting for it."""
        async with asyncio.timeout(seconds):
            while True:
                for message in self.heard:
                    if isinstance(message, kind):
                        self.heard.remove(message)
                        return message
                assert not self._reader.done(), f"the connection ended: {self.refused}"
                self._news.clear()
                await self._news.wait()

    async def ended(self, seconds: float = 5) -> int | None:
        """Waits until the hub ends the connection; the close code."""
        async with asyncio.timeout(seconds):
            await self.socket.wait_closed()
            await asyncio.wait([self._reader])
        return self.socket.close_code

    async def close(self) -> None:
        """Ends the connection from this side."""
        await self.socket.close()
        await asyncio.wait([self._reader])


@contextlib.asynccontextmanager
async def connection(
    hub: RunningHub,
    host_id: str = HOST,
    *,
    key: bytes | None = None,
    facts: messages.HostFacts | None = None,
    clock: Callable[[], int] = time.time_ns,
) -> AsyncIterator[ScriptedAgent]:
    """A connection whose agent answers the challenge; not awaited to be admitted."""
    uri = hub.socket("/agent")
    options: dict[str, Any] = {"max_size": messages.MAX_MESSAGE, "compression": None, "proxy": None}
    async with connect(uri, **options, **tls_options(uri, hub.trust)) as socket:
        session = AgentSession(host_id, key or KEYS[host_id], facts or facts_of(), clock, seen(socket))
        scripted = ScriptedAgent(socket, session)
        try:
            yield scripted
        finally:
            await scripted.close()


@contextlib.asynccontextmanager
async def agent(hub: RunningHub, host_id: str = HOST, **options: Any) -> AsyncIterator[ScriptedAgent]:
    """An admitted agent: the hub knows its host as online."""

    def connections() -> int:
        state = hub.parts.presence.get(host_id)
        return state.connection if state is not None else 0

    before = connections()
    async with connection(hub, host_id, **options) as scripted:
        await scripted.hear(messages.Welcome)
        await until(lambda: connections() > before)
        yield scripted


async def recorded(hub: RunningHub, *blocks: messages.Block, host_id: str = HOST) -> None:
    """Blocks brought in by an agent that then goes: the hub has acknowledged each."""
    async with agent(hub, host_id) as scripted:
        for block in blocks:
            await scripted.send(block)
            ack = await scripted.hear(messages.Ack)
            assert ack.first_ns == block.first_ns
