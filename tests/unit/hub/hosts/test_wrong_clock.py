"""A host whose clock is wrong, from its words to the API."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest

from tests.support.hub import HOST, RunningHub, agent, running_hub
from tests.support.record import BOOT, SECOND, Machine, facts_of
from tukur.protocol import messages

AHEAD = 300 * SECOND
UP = 9_000 * SECOND


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[RunningHub]:
    async with running_hub(tmp_path) as running:
        yield running


@pytest.fixture
async def operator(hub: RunningHub) -> AsyncIterator[httpx.AsyncClient]:
    async with await hub.bearer("operator") as client:
        yield client


def wrong_clock() -> int:
    return time.time_ns() + AHEAD


def wrong_facts(begun_ns: int) -> messages.HostFacts:
    return msgspec.structs.replace(facts_of(), booted_wall_ns=begun_ns + AHEAD - UP)


async def test_its_record_is_at_the_hubs_time_and_its_orders_are_by_its_own(
    hub: RunningHub, operator: httpx.AsyncClient
) -> None:
    begun = time.time_ns() // SECOND * SECOND - 60 * SECOND
    machine = Machine(wall_ns=begun + AHEAD, boot_ns=UP)
    machine.start(10, "worker", "worker", "--queue")
    block = machine.block(10)
    async with agent(hub, facts=wrong_facts(begun), clock=wrong_clock) as owl:
        await owl.send(block)
        await owl.hear(messages.Ack)
        (host,) = [
            one for one in (await operator.get("/api/hosts")).json()["hosts"] if one["host_id"] == HOST
        ]
        assert abs(host["clock_ms"] - 300_000) < 1000
        assert abs(host["shift_ms"] + 300_000) < 1000
        assert abs(host["first_ms"] - begun // 1_000_000) < 1000
        assert abs(host["booted_ms"] - (begun - UP) // 1_000_000) < 1000
        at = begun // 1_000_000 + 4000 + host["first_ms"] - begun // 1_000_000
        table = (await operator.get(f"/api/hosts/{HOST}/processes", params={"at": at})).json()
        assert (table["at_ms"], [row["name"] for row in table["processes"]]) == (at, ["worker"])
        span = {"from": host["first_ms"], "to": host["first_ms"] + 10_000, "points": 10}
        series = (await operator.get(f"/api/hosts/{HOST}/series", params=span)).json()
        assert sum(value is not None for value in series["figures"]["processes"]["mean"]) == 10
        order = {"boot_id": BOOT, "pid": 10, "start_ns": "5", "signal": "TERM"}
        issued = (await operator.post(f"/api/hosts/{HOST}/orders", json=order)).json()["issued_ms"]
        assert abs(issued - time.time_ns() // 1_000_000) < 5000
        body = messages.order_body.decode((await owl.hear(messages.Order)).body)
        assert abs(body.issued_wall_ns - wrong_clock()) < 5 * SECOND


async def test_a_clock_that_is_set_back_neither_loses_nor_doubles_a_second(
    hub: RunningHub, operator: httpx.AsyncClient
) -> None:
    begun = time.time_ns() // SECOND * SECOND - 60 * SECOND
    machine = Machine(wall_ns=begun + AHEAD, boot_ns=UP)
    machine.start(10, "worker")
    before = machine.block(10)
    async with agent(hub, facts=wrong_facts(begun), clock=wrong_clock) as owl:
        await owl.send(before)
        await owl.hear(messages.Ack)
        machine.wall_ns -= AHEAD
        beat = messages.Heartbeat(
            wall_ns=time.time_ns(),
            boot_ns=time.time_ns() - begun + UP,
            rates={},
            top=[],
            missed=0,
            spooled=0,
            faults={},
        )
        await owl.send(beat, machine.block(10))
        await owl.hear(messages.Ack)
    span = {"from": begun // 1_000_000 - 5000, "to": begun // 1_000_000 + 25_000, "points": 60}
    series = (await operator.get(f"/api/hosts/{HOST}/series", params=span)).json()
    assert sum(value is not None for value in series["figures"]["processes"]["mean"]) == 20
    assert [gap for gap in series["gaps"] if gap["to_ms"] - gap["from_ms"] > 2000] == []
