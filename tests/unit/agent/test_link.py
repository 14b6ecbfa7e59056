"""The connection to the hub over a real WebSocket, with a scripted hub at the other end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import ServerConnection, serve

from tests.support.waiting import until
from tukur.agent.joining.hub_address import hub_uri
from tukur.agent.link import Link
from tukur.agent.outbox import Outbox
from tukur.agent.spool.format import span_of
from tukur.agent.spool.spool import Bounds, Spool
from tukur.protocol import auth, messages
from tukur.protocol.agent_side import AgentSession
from tukur.protocol.hub_side import HubSession, LiveFrame, pack

HOST = "11111111-2222-3333-4444-555555555555"
BOOT = "99999999-2222-3333-4444-555555555555"
KEY = auth.new_key()
FACTS = messages.HostFacts(
    hostname="owl",
    kernel="6",
    os="",
    architecture="",
    cpus=1,
    mem_total=1,
    boot_id=BOOT,
    booted_wall_ns=0,
    agent_version="",
    source="procfs",
    blind_spots=[],
    signals=[],
)


def block(number: int) -> messages.Block:
    return messages.Block(
        boot_id=BOOT,
        first_ns=number,
        last_ns=number,
        first_wall_ns=number,
        last_wall_ns=number,
        samples=1,
        lives=0,
        missed=0,
        tasks=b"t",
        host=b"h",
        images=[],
        ended=[],
        host_minute=messages.HostMinute(samples=1, figures={}),
        process_minutes=[],
    )


class Hub:
    """Admits the agent, keeps what it hears, acknowledges blocks unless told not to."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.acknowledge = True
        self.connections = 0
        self.port = 0
        self.socket: ServerConnection | None = None

    async def handle(self, socket: ServerConnection) -> None:
        self.connections += 1
        self.socket = socket
        session = HubSession()
        await socket.send(session.challenge())
        async for data in socket:
            assert isinstance(data, bytes)
            message = session.receive(data)
            if isinstance(message, messages.Hello):
                welcome = session.admit(auth.public_key(KEY), 1)
                assert welcome is not None
                await socket.send(welcome)
                continue
            self.heard.append(message)
            if not self.acknowledge:
                continue
            if isinstance(message, messages.Block):
                await socket.send(pack(messages.Ack(boot_id=message.boot_id, first_ns=message.first_ns)))
            if isinstance(message, messages.Gap):
                acknowledged = messages.Ack(
                    boot_id=message.boot_id, first_ns=message.first_ns, last_ns=message.last_ns
                )
                await socket.send(pack(acknowledged))

    def blocks(self) -> list[int]:
        return [message.first_ns for message in self.heard if isinstance(message, messages.Block)]


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    scripted = Hub()
    async with serve(scripted.handle, "127.0.0.1", 0) as server:
        scripted.port = next(iter(server.sockets)).getsockname()[1]
        yield scripted


async def nothing(_: messages.FromHub) -> None:
    pass


