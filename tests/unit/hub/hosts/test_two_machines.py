"""Two agents with one identity: a cloned disk, or a copied key."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.hub import HOST, RunningHub, ScriptedAgent, agent, connection, running_hub
from tests.support.record import BOOT, facts_of
from tests.support.waiting import until
from tukur.hub.console.hosts import HostConsole
from tukur.protocol import messages

CLONE = facts_of(hostname="clone", boot_id="99999999-0000-0000-0000-000000000001")


BEAT = messages.Heartbeat(wall_ns=1, boot_ns=1, rates={}, top=[], missed=0, spooled=0, faults={})


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[RunningHub]:
    async with running_hub(tmp_path) as running:
        yield running


@contextlib.asynccontextmanager
async def living(hub: RunningHub, facts: messages.HostFacts | None = None) -> AsyncIterator[ScriptedAgent]:
    """An agent that beats, as a real one does."""
    async with agent(hub, facts=facts) as scripted:

        async def beat() -> None:
            while True:
                await scripted.send(BEAT)
                await asyncio.sleep(0.05)

        beating = asyncio.create_task(beat())
        try:
            yield scripted
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)


async def refusal(hub: RunningHub, facts: messages.HostFacts | None = None) -> str:
    """With which code a connection is refused; empty: it is not."""
    async with connection(hub, facts=facts) as second:
        await until(
            lambda: second.refused or any(isinstance(said, messages.Welcome) for said in second.heard)
        )
        return second.refused.code if second.refused is not None else ""


async def host(client: httpx.AsyncClient) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(f"/api/hosts/{HOST}")).json()
    return found


async def test_the_second_machine_is_held_and_both_are_shown(hub: RunningHub) -> None:
    async with living(hub) as first, await hub.bearer("viewer") as client:
        assert await refusal(hub, CLONE) == "held"
        shown = await host(client)
        assert (shown["online"], shown["boot_id"]) == (True, BOOT)
        (held,) = shown["held"]
        assert (held["hostname"], held["boot_id"], held["address"]) == ("clone", CLONE.boot_id, "127.0.0.1")
        assert first.refused is None


async def test_it_stays_held_when_the_first_one_goes_until_somebody_decides(hub: RunningHub) -> None:
    async with living(hub):
        assert await refusal(hub, CLONE) == "held"
    assert await refusal(hub, CLONE) == "held"
    async with await hub.bearer("admin") as client:
        answer = await client.post(f"/api/hosts/{HOST}/release", json={})
        assert answer.json()["held"] == []
        again = await client.post(f"/api/hosts/{HOST}/release", json={})
        assert (again.status_code, again.json()["code"]) == (409, "nobody_held")
    assert await refusal(hub, CLONE) == ""


async def test_a_decision_for_the_second_ends_the_first_ones_connection(hub: RunningHub) -> None:
    async with living(hub) as first:
        assert await refusal(hub, CLONE) == "held"
        async with await hub.bearer("admin") as client:
            await client.post(f"/api/hosts/{HOST}/release", json={"boot_id": CLONE.boot_id})
        assert await first.ended(1) == 1008
        async with living(hub, CLONE):
            assert await refusal(hub) == "held"


async def test_after_a_decision_the_host_may_boot_again(hub: RunningHub) -> None:
    async with living(hub):
        assert await refusal(hub, CLONE) == "held"
    assert await HostConsole(hub.parts.settings.data_dir).release(HOST, BOOT)
    async with living(hub):
        pass
    assert await refusal(hub, facts_of(boot_id="99999999-0000-0000-0000-000000000002")) == ""


async def test_a_command_that_decides_ends_the_others_connection_when_the_hub_is_poked(
    hub: RunningHub,
) -> None:
    async with living(hub) as first:
        assert await refusal(hub, CLONE) == "held"
        assert await HostConsole(hub.parts.settings.data_dir).release(HOST, CLONE.boot_id)
        hub.parts.fleet.wake()
        assert await first.ended(2) == 1008


async def test_a_second_agent_of_the_same_machine_is_refused_while_the_first_one_lives(
    hub: RunningHub,
) -> None:
    async with living(hub), await hub.bearer("viewer") as client:
        assert await refusal(hub) == "twice"
        shown = await host(client)
        assert shown["held"] == []
        assert shown["faults"]["hub.twice"] == 1


async def test_a_machine_that_booted_anew_is_let_in_when_its_old_connection_is_dead(
    hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tukur.hub.ingest.connections.LIVES_S", 0.1)
    async with agent(hub):
        assert await refusal(hub, CLONE) == ""
