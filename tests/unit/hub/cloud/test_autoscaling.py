"""A day of an autoscaled group under one hub, in some seconds: 500 machines come, record, and go."""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.google.cloud import Cloud, signing_keys
from tests.support.google.identity import Instance, signed
from tests.support.hub import HOST, RunningHub, agent
from tests.support.record import Machine
from tukur.agent.joining import join as joining
from tukur.agent.joining.identity import Identity
from tukur.hub.cloud import lifecycle
from tukur.protocol import messages
from tukur.protocol.join_token import JoinToken

MACHINES = 500
AT_ONCE = 40
"""The group's size at noon."""


@dataclass(slots=True)
class Day:
    """What is seen of it."""

    hub: RunningHub
    around: Cloud
    identities: list[Identity] = field(default_factory=list)
    states: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    asked: int = 0

    async def live(self, number: int, chance: random.Random) -> None:
        """The life of one machine: it boots, joins, records, and is scaled in."""
        made = self.around.google.add_instance(self.around.group)
        OF_TASK[asyncio.current_task()] = Instance.of(made)
        identity = await joining.join(self.hub.url, JoinToken(b"", None), "owl")
        self.identities.append(identity)
        async with agent(self.hub, identity.host_id, key=identity.key) as scripted:
            machine = Machine(boot_id=f"99999999-2222-3333-4444-{number:012d}")
            machine.start(4711, "owl")
            await scripted.send(machine.block(1))
            await scripted.hear(messages.Ack)
            await asyncio.sleep(chance.uniform(0, 0.2))
            # As a managed instance group does: first the mark, then SIGTERM, then it is gone.
            made["tests.action"] = "DELETING"
            if chance.random() < 0.8:
                await scripted.send(messages.Goodbye())
        await asyncio.sleep(chance.uniform(0, 0.1))
        self.around.google.remove_instance(made)

    async def look(self, client: Any, ended: asyncio.Event) -> None:
        """What an administrator sees of all hosts, over and over."""
        while not ended.is_set():
            hosts = (await client.get("/api/hosts", params={"left": "true"})).json()["hosts"]
            self.asked += 1
            self.states.update(host["state"] for host in hosts if host["instance"])
            begun = time.perf_counter()
            await client.get("/api/hosts")
            self.slowest_s = max(self.slowest_s, time.perf_counter() - begun)
            await asyncio.sleep(0.5)


OF_TASK: dict[Any, Instance] = {}
"""Which machine a task is."""


async def own_identity_token(audience: str) -> str:
    """From the metadata server of the machine that asks: here there is one process for all."""
    return signed(OF_TASK[asyncio.current_task()].claims(audience), signing_keys().newest)


@pytest.mark.timeout(180)
async def test_500_machines_come_and_go_and_none_is_reported_down_or_lost(
    hub: RunningHub, around: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joining, "identity_token", own_identity_token)
    for name, seconds in (("ROUND_S", 1.0), ("SOON_S", 0.3), ("GATHER_S", 0.1)):
        monkeypatch.setattr(lifecycle, name, seconds)
    # In this process the hub's limit counts all machines as one address that tries again and again.
    day, chance, ended = Day(hub, around), random.Random(12), asyncio.Event()
    places = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with places:
            await day.live(number, chance)

    async with await hub.bearer("viewer") as client, agent(hub, HOST):
        looking = asyncio.create_task(day.look(client, ended))
        await asyncio.gather(*(one(number) for number in range(MACHINES)))
        left = hub.parts.store.control.instances

        async def all_left() -> bool:
            return sum(count for _, count in await left.left()) == MACHINES

        async with asyncio.timeout(30):
            while not await all_left():
                await asyncio.sleep(0.1)
        ended.set()
        await looking
        shown = (await client.get("/api/hosts")).json()
        whole = (await client.get("/api/hosts", params={"left": "true"})).json()["hosts"]
    assert day.states["offline"] == 0, day.states
    assert day.states["online"] > 0
    assert len({identity.host_id for identity in day.identities}) == MACHINES
    assert [host["state"] for host in shown["hosts"] if host["instance"]] == []
    assert shown["left"] == MACHINES
    machines = [host for host in whole if host["instance"]]
    assert {host["state"] for host in machines} == {"left"}
    # Nothing that was recorded is lost with its machine.
    assert sum(host["first_ms"] is not None for host in machines) == MACHINES
    assert day.slowest_s < 2.0, "the list of hosts is slow"
    print(f"{day.asked} looks, the slowest list took {day.slowest_s * 1000:.0f} ms, {dict(day.states)}")