@contextlib.asynccontextmanager
async def linked(
    hub: Hub,
    spool: Spool,
    handler: Callable[[messages.FromHub], Awaitable[None]] = nothing,
    lost: Callable[[], None] = lambda: None,
    rate: float = 10**6,
) -> AsyncIterator[Outbox]:
    uri = hub_uri(f"http://127.0.0.1:{hub.port}")
    outbox = Outbox(spool, lost, rate)
    link = Link(uri, lambda _: AgentSession(HOST, KEY, FACTS), outbox, handler)
    task = asyncio.create_task(link.run())
    try:
        async with asyncio.timeout(20):
            await link.connected.wait()
        yield outbox
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_block_leaves_the_spool_only_when_it_is_acknowledged(hub: Hub, tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    hub.acknowledge = False
    async with linked(hub, spool) as outbox:
        await outbox.record(block(1))
        await until(lambda: hub.blocks() == [1])
        assert len(spool) == 1
        assert hub.socket is not None
        await hub.socket.send(pack(messages.Ack(boot_id=BOOT, first_ns=1)))
        await until(lambda: len(spool) == 0)


async def test_what_was_not_acknowledged_is_sent_again_after_a_broken_connection(
    hub: Hub, tmp_path: Path
) -> None:
    spool = Spool(tmp_path)
    hub.acknowledge = False
    async with linked(hub, spool) as outbox:
        await outbox.record(block(1))
        await until(lambda: hub.blocks() == [1])
        hub.acknowledge = True
        assert hub.socket is not None
        hub.socket.transport.abort()
        await until(lambda: len(spool) == 0)
    assert hub.blocks() == [1, 1]
    assert hub.connections == 2


async def test_what_was_spooled_before_the_start_is_sent_newest_first(hub: Hub, tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for number in range(30):
        spool.put(span_of(block(number)), pack(block(number)))
    async with linked(hub, spool) as outbox:
        assert await outbox.drained(5)
    assert hub.blocks() == list(range(29, -1, -1))


async def test_the_block_just_recorded_does_not_wait_for_those_before_it(hub: Hub, tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for number in range(100):
        spool.put(span_of(block(number)), pack(block(number)))
    async with linked(hub, spool, rate=1000) as outbox:
        await until(lambda: len(hub.blocks()) > 1)
        await outbox.record(block(1000))
        await until(lambda: 1000 in hub.blocks(), 0.5)
        assert len(hub.blocks()) < 50
        outbox.send(messages.OrderResult(order_id="o", outcome="exited", final=True))
        await until(lambda: any(isinstance(message, messages.OrderResult) for message in hub.heard), 0.5)


async def test_a_gap_is_told_until_it_is_acknowledged(hub: Hub, tmp_path: Path) -> None:
    spool = Spool(tmp_path, Bounds(limit=3000))
    for number in range(20):
        spool.put(span_of(block(number)), pack(block(number)))
    assert spool.gaps
    hub.acknowledge = False
    async with linked(hub, spool):
        await until(lambda: any(isinstance(message, messages.Gap) for message in hub.heard))
        hub.acknowledge = True
        assert hub.socket is not None
        hub.socket.transport.abort()
        await until(lambda: not spool.gaps)


async def test_a_rejected_block_is_set_aside_and_the_next_goes_on(hub: Hub, tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    hub.acknowledge = False
    async with linked(hub, spool) as outbox:
        await outbox.record(block(1))
        await until(lambda: hub.blocks() == [1])
        assert hub.socket is not None
        await hub.socket.send(pack(messages.Reject(boot_id=BOOT, first_ns=1, code="bad_block", detail="no")))
        await until(lambda: len(spool) == 0)
    assert len(list((tmp_path / "rejected").iterdir())) == 1


async def test_results_and_frames_and_heartbeats_arrive(hub: Hub, tmp_path: Path) -> None:
    async with linked(hub, Spool(tmp_path)) as outbox:
        outbox.send(messages.OrderResult(order_id="o", outcome="exited", final=True))
        outbox.frame(b"frame")
        beat = messages.Heartbeat(wall_ns=1, boot_ns=1, rates={}, top=[], missed=0, spooled=0, faults={})
        outbox.beat(beat)
        await until(lambda: len(hub.heard) == 3)
    assert hub.heard[1:] == [LiveFrame(b"frame"), beat]


async def test_frames_that_cannot_be_sent_in_time_are_dropped_and_a_key_frame_is_due(
    hub: Hub, tmp_path: Path
) -> None:
    lost: list[int] = []
    async with linked(hub, Spool(tmp_path), lost=lambda: lost.append(1)) as outbox:
        for _ in range(10):
            outbox.frame(b"x")
        assert lost


async def test_a_result_that_could_not_be_sent_is_sent_by_the_next_connection(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = True
    send = ClientConnection.send

    async def breaking(self: ClientConnection, data: bytes) -> None:
        nonlocal broken
        if broken and b"order-1" in data:
            broken = False
            self.transport.abort()
            await self.wait_closed()
        await send(self, data)

    monkeypatch.setattr(ClientConnection, "send", breaking)
    async with linked(hub, Spool(tmp_path)) as outbox:
        outbox.send(messages.OrderResult(order_id="order-1", outcome="exited", final=True))
        await until(lambda: any(isinstance(message, messages.OrderResult) for message in hub.heard))
    assert not broken
    assert hub.connections == 2
