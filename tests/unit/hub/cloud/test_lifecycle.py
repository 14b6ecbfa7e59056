"""Machines that come and go under a real hub: what left is not down, and what is down is not hidden."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.support.google.cloud import Cloud
from tests.support.hub import RunningHub, ScriptedAgent, agent
from tests.support.record import Machine, facts_of
from tests.support.waiting import until
from tukur.agent.joining.identity import Identity
from tukur.agent.joining.join import join
from tukur.hub.cloud import lifecycle
from tukur.hub.cloud.api import GoogleApi
from tukur.hub.cloud.groups import Groups
from tukur.hub.cloud.lifecycle import Lifecycle
from tukur.protocol import messages
from tukur.protocol.join_token import JoinToken

LIST = "compute.regionInstanceGroupManagers.listManagedInstances"
REBOOTED = "88888888-2222-3333-4444-555555555555"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same in a tenth of the time."""
    for name, seconds in (("ROUND_S", 0.4), ("SOON_S", 0.1), ("GATHER_S", 0.02), ("GRACE_S", 0.6)):
        monkeypatch.setattr(lifecycle, name, seconds)


async def joined(hub: RunningHub) -> Identity:
    """The machine that the metadata server speaks of, as a host."""
    return await join(hub.url, JoinToken(b"", None), "owl")


@contextlib.asynccontextmanager
async def connected(
    hub: RunningHub, identity: Identity, boot_id: str | None = None
) -> AsyncIterator[ScriptedAgent]:
    facts = facts_of(boot_id) if boot_id else facts_of()
    async with agent(hub, identity.host_id, key=identity.key, facts=facts) as scripted:
        yield scripted


async def state(hub: RunningHub, identity: Identity) -> str:
    return (await hub.parts.history.host(identity.host_id)).state


async def states_until(hub: RunningHub, identity: Identity, last: str) -> list[str]:
    """Each state that the host is in, up to the one that is waited for."""
    seen: list[str] = []
    async with asyncio.timeout(15):
        while not seen or seen[-1] != last:
            now = await state(hub, identity)
            if not seen or now != seen[-1]:
                seen.append(now)
            await asyncio.sleep(0.01)
    return seen


async def reason(hub: RunningHub, identity: Identity) -> str:
    found = (await hub.parts.history.host(identity.host_id)).instance
    assert found is not None
    return found.reason


async def test_a_machine_that_is_scaled_in_left_and_is_down_at_no_time(
    hub: RunningHub, around: Cloud
) -> None:
    made = around.add()
    identity = await joined(hub)
    async with connected(hub, identity):
        assert await state(hub, identity) == "online"
        around.says(made, "RUNNING", "DELETING")
    assert set(await states_until(hub, identity, "left")) <= {"online", "unknown", "left"}
    assert await reason(hub, identity) == "deleting"


async def test_a_machine_that_is_there_and_silent_is_down(hub: RunningHub, around: Cloud) -> None:
    around.add()
    identity = await joined(hub)
    async with connected(hub, identity):
        pass
    assert await states_until(hub, identity, "offline") in (
        ["unknown", "offline"],
        ["online", "unknown", "offline"],
    )


async def test_a_machine_that_is_live_migrated_is_down_at_no_time(
    hub: RunningHub, around: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "GRACE_S", 30.0)
    around.add()
    identity = await joined(hub)
    async with connected(hub, identity):
        pass
    around.google.calls.clear()
    # Its group is asked meanwhile, and says that it runs.
    await until(lambda: len(around.google.calls) >= 2)
    async with connected(hub, identity):
        seen = await states_until(hub, identity, "online")
        assert "offline" not in seen
        (row,) = await hub.parts.store.hosts(identity.host_id)
        assert row.instance is not None
        assert row.instance.state == ""


@pytest.mark.parametrize(
    ("status", "action", "expected", "why"),
    [
        ("SUSPENDED", "NONE", "suspended", "suspended"),
        ("STOPPING", "NONE", "stopped", "stopping"),
        ("TERMINATED", "RECREATING", "left", "recreated"),
    ],
)
async def test_what_became_of_a_machine_is_told_apart_and_it_may_come_back(
    hub: RunningHub, around: Cloud, status: str, action: str, expected: str, why: str
) -> None:
    made = around.add()
    identity = await joined(hub)
    async with connected(hub, identity):
        around.says(made, status, action)
    assert "offline" not in await states_until(hub, identity, expected)
    assert await reason(hub, identity) == why
    around.says(made, "RUNNING")
    async with connected(hub, identity, REBOOTED):
        assert await state(hub, identity) == "online"
    # What was said before it was back counts no more.
    assert await state(hub, identity) in ("online", "unknown")


