"""The agent as a whole, on this machine's /proc, with a scripted hub."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import msgspec
import numpy as np
import pytest
from websockets.asyncio.server import ServerConnection, serve

from tests.support.waiting import until
from tukur.agent.agent import Agent, AgentSettings
from tukur.agent.clock import SECOND, Instant
from tukur.agent.facts import boot_id, os_name
from tukur.agent.joining.identity import GivenIdentity, Identity, JoinedFile
from tukur.agent.policy.policy import SIGNALS, Policy
from tukur.agent.spool.spool import Spool
from tukur.blocks import decode_samples
from tukur.protocol import auth, messages
from tukur.protocol.hub_side import HubSession, LiveFrame, pack
from tukur.records import ROW, Departed, TaskArray
from tukur.sources.procfs.source import ProcfsSource

HOST = "11111111-2222-3333-4444-555555555555"
AGENT_KEY, ORDER_KEY = auth.new_key(), auth.new_key()


@dataclass
class Hub:
    heard: list[Any] = field(default_factory=list)
    socket: ServerConnection | None = None

    async def handle(self, socket: ServerConnection) -> None:
        session = HubSession()
        await socket.send(session.challenge())
        async for data in socket:
            assert isinstance(data, bytes)
            message = session.receive(data)
            self.heard.append(message)
            if isinstance(message, messages.Hello):
                welcome = session.admit(auth.public_key(AGENT_KEY), 1)
                assert welcome is not None
                await socket.send(welcome)
                self.socket = socket
            if isinstance(message, messages.Block):
                await socket.send(pack(messages.Ack(boot_id=message.boot_id, first_ns=message.first_ns)))

    async def tell(self, message: messages.Message) -> None:
        socket = await until(lambda: self.socket)
        await socket.send(pack(message))

    async def hear(self, kind: type, seconds: float = 6) -> Any:
        def first() -> Any:
            return next((message for message in self.heard if isinstance(message, kind)), None)

        message = await until(first, seconds, f"a {kind.__name__} arrives")
        self.heard.remove(message)
        return message


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    scripted = Hub()
    async with serve(scripted.handle, "127.0.0.1", 0, max_size=2**25) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        settings = AgentSettings(
            identity=GivenIdentity(
                Identity(
                    hub=f"http://127.0.0.1:{port}",
                    host_id=HOST,
                    key=AGENT_KEY,
                    order_key=auth.public_key(ORDER_KEY),
                )
            ),
            spool=tmp_path / "spool",
            policy=Policy(signals=SIGNALS, own_pid=os.getpid()),
        )
        stop = asyncio.Event()
        task = asyncio.create_task(Agent(settings, ProcfsSource()).run(stop))
        yield scripted
        stop.set()
        await task
        # What was sampled since the last flush reached the hub before the agent ended.
        block = await scripted.hear(messages.Block)
        samples = list(decode_samples(block.tasks))
        assert any(os.getpid() in tasks["pid"] for _, _, tasks in samples)
        assert len(Spool(tmp_path / "spool")) == 0


async def test_it_beats_each_second_with_the_hosts_figures(hub: Hub) -> None:
    first, second = await hub.hear(messages.Heartbeat), await hub.hear(messages.Heartbeat)
    assert 0.9 < (second.boot_ns - first.boot_ns) / 1e9 < 1.5
    assert second.wall_ns % 10**9 < 0.3 * 10**9
    assert second.rates["mem_total"] > 0
    assert second.rates["processes"] > 1
    assert second.faults == {}


async def test_frames_come_only_while_somebody_watches(hub: Hub) -> None:
    await hub.hear(messages.Heartbeat)
    await hub.hear(messages.Heartbeat)
    assert not any(isinstance(message, LiveFrame) for message in hub.heard)
    await hub.tell(messages.Watch(on=True))
    key, difference = await hub.hear(LiveFrame), await hub.hear(LiveFrame)
    first, second = msgspec.msgpack.decode(key.data), msgspec.msgpack.decode(difference.data)
    assert first["key"]
    assert os.getpid() in np.frombuffer(first["rows"]["pid"], dtype=ROW["pid"])
    assert os.getpid() in first["images"]["pid"]
    assert not second["key"]
    assert len(second["rows"]["pid"]) < len(first["rows"]["pid"])
    await hub.tell(messages.Watch(on=False))
    await hub.hear(messages.Heartbeat)
    hub.heard = [message for message in hub.heard if not isinstance(message, LiveFrame)]
    await hub.hear(messages.Heartbeat)
    await hub.hear(messages.Heartbeat)
    assert not any(isinstance(message, LiveFrame) for message in hub.heard)


async def test_it_carries_out_a_signed_order_and_no_other(hub: Hub) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        await hub.tell(messages.Watch(on=True))
        rows = msgspec.msgpack.decode((await hub.hear(LiveFrame)).data)["rows"]
        pids = np.frombuffer(rows["pid"], dtype=ROW["pid"])
        start_ns = int(np.frombuffer(rows["start_ns"], dtype=ROW["start_ns"])[pids == child.pid][0])
        now = time.time_ns()
        body = messages.OrderBody(
            order_id="o1",
            host_id=HOST,
            target=messages.ProcessKey(boot_id(), child.pid, start_ns),
            signal="KILL",
            nonce=os.urandom(16),
            issued_wall_ns=now,
            expires_wall_ns=now + 10**10,
            actor="ada",
        )
        packed = msgspec.msgpack.encode(body)
        await hub.tell(messages.Order(body=packed, signature=bytes(64)))
        refused = await hub.hear(messages.OrderResult)
        assert (refused.order_id, refused.outcome, refused.code) == ("o1", "refused", "bad_signature")
        assert child.poll() is None
        await hub.tell(messages.Order(body=packed, signature=auth.sign(ORDER_KEY, auth.order_text(packed))))
        assert (await hub.hear(messages.OrderResult)).outcome == "delivered"
        assert (await hub.hear(messages.OrderResult)).outcome == "exited"
        assert child.wait(5) == -9
    finally:
        child.kill()
        child.wait()


async def test_it_tells_what_it_knows_of_a_process(hub: Hub) -> None:
    await hub.hear(messages.Heartbeat)
    child = subprocess.Popen(["sleep", "60"])
    try:
        await hub.tell(messages.Watch(on=True))
        rows = msgspec.msgpack.decode((await hub.hear(LiveFrame)).data)["rows"]
        pids = np.frombuffer(rows["pid"], dtype=ROW["pid"])
        start_ns = int(np.frombuffer(rows["start_ns"], dtype=ROW["start_ns"])[pids == os.getpid()][0])
        target = messages.ProcessKey(boot_id(), os.getpid(), start_ns)
        await hub.tell(messages.Inspect(request_id="r1", target=target))
        found = await hub.hear(messages.Inspection)
        assert (found.request_id, found.alive) == ("r1", True)
        assert child.pid in [relative.pid for relative in found.children]
        assert found.protected == "it is part of tukur itself"
        other = messages.ProcessKey(boot_id(), os.getpid(), start_ns + 10**9)
        await hub.tell(messages.Inspect(request_id="r2", target=other))
        assert not (await hub.hear(messages.Inspection)).alive
    finally:
        child.kill()
        child.wait()


def test_the_systems_name_is_read_from_os_release(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {"NAME": "x", "PRETTY_NAME": "Debian GNU/Linux 12"}
    monkeypatch.setattr("platform.freedesktop_os_release", lambda: fields)
    assert os_name() == "Debian GNU/Linux 12"


def test_a_system_without_os_release_is_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.freedesktop_os_release", Mock(side_effect=FileNotFoundError))
    assert os_name() == "Linux"


@pytest.fixture
def agent_of(tmp_path: Path) -> Iterator[Callable[[JoinedFile], Agent]]:
    """Makes agents that do not run."""
    with contextlib.ExitStack() as made:

        def make(identity: JoinedFile) -> Agent:
            policy = Policy(signals=SIGNALS, own_pid=os.getpid())
            settings = AgentSettings(identity=identity, spool=tmp_path / "spool", policy=policy)
            return made.enter_context(contextlib.closing(Agent(settings, ProcfsSource())))

        yield make


async def test_other_authorities_are_believed_only_when_the_order_key_signed_them(
    tmp_path: Path, agent_of: Callable[[JoinedFile], Agent]
) -> None:
    file = JoinedFile(tmp_path)
    order_key = auth.public_key(ORDER_KEY)
    file.save(
        Identity(hub="https://hub", host_id=HOST, key=AGENT_KEY, order_key=order_key, authorities=[b"1"])
    )
    agent = agent_of(file)
    new = [b"2", b"1"]
    other_host = "22222222-2222-3333-4444-555555555555"
    forged = auth.sign(auth.new_key(), auth.authorities_text(HOST, new))
    for_another = auth.sign(ORDER_KEY, auth.authorities_text(other_host, new))
    for signature in (forged, for_another):
        await agent._trust_authorities(messages.Authorities(certificates=new, signature=signature))
        assert file.load().authorities == [b"1"]
    signature = auth.sign(ORDER_KEY, auth.authorities_text(HOST, new))
    await agent._trust_authorities(messages.Authorities(certificates=new, signature=signature))
    assert file.load().authorities == new


async def test_another_order_key_is_pinned_only_when_the_pinned_one_signed_it(
    tmp_path: Path, agent_of: Callable[[JoinedFile], Agent]
) -> None:
    file = JoinedFile(tmp_path)
    old, new = auth.public_key(ORDER_KEY), auth.new_key()
    file.save(Identity(hub="https://hub", host_id=HOST, key=AGENT_KEY, order_key=old))
    agent = agent_of(file)
    text = auth.successor_text(old, auth.public_key(new))
    for signer, pinned in ((new, old), (ORDER_KEY, auth.public_key(new))):
        step = messages.Successor(old, auth.public_key(new), auth.sign(signer, text))
        await agent._pin_order_key(messages.OrderKeys(succession=(step,)))
        assert file.load().order_key == agent._gate._order_key == pinned


class Failing(ProcfsSource):
    """Fails as often as it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.fail_reads = 0
        self.fail_departed = 0
        self.error: Exception = OSError("gone")

    def read(self) -> TaskArray:
        if self.fail_reads:
            self.fail_reads -= 1
            raise self.error
        return super().read()

    def departed(self, living: TaskArray) -> Departed:
        if self.fail_departed:
            self.fail_departed -= 1
            raise self.error
        return super().departed(living)


