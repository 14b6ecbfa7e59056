"""How lives ended, over HTTP: exact, paged, together, lost."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.support.hub import HOST, recorded, running_hub
from tests.support.record import BOOT, WALL, Machine
from tukur.protocol import messages
from tukur.records import Losses

pytestmark = pytest.mark.asyncio(loop_scope="module")

START = WALL // 1_000_000


def history() -> list[messages.Block]:
    """Two minutes. At 10 s a hundred short lives, one of which fails; at 20 s one is killed; at 30 s one is
    not there any more and nobody told why; at 70 s many are told together, and some are lost."""
    machine = Machine()
    parent = machine.start(1, "init", ppid=0)
    machine.start(11, "killed")
    machine.start(12, "vanished")
    blocks = []
    for second in range(120):
        if second == 10:
            for pid in range(100, 200):
                machine.flash(pid, "cc1", "cc1", f"unit{pid}.c", status=256 if pid == 150 else 0)
        if second == 20:
            machine.exit(11, status=9, cpu_ns=4_000_000)
        if second == 30:
            machine.end(12)
        if second == 70:
            machine.together("true", lives=5000, cpu_ns=2_000_000_000, start_ns=parent)
            machine.together("", lives=0, cpu_ns=1_000_000_000, start_ns=parent)
            machine.lose(Losses(lives=7, cpu_ns=3_000_000, execs=2, finals=1))
        machine.sample()
        if second % 10 == 9:
            blocks.append(machine.block())
    return blocks


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def viewer(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    async with running_hub(tmp_path_factory.mktemp("exits")) as running:
        await recorded(running, *history())
        async with await running.bearer("viewer") as client:
            yield client


async def get(viewer: httpx.AsyncClient, begin: float, end: float, **query: Any) -> Any:
    span = {"from": START + int(begin * 1000), "to": START + int(end * 1000)}
    answer = await viewer.get(f"/api/hosts/{HOST}/exits", params={**span, **query})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_every_short_life_is_told_with_how_it_ended(viewer: httpx.AsyncClient) -> None:
    found = await get(viewer, 0, 60)
    by_pid = {entry["pid"]: entry for entry in found["exits"]}
    assert len(found["exits"]) == 102
    one = by_pid[150]
    assert (one["name"], one["cmdline"], one["exact"]) == ("cc1", "cc1 unit150.c", True)
    assert (one["exit_code"], one["exit_signal"], one["boot_id"]) == (1, None, BOOT)
    assert one["ended_ms"] - one["started_ms"] == 250
    assert one["cpu_s"] == 0.001


async def test_a_signal_and_an_end_that_nobody_told_are_not_the_same(viewer: httpx.AsyncClient) -> None:
    by_pid = {entry["pid"]: entry for entry in (await get(viewer, 0, 60))["exits"]}
    assert (by_pid[11]["exit_signal"], by_pid[11]["exact"], by_pid[11]["cpu_s"]) == (9, True, 0.004)
    assert (by_pid[12]["exit_signal"], by_pid[12]["exit_code"], by_pid[12]["exact"]) == (None, None, False)


@pytest.mark.parametrize(("only", "pids"), [("failed", {150, 11}), ("signal", {11}), ("oom", set())])
async def test_only_those_that_failed_can_be_asked_for(
    viewer: httpx.AsyncClient, only: str, pids: set[int]
) -> None:
    assert {entry["pid"] for entry in (await get(viewer, 0, 60, only=only))["exits"]} == pids


async def test_pages_hold_each_life_once_newest_first(viewer: httpx.AsyncClient) -> None:
    seen: list[tuple[int, int]] = []
    after = None
    while True:
        page = await get(viewer, 0, 60, limit=9, **({"after": after} if after else {}))
        seen += [(entry["ended_ms"], entry["pid"]) for entry in page["exits"]]
        after = page["next"]
        if after is None:
            break
    assert len(seen) == len(set(seen)) == 102
    assert seen == sorted(seen, reverse=True)


async def test_a_range_holds_only_what_ended_in_it(viewer: httpx.AsyncClient) -> None:
    assert [entry["pid"] for entry in (await get(viewer, 15, 25))["exits"]] == [11]
    assert (await get(viewer, 40, 60))["exits"] == []


async def test_lives_told_together_and_losses_are_shown(viewer: httpx.AsyncClient) -> None:
    found = await get(viewer, 60, 120)
    groups = {group["name"]: group for group in found["groups"]}
    assert (groups["true"]["lives"], groups["true"]["cpu_s"], groups["true"]["ppid"]) == (5000, 2.0, 1)
    assert groups[""]["lives"] is None, "how many it were is not known"
    assert found["lost"] == {"lives": 7, "cpu_s": 0.003, "execs": 2, "finals": 1}
    assert (await get(viewer, 0, 60))["lost"] == {"lives": 0, "cpu_s": 0.0, "execs": 0, "finals": 0}


@pytest.mark.parametrize("after", ["x", "1-2", "-1-2-3", "1-2-3-4", "9" * 70])
async def test_a_cursor_that_no_answer_gave_is_refused(viewer: httpx.AsyncClient, after: str) -> None:
    query: dict[str, str | int] = {"from": START, "to": START + 1000, "after": after}
    answer = await viewer.get(f"/api/hosts/{HOST}/exits", params=query)
    assert answer.status_code == 400
    assert answer.json()["code"] in ("bad_cursor", "bad_request", "invalid_request")


async def test_the_table_marks_what_ended_since_the_second_before(viewer: httpx.AsyncClient) -> None:
    answer = await viewer.get(f"/api/hosts/{HOST}/processes", params={"at": START + 10_000})
    processes = answer.json()["processes"]
    assert sum(process["ended"] for process in processes) == 100
    assert answer.json()["host"]["processes"] == 3


async def test_a_life_that_is_over_tells_how_in_its_details(viewer: httpx.AsyncClient) -> None:
    (entry,) = (await get(viewer, 15, 25))["exits"]
    path = f"/api/hosts/{HOST}/processes/{BOOT}/11/{entry['start_ns']}"
    found = (await viewer.get(path)).json()
    assert (found["exit_signal"], found["exact"], found["cpu_s"]) == (9, True, 0.004)
    assert found["last_ms"] == entry["ended_ms"]


async def test_the_top_list_tells_how_they_ended(viewer: httpx.AsyncClient) -> None:
    span = {"from": START + 15_000, "to": START + 25_000}
    answer = await viewer.get(f"/api/hosts/{HOST}/top", params=span)
    by_pid = {entry["pid"]: entry for entry in answer.json()["processes"]}
    assert (by_pid[11]["exit_signal"], by_pid[11]["ended"]) == (9, True)


async def test_lives_told_together_count_with_their_name_or_where_their_parent_belongs(
    viewer: httpx.AsyncClient,
) -> None:
    for group, label in (("name", "true"), ("unit", "owl.service")):
        span: dict[str, str | int] = {"from": START + 60_000, "to": START + 90_000, "group": group}
        answer = await viewer.get(f"/api/hosts/{HOST}/top", params=span)
        groups = {entry["name"]: entry for entry in answer.json()["groups"]}
        assert groups[label]["lives"] >= 5000
        assert groups[label]["cpu_s"] == pytest.approx(2.0 if group == "name" else 3.0)
