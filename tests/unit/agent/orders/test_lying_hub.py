"""A hub that lies: it holds the order key, signs whatever it likes, and drives a real agent."""

import asyncio
import contextlib
import os
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from websockets.asyncio.server import serve

from tests.unit.agent.orders.test_executor import start_ns_of
from tests.unit.agent.test_agent import AGENT_KEY, HOST, ORDER_KEY, Hub
from tukur.agent.agent import Agent, AgentSettings
from tukur.agent.facts import boot_id
from tukur.agent.joining.identity import GivenIdentity, Identity
from tukur.agent.policy.file import PolicyFile
from tukur.agent.policy.policy import Policy
from tukur.protocol import auth, messages
from tukur.sources.procfs.source import ProcfsSource

Child = subprocess.Popen[bytes]
ACTIONS = [
    messages.Action(signal="KILL", scope="tree"),
    messages.Action(verb="renice", value="19"),
    messages.Action(verb="ionice", value="idle"),
    messages.Action(verb="freeze", scope="cgroup", of="/"),
    messages.Action(verb="thaw", scope="unit", of="ssh.service"),
]


@contextlib.asynccontextmanager
async def driven(tmp_path: Path, policy: str) -> AsyncIterator[Hub]:
    """A hub with the real agent of a host that has this policy."""
    file = tmp_path / "policy.toml"
    file.write_text(policy)
    lying = Hub()
    async with serve(lying.handle, "127.0.0.1", 0, max_size=2**25) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        identity = Identity(
            hub=f"http://127.0.0.1:{port}",
            host_id=HOST,
            key=AGENT_KEY,
            order_key=auth.public_key(ORDER_KEY),
        )
        source = PolicyFile(file, Policy(own_pid=os.getpid()))
        settings = AgentSettings(identity=GivenIdentity(identity), spool=tmp_path / "spool", policy=source)
        stop = asyncio.Event()
        task = asyncio.create_task(Agent(settings, ProcfsSource()).run(stop))
        try:
            await lying.hear(messages.Heartbeat)
            yield lying
        finally:
            stop.set()
            await task


@pytest.fixture
def child() -> Iterator[Child]:
    started = subprocess.Popen(["sleep", "60"])
    yield started
    started.kill()
    started.wait()


async def order(hub: Hub, pid: int, **said: Any) -> messages.OrderResult:
    """The last word on an order that is signed as it should be."""
    now = time.time_ns()
    body = messages.OrderBody(
        **{
            "order_id": os.urandom(8).hex(),
            "host_id": HOST,
            "target": messages.ProcessKey(boot_id(), pid, start_ns_of(pid)),
            "signal": "KILL",
            "nonce": os.urandom(16),
            "issued_wall_ns": now,
            "expires_wall_ns": now + 10**10,
            "actor": "root",
            **said,
        }
    )
    packed = msgspec.msgpack.encode(body)
    await hub.tell(messages.Order(body=packed, signature=auth.sign(ORDER_KEY, auth.order_text(packed))))
    while not (told := await hub.hear(messages.OrderResult)).final:
        pass
    assert isinstance(told, messages.OrderResult)
    return told


async def test_whatever_a_hub_signs_a_monitor_only_host_does_nothing(tmp_path: Path, child: Child) -> None:
    async with driven(tmp_path, 'mode = "monitor-only"\nsignals = ["KILL"]') as hub:
        for said in [{"signal": name} for name in ("KILL", "TERM", "STOP", "9", "SIGKILL", "")] + [
            {"signal": "", "action": action} for action in ACTIONS
        ]:
            told = await order(hub, child.pid, **said)
            assert (told.outcome, told.code) == ("refused", "monitor_only"), said
        assert child.poll() is None
        assert os.getpriority(os.PRIO_PROCESS, child.pid) == os.getpriority(os.PRIO_PROCESS, 0)


async def test_a_hub_that_signs_everything_reaches_nobody_that_the_host_protects(
    tmp_path: Path, child: Child
) -> None:
    policy = 'mode = "signals"\nactions = ["renice", "ionice", "freeze"]\n[protect]\nnames = ["sleep"]'
    async with driven(tmp_path, policy) as hub:
        for pid in (1, 2, os.getpid(), child.pid):
            for said in (
                {"signal": "CONT"},
                {"signal": "", "action": ACTIONS[1]},
                {"signal": "", "action": ACTIONS[2]},
            ):
                told = await order(hub, pid, **said)
                assert (told.outcome, told.code) == ("refused", "protected"), (pid, said)
        told = await order(hub, child.pid, signal="", action=ACTIONS[0])
        assert told.outcome == "refused"
        assert child.poll() is None


async def test_a_signal_that_tukur_never_sends_is_refused_although_every_signal_is_allowed(
    tmp_path: Path, child: Child
) -> None:
    async with driven(tmp_path, 'mode = "signals"') as hub:
        for name in ("USR1", "SEGV", "9", "SIGKILL", "KILL; reboot", "", "\0"):
            told = await order(hub, child.pid, signal=name)
            assert (told.outcome, told.code) == ("refused", "signal_forbidden"), name
        assert child.poll() is None


async def test_a_policy_that_gets_stricter_holds_for_the_next_order_and_the_hub_is_told(
    tmp_path: Path, child: Child
) -> None:
    async with driven(tmp_path, 'mode = "signals"') as hub:
        first = await hub.hear(messages.Hello)
        assert (first.facts.signals, first.facts.policy.problem) != ([], "")
        (tmp_path / "policy.toml").write_text("signals = [")
        told = await order(hub, child.pid, signal="TERM")
        assert (told.outcome, told.code) == ("refused", "policy_broken")
        again = await hub.hear(messages.Hello)
        assert again.facts.signals == []
        assert "policy.toml" in again.facts.policy.problem
        assert child.poll() is None


async def test_bytes_that_are_no_message_end_the_connection_and_nothing_else(
    tmp_path: Path, child: Child
) -> None:
    async with driven(tmp_path, 'mode = "signals"') as hub:
        await hub.hear(messages.Hello)
        run = msgspec.msgpack.encode({"type": "run", "command": "touch /tmp/owned"})
        for odd in (b"\x01" + run, b"", b"\x01", b"\x02junk", b"\x01\xc1", os.urandom(1000)):
            socket = hub.socket
            assert socket is not None
            hub.socket = None
            await socket.send(odd)
            await hub.hear(messages.Hello, 10)
        assert (await order(hub, child.pid, signal="TERM")).outcome == "exited"


async def test_two_orders_of_one_nonce_are_one(tmp_path: Path, child: Child) -> None:
    async with driven(tmp_path, 'mode = "signals"') as hub:
        nonce = os.urandom(16)
        assert (await order(hub, child.pid, signal="STOP", nonce=nonce)).outcome == "stopped"
        assert (await order(hub, child.pid, signal="KILL", nonce=nonce)).code == "repeated"
        assert child.poll() is None