@pytest.fixture
def unconnected(tmp_path: Path) -> Iterator[Callable[[Failing], Agent]]:
    agents: list[Agent] = []

    def make(source: Failing) -> Agent:
        agents.append(_unconnected(tmp_path, source))
        return agents[-1]

    yield make
    for agent in agents:
        agent.close()


def _unconnected(tmp_path: Path, source: Failing) -> Agent:
    identity = Identity(
        hub="http://127.0.0.1:9", host_id=HOST, key=AGENT_KEY, order_key=auth.public_key(ORDER_KEY)
    )
    settings = AgentSettings(
        identity=GivenIdentity(identity), spool=tmp_path / "spool", policy=Policy(signals=SIGNALS)
    )
    return Agent(settings, source)


async def test_a_snapshot_whose_ended_lives_cannot_be_read_is_recorded(
    unconnected: Callable[[Failing], Agent],
) -> None:
    source = Failing()
    agent = unconnected(source)
    source.fail_departed = 1
    agent._sample(Instant(10 * SECOND, 10 * SECOND))
    block = agent._recorder.flush()
    assert block is not None
    assert block.samples == 1
    assert agent._source_faults == 1


async def test_a_failed_reading_counts_as_missed_in_the_block(
    unconnected: Callable[[Failing], Agent],
) -> None:
    source = Failing()
    agent = unconnected(source)
    for second in range(10, 15):
        source.fail_reads = 1 if second in (11, 13) else 0
        agent._sample(Instant(second * SECOND, second * SECOND))
    block = agent._recorder.flush()
    assert block is not None
    assert (block.samples, block.missed) == (3, 2)
    assert agent._ticker.missed == 2


async def test_an_unexpected_error_of_the_sampling_is_counted_and_sampling_goes_on(
    unconnected: Callable[[Failing], Agent], caplog: pytest.LogCaptureFixture
) -> None:
    source = Failing()
    source.error = RuntimeError("unexpected")
    agent = unconnected(source)
    source.fail_reads = 1
    beats: list[messages.Heartbeat] = []
    agent._outbox.beat = beats.append  # type: ignore[method-assign, assignment]
    stop = asyncio.Event()
    running = asyncio.create_task(agent.run(stop))
    async with asyncio.timeout(10):
        while not beats:
            await asyncio.sleep(0.05)
    assert agent._supervisor.crashes() == {"sampling": 1}
    assert beats[0].faults["task.sampling"] == 1
    assert beats[0].missed >= 1
    assert "RuntimeError: unexpected" in caplog.text
    stop.set()
    await running
