"""Which sample an instant means, also where a second passed twice."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import numpy as np
import pytest
import pytest_asyncio

from tests.support.hub import HOST, RunningHub, running_hub
from tests.support.record import BOOT, BOOTED, SECOND, WALL, Machine
from tukur.blocks import HostPoint
from tukur.hub.history.instants import is_exact, moments_of
from tukur.hub.store.record.blocks import BlockRow
from tukur.records import HostSample, host_rates

pytestmark = pytest.mark.asyncio(loop_scope="module")

START = WALL // 1_000_000
FRAME = {"Accept": "application/vnd.tukur.frame"}
ROW = BlockRow(boot=1, first_ns=0, first_ms=0, last_ms=0, host_columns=b"", tasks=b"")
NOTHING = HostSample((), np.zeros(0, dtype=np.int64))
RATES = host_rates(NOTHING, NOTHING, 1.0, 0)


def chosen(times_ms: list[tuple[int, int]], at_ms: int) -> list[int]:
    """boot_ms of the samples that an instant may mean, out of (wall, boot) times."""
    points = [HostPoint(wall * 1_000_000, booted * 1_000_000, RATES) for wall, booted in times_ms]
    return [moment.boot_ns // 1_000_000 for moment in moments_of([(ROW, points)], at_ms)]


async def test_an_instant_means_the_sample_of_its_second() -> None:
    times = [(second * 1000 + 4, second * 1000) for second in range(10, 15)]
    for at_ms in (12_000, 12_003, 12_500, 12_999):
        assert chosen(times, at_ms) == [12_000], at_ms
    assert chosen(times, 16_000) == []


async def test_of_several_in_one_second_it_is_the_newest_that_had_been_taken() -> None:
    times = [(11_999, 1999), (12_002, 2002), (12_998, 2998)]
    assert [chosen(times, at_ms) for at_ms in (12_000, 12_500, 12_998)] == [[2002], [2002], [2998]]


async def test_a_sample_just_before_a_second_that_has_none_is_its_own() -> None:
    times = [(11_998, 1998), (13_001, 3001)]
    assert [chosen(times, at_ms) for at_ms in (12_000, 12_700)] == [[1998], [1998]]
    assert is_exact(11_998, 12_700)
    assert not is_exact(11_850, 12_000)


async def test_a_second_that_passed_twice_has_two() -> None:
    times = [(12_003, 2003), (13_003, 3003), (12_103, 4203), (13_103, 5203)]
    assert chosen(times, 12_050) == [2003, 4203], "whether or not the second one had been taken by then"
    assert chosen(times, 13_000) == [3003, 5203]


# --- over HTTP


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningHub]:
    """Forty seconds; after the twentieth the clock is set back by fifteen, and `old` gives way to `new`."""
    machine = Machine()
    machine.start(1, "init", ppid=0, start_ns=SECOND)
    machine.start(10, "old")
    blocks = [machine.block(10), machine.block(10)]
    machine.wall_ns -= 15 * SECOND
    machine.end(10)
    machine.start(11, "new")
    blocks += [machine.block(10), machine.block(10)]
    async with running_hub(tmp_path_factory.mktemp("twice")) as running:
        # By an agent whose clock is the hub's: the clocks of other hosts are put right before this.
        results = await running.parts.store.facts.blocks.put([(HOST, block) for block in blocks])
        assert results == [None] * len(blocks)
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def viewer(hub: RunningHub) -> AsyncIterator[httpx.AsyncClient]:
    async with await hub.bearer("viewer") as client:
        yield client


async def ask(
    viewer: httpx.AsyncClient, second: float, headers: Mapping[str, str] | None = None, **query: Any
) -> httpx.Response:
    wanted = {"at": START + int(second * 1000), **query}
    return await viewer.get(f"/api/hosts/{HOST}/processes", params=wanted, headers=headers)


def boot_ns(second: int) -> str:
    """Of the sample so many seconds after the first."""
    return str(BOOTED + second * SECOND)


async def test_both_samples_of_a_second_can_be_reached_and_the_answer_lists_them(
    viewer: httpx.AsyncClient,
) -> None:
    newest = (await ask(viewer, 7.6)).json()
    assert [entry["boot_ns"] for entry in newest["samples"]] == [boot_ns(7), boot_ns(22)]
    assert {entry["boot_id"] for entry in newest["samples"]} == {BOOT}
    assert (newest["boot_ns"], newest["exact"], newest["at_ms"]) == (boot_ns(22), True, START + 7000)
    for sample, names in ((boot_ns(7), {"init", "old"}), (boot_ns(22), {"init", "new"})):
        table = (await ask(viewer, 7.6, boot_ns=sample)).json()
        assert (table["boot_ns"], table["exact"], table["samples"]) == (sample, True, newest["samples"])
        assert {process["name"] for process in table["processes"]} == names
    assert [entry["boot_ns"] for entry in (await ask(viewer, 3)).json()["samples"]] == [boot_ns(3)]


async def test_a_frame_says_which_samples_there_are(viewer: httpx.AsyncClient) -> None:
    answers = [await ask(viewer, 7, FRAME, boot_ns=boot_ns(second)) for second in (7, 22)]
    assert {answer.headers["Tukur-Samples"] for answer in answers} == {f"{boot_ns(7)},{boot_ns(22)}"}
    assert [answer.headers["Tukur-Boot-Ns"] for answer in answers] == [boot_ns(7), boot_ns(22)]
    assert len({answer.content for answer in answers}) == 2


async def test_a_sample_that_is_not_of_that_second_is_refused_with_those_that_are(
    viewer: httpx.AsyncClient,
) -> None:
    answer = await ask(viewer, 7, boot_ns=boot_ns(8))
    assert (answer.status_code, answer.json()["code"]) == (404, "no_such_sample")
    assert boot_ns(7) in answer.json()["detail"]
    without = await viewer.get(f"/api/hosts/{HOST}/processes", params={"boot_ns": boot_ns(7)})
    assert (without.status_code, without.json()["code"]) == (400, "bad_time")


async def test_both_are_there_after_the_blocks_of_the_minute_became_one(
    hub: RunningHub, viewer: httpx.AsyncClient
) -> None:
    merged = await hub.parts.store.merging.merge(1, 2**62)
    assert merged is not None
    assert (merged.blocks, merged.made) == (4, 2), "none goes across the set clock"
    for second, taken in ((7, [7, 22]), (16, [16, 31]), (3, [3]), (24, [39])):
        found = (await ask(viewer, second)).json()["samples"]
        assert [entry["boot_ns"] for entry in found] == [boot_ns(at) for at in taken], second
