"""Where the record has nothing, over HTTP, as blocks and gaps brought it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.support.hub import HOST, OTHER, agent, running_hub
from tests.support.record import BOOT, SECOND, WALL, Machine
from tukur.hub.history.gaps import unexplained, unstored
from tukur.hub.store.record.gaps import Hole
from tukur.protocol import messages

pytestmark = pytest.mark.asyncio(loop_scope="module")

START = WALL // 1_000_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def viewer(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    """Seconds 0 to 9 and 60 to 69 are recorded; 20 to 39 were, and given up."""
    machine = Machine()
    booted = machine.boot_ns
    machine.start(1, "init", ppid=0, start_ns=SECOND)
    sent: list[messages.Block | messages.Gap] = [machine.block(10)]
    machine.skip(50)
    sent.append(machine.block(10))
    sent.append(
        messages.Gap(
            boot_id=BOOT,
            first_ns=booted + 20 * SECOND,
            last_ns=booted + 39 * SECOND,
            first_wall_ns=WALL + 20 * SECOND,
            last_wall_ns=WALL + 39 * SECOND,
            blocks=2,
            samples=20,
            reason="spool_full",
        )
    )
    async with running_hub(tmp_path_factory.mktemp("hub")) as hub, agent(hub) as owl:
        await owl.send(*sent)
        for _ in sent:
            await owl.hear(messages.Ack)
        await owl.send(
            messages.Heartbeat(wall_ns=1, boot_ns=1, rates={}, top=[], missed=0, spooled=7, faults={})
        )
        async with await hub.bearer("viewer") as client:
            yield client


async def get(viewer: httpx.AsyncClient, from_s: int, to_s: int, **query: Any) -> Any:
    wanted = {"from": START + from_s * 1000, "to": START + to_s * 1000, **query}
    answer = await viewer.get(f"/api/hosts/{HOST}/gaps", params=wanted)
    assert answer.status_code == 200, answer.text
    return answer.json()


def seconds(found: Any) -> list[tuple[int, int, str]]:
    return [
        ((gap["from_ms"] - START) // 1000, (gap["to_ms"] - START) // 1000, gap["reason"])
        for gap in found["gaps"]
    ]


async def test_what_was_given_up_is_told_beside_what_nobody_recorded(viewer: httpx.AsyncClient) -> None:
    found = await get(viewer, 0, 100)
    assert seconds(found) == [(9, 19, "not_recorded"), (20, 39, "spool_full"), (40, 60, "not_recorded")]
    assert [(gap["blocks"], gap["samples"], gap["boot_id"]) for gap in found["gaps"]] == [
        (None, None, None),
        (2, 20, BOOT),
        (None, None, None),
    ]
    assert found["spooled"] == 7


async def test_only_what_touches_the_range_is_told(viewer: httpx.AsyncClient) -> None:
    assert seconds(await get(viewer, 0, 9)) == []
    assert seconds(await get(viewer, 25, 30)) == [(20, 39, "spool_full")]
    assert seconds(await get(viewer, 61, 70)) == []
    limited = await get(viewer, 0, 100, limit=1)
    assert (seconds(limited), limited["more"]) == ([(9, 19, "not_recorded")], True)


async def test_another_host_has_none_and_an_unknown_one_is_an_error(viewer: httpx.AsyncClient) -> None:
    query = {"from": START, "to": START + 60_000}
    other = await viewer.get(f"/api/hosts/{OTHER}/gaps", params=query)
    assert (other.json()["gaps"], other.json()["spooled"]) == ([], 0)
    unknown = await viewer.get("/api/hosts/none/gaps", params=query)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "host_unknown")


@dataclass
class Told:
    first_ms: int
    last_ms: int


async def test_a_hole_that_gaps_account_for_is_none() -> None:
    hole = Hole(9_000, 60_000)
    assert unexplained([hole], [Told(10_000, 39_000), Told(40_000, 59_000)]) == []
    assert unexplained([hole], [Told(20_000, 59_000)]) == [Hole(9_000, 19_000)]
    assert unexplained([hole], [Told(0, 5_000), Told(70_000, 80_000)]) == [hole]
    paused = Hole(9_000, 60_000, "not_sampled")
    assert unexplained([paused], [Told(20_000, 59_000)]) == [Hole(9_000, 19_000, "not_sampled")]


async def test_a_pause_is_a_gap_as_soon_as_the_agent_says_so_and_lost_heartbeats_are_none() -> None:
    def beat(second: int, missed: int) -> messages.Heartbeat:
        wall_ns = second * SECOND
        return messages.Heartbeat(
            wall_ns=wall_ns, boot_ns=wall_ns, rates={}, top=[], missed=missed, spooled=0, faults={}
        )

    beats = [beat(8, 0), beat(12, 3), beat(13, 3), beat(20, 3), beat(36, 18), beat(38, 19)]
    assert unstored(beats, 15_000) == [Hole(20_000, 36_000, "not_sampled")]
    assert unstored(beats, 36_000) == [], "its block has come: the record knows"
