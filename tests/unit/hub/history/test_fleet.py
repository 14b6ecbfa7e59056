"""Queries over all hosts, and over two instants of one."""

from collections.abc import AsyncIterator
from itertools import count

import httpx
import pytest
import pytest_asyncio

from tests.support.hub import HOST, OTHER, RunningHub, recorded, running_hub
from tests.support.record import GIB, WALL, Machine
from tukur.hub.store.record.rollups import HOUR_MS
from tukur.protocol.messages import Block

pytestmark = pytest.mark.asyncio(loop_scope="module")

BOOTS = ("99999999-2222-3333-4444-555555555555", "88888888-2222-3333-4444-555555555555")


def at(second: int) -> int:
    return WALL // 1_000_000 + second * 1000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(tmp_path_factory: object) -> AsyncIterator[RunningHub]:
    folder = tmp_path_factory.mktemp("fleet")  # type: ignore[attr-defined]
    async with running_hub(folder) as running:
        for number, host_id in enumerate((HOST, OTHER)):
            machine = Machine(boot_id=BOOTS[number])
            machine.start(10, f"worker-{number}", "worker", "--queue", f"q{number}")
            machine.start(11, "leaving")
            machine.sample()
            blocks: list[Block] = []
            for _ in range(6):
                machine.work(10, cpu_s=0.5 + number)
                machine.set(10, rss_anon=GIB * (1 + len(blocks)))
                blocks.append(machine.block(10 if blocks else 9))
                if len(blocks) == 3:
                    machine.end(11)
                    machine.start(12, "coming")
            await recorded(running, *blocks, host_id=host_id)
        yield running


_NAMES = count()


async def get(hub: RunningHub, path: str) -> httpx.Response:
    async with await hub.bearer("viewer", str(next(_NAMES))) as viewer:
        return await viewer.get(path)


async def test_the_busiest_of_all_hosts_come_first_from_minutes_and_from_hours(hub: RunningHub) -> None:
    path = f"/api/top?from={at(0)}&to={at(60)}&by=cpu&limit=3"
    found = (await get(hub, path)).json()
    assert [(entry["host_id"], entry["process"]["name"]) for entry in found["processes"]] == [
        (OTHER, "worker-1"),
        (HOST, "worker-0"),
    ]
    assert [entry["process"]["cpu_s"] for entry in found["processes"]] == [9.0, 3.0]
    hour = at(0) - at(0) % HOUR_MS
    assert await hub.parts.store.facts.rollups.add_up(hour + 2 * HOUR_MS, 10) == 2
    wide = (await get(hub, f"/api/top?from={hour}&to={hour + HOUR_MS}&by=cpu")).json()
    assert wide["processes"] == found["processes"]


async def test_a_search_over_all_hosts_and_over_one(hub: RunningHub) -> None:
    found = (await get(hub, "/api/lives?q=queue")).json()
    assert {(life["host_id"], life["cmdline"]) for life in found["lives"]} == {
        (HOST, "worker --queue q0"),
        (OTHER, "worker --queue q1"),
    }
    assert found["next"] is None
    one = (await get(hub, f"/api/lives?q=leaving&host={OTHER}")).json()["lives"]
    assert [(life["host_id"], life["ended"], life["boot_id"]) for life in one] == [(OTHER, True, BOOTS[1])]
    page = (await get(hub, "/api/lives?limit=4")).json()
    rest = (await get(hub, f"/api/lives?limit=4&after={page['next']}")).json()
    assert (len(page["lives"]), len(rest["lives"]), rest["next"]) == (4, 2, None)


async def test_a_search_that_makes_no_sense_is_told(hub: RunningHub) -> None:
    for query, code in (
        ("q=%2F%2F", "bad_search"),
        ("q=a+b+c+d+e+f+g+h+i", "bad_search"),
        ("after=1-2", "bad_cursor"),
        ("from=5&to=4", "bad_range"),
        ("host=nobody", "host_unknown"),
    ):
        assert (await get(hub, f"/api/lives?{query}")).json()["code"] == code, query


async def test_two_instants_differ_in_who_came_who_went_and_who_grew(hub: RunningHub) -> None:
    found = (await get(hub, f"/api/hosts/{HOST}/difference?from={at(5)}&to={at(55)}")).json()
    assert (found["appeared"], found["gone"], found["stayed"]) == (1, 1, 1)
    first, *others = found["processes"]
    assert (first["name"], first["change"], first["rss_growth"], first["cpu_s"]) == (
        "worker-0",
        "stayed",
        5 * GIB,
        2.5,
    )
    assert first["cmdline"] == "worker --queue q0"
    assert {entry["name"]: entry["change"] for entry in others} == {"coming": "appeared", "leaving": "gone"}
    by_cpu = (await get(hub, f"/api/hosts/{HOST}/difference?from={at(5)}&to={at(55)}&by=cpu&limit=1")).json()
    assert [entry["name"] for entry in by_cpu["processes"]] == ["worker-0"]


async def test_of_one_instant_twice_nothing_differs(hub: RunningHub) -> None:
    found = (await get(hub, f"/api/hosts/{HOST}/difference?from={at(5)}&to={at(5) + 1}")).json()
    assert (found["appeared"], found["gone"]) == (0, 0)
    assert {entry["rss_growth"] for entry in found["processes"]} == {0}


async def test_the_seconds_of_a_range_are_its_own(hub: RunningHub) -> None:
    path = f"/api/lives?q=coming&from={at(0)}&to={at(20)}"
    assert (await get(hub, path)).json()["lives"] == []
    path = f"/api/lives?q=coming&from={at(20)}"
    assert len((await get(hub, path)).json()["lives"]) == 2