async def test_a_machine_that_was_recreated_under_its_name_is_another_host(
    hub: RunningHub, around: Cloud
) -> None:
    made = around.add("web-aaaa")
    first = await joined(hub)
    async with connected(hub, first):
        around.google.remove_instance(made)
        around.add("web-aaaa")
    assert "offline" not in await states_until(hub, first, "left")
    assert await reason(hub, first) == "recreated"
    second = await joined(hub)
    async with connected(hub, second):
        assert await state(hub, second) == "online"
        assert await state(hub, first) == "left"


async def test_a_preempted_machine_is_told_from_one_that_was_stopped(hub: RunningHub, around: Cloud) -> None:
    made = around.add()
    identity = await joined(hub)
    async with connected(hub, identity) as scripted:
        around.says(made, "STOPPING")
        await scripted.send(messages.Goodbye(preempted=True))
    await states_until(hub, identity, "stopped")
    assert await reason(hub, identity) == "preempted"
    around.says(made, "TERMINATED")
    around.google.calls.clear()
    await until(lambda: len(around.google.calls) >= 2)
    assert await reason(hub, identity) == "preempted"


async def test_while_the_group_does_not_answer_a_silent_host_is_unknown(
    hub: RunningHub, around: Cloud
) -> None:
    made = around.add()
    identity = await joined(hub)
    async with connected(hub, identity):
        pass
    await states_until(hub, identity, "offline")
    around.google.fail(LIST, 503, "backendError", times=10_000)
    await states_until(hub, identity, "unknown")
    around.google.faults.clear()
    around.google.remove_instance(made)
    assert "offline" not in await states_until(hub, identity, "left")


async def test_a_forged_goodbye_hides_no_host_that_lives(hub: RunningHub, around: Cloud) -> None:
    around.add()
    identity = await joined(hub)
    async with connected(hub, identity) as scripted:
        for _ in range(20):
            await scripted.send(messages.Goodbye())
            await asyncio.sleep(0.02)
            assert await state(hub, identity) == "online"
        assert identity.host_id in [
            host.host_id for host in await hub.parts.history.hosts(lambda _: True, left=False)
        ]
    # It ends all the same, and its machine runs: it is down, whatever it said.
    await states_until(hub, identity, "offline")


async def test_hosts_that_left_fold_away_and_keep_their_past(hub: RunningHub, around: Cloud) -> None:
    made = around.add("web-aaaa")
    identity = await joined(hub)
    async with connected(hub, identity) as scripted:
        machine = Machine()
        machine.start(4711, "owl")
        await scripted.send(machine.block(3))
        await scripted.hear(messages.Ack)
        around.google.remove_instance(made)
    await states_until(hub, identity, "left")
    async with await hub.bearer("viewer") as client:
        shown = (await client.get("/api/hosts")).json()
        assert identity.host_id not in [host["host_id"] for host in shown["hosts"]]
        assert shown["left"] == 1
        whole = (await client.get("/api/hosts", params={"left": "true"})).json()
        (host,) = [host for host in whole["hosts"] if host["host_id"] == identity.host_id]
        assert (host["state"], host["name"], host["instance"]["reason"]) == ("left", "web-aaaa", "removed")
        found = (await client.get("/api/lives", params={"q": "owl", "host": identity.host_id})).json()
        assert [life["pid"] for life in found["lives"]] == [4711]


async def test_one_request_asks_for_all_silent_hosts_of_a_group_and_none_while_all_are_there(
    hub: RunningHub, around: Cloud
) -> None:
    identities = []
    for _ in range(5):
        around.add()
        identities.append(await joined(hub))
    assert hub.parts.lifecycle is not None
    async with contextlib.AsyncExitStack() as stack:
        for identity in identities:
            await stack.enter_async_context(connected(hub, identity))
        await asyncio.sleep(0.2)
        around.google.calls.clear()
        await asyncio.sleep(0.5)
        assert around.google.calls == []
    await until(lambda: len(around.google.calls) > 0)
    before = len(around.google.calls)
    await hub.parts.lifecycle.round()
    assert len(around.google.calls) - before <= 2


async def test_after_the_hubs_start_no_host_is_down_before_it_could_come_back(
    hub: RunningHub, around: Cloud
) -> None:
    around.add()
    identity = await joined(hub)
    now = 2_000_000_000.0
    parts = hub.parts
    fresh = Lifecycle(
        parts.store.control.instances,
        Groups(around.settings, GoogleApi()),
        parts.presence,
        parts.bus,
        lambda: now,
    )
    for now in (2_000_000_001.0, 2_000_000_059.0):  # noqa: B007 - the clock reads it
        assert await fresh.round()
        assert await state(hub, identity) == "unknown"
    now = 2_000_000_061.0
    await fresh.round()
    assert await state(hub, identity) == "offline"
