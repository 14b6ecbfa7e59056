"""The time machine over HTTP: what was, at any recorded second."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest
import pytest_asyncio

from tests.support.hub import HOST, OTHER, RunningHub, agent, recorded, running_hub
from tests.support.record import BOOT, BOOTED, GIB, SECOND, WALL, Machine
from tukur.hub.history import history as questions
from tukur.protocol import messages
from tukur.protocol.frames import decode_frame, encode_frame, is_key
from tukur.records import ROW

pytestmark = pytest.mark.asyncio(loop_scope="module")

START = WALL // 1_000_000
FRAME = {"Accept": "application/vnd.tukur.frame"}
STARTS: dict[str, int] = {}
"""start_ns by name, of what the machine below ran."""


def history() -> list[messages.Block]:
    """Twenty minutes. At 30 s a spike; `short` lives from 60 to 69 s; at 100 s `shell` becomes `tool`;
    300 to 400 s nothing was recorded; `big` holds memory and does nothing."""
    machine = Machine()
    STARTS["init"] = machine.start(1, "init", ppid=0, start_ns=SECOND)
    STARTS["worker"] = machine.start(10, "worker", "worker", "--queue", "mail")
    STARTS["big"] = machine.start(11, "big", rss_anon=4 * GIB)
    STARTS["shell"] = machine.start(12, "shell", "sh", "-c", "tool")
    STARTS["io"] = machine.start(13, "io")
    blocks = []
    for second in range(1200):
        if second == 300:
            machine.skip(100)
        if 300 <= second < 400:
            continue
        if second == 60:
            STARTS["short"] = machine.start(20, "short")
        if second == 70:
            machine.end(20)
        if second == 100:
            machine.execute(12, "tool", "tool", "-v")
        machine.work(10, cpu_s=0.25)
        machine.work(13, read_bytes=1000, write_bytes=500)
        if 60 <= second < 70:
            machine.work(20, cpu_s=0.5)
        machine.sample(1.0 if second == 30 else 0.25)
        if second % 10 == 9:
            blocks.append(machine.block())
    return blocks


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningHub]:
    async with running_hub(tmp_path_factory.mktemp("history")) as running:
        await recorded(running, *history())
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def viewer(hub: RunningHub) -> AsyncIterator[httpx.AsyncClient]:
    async with await hub.bearer("viewer") as client:
        yield client


def at(second: float) -> int:
    return START + int(second * 1000)


async def get(viewer: httpx.AsyncClient, path: str, **query: Any) -> Any:
    renamed = {name.rstrip("_"): value for name, value in query.items()}
    answer = await viewer.get(f"/api/hosts/{HOST}{path}", params=renamed)
    assert answer.status_code == 200, answer.text
    return answer.json()


# --- tables


async def test_the_table_is_the_one_of_the_asked_second(viewer: httpx.AsyncClient) -> None:
    found = await get(viewer, "/processes", at=at(65))
    assert (found["asked_ms"], found["at_ms"], found["exact"], found["boot_id"]) == (
        at(65),
        at(65),
        True,
        BOOT,
    )
    by_name = {process["name"]: process for process in found["processes"]}
    assert set(by_name) == {"init", "worker", "big", "shell", "io", "short"}
    worker = by_name["worker"]
    assert worker["cpu"] == 0.25
    assert worker["cpu_time"] == pytest.approx(0.25 * 66)
    assert (worker["cmdline"], worker["unit"]) == ("worker --queue mail", "owl.service")
    assert worker["start_ns"] == str(STARTS["worker"])
    assert worker["started_ms"] == at(-0.5)
    assert by_name["short"]["cpu"] == 0.5
    assert by_name["big"]["rss"] == 4 * GIB
    assert (by_name["io"]["read_rate"], by_name["io"]["write_rate"]) == (1000, 500)
    assert found["host"]["cpu"] == 0.25
    assert found["host"]["processes"] == 6


async def test_rates_are_known_at_the_first_second_of_a_block(viewer: httpx.AsyncClient) -> None:
    found = await get(viewer, "/processes", at=at(130))
    assert {process["name"]: process["cpu"] for process in found["processes"]}["worker"] == 0.25
    assert found["host"]["cpu"] == 0.25


@pytest.mark.parametrize(
    ("second", "names"),
    [
        (59, {"init", "worker", "big", "shell", "io"}),
        (60, {"init", "worker", "big", "shell", "io", "short"}),
        (69, {"init", "worker", "big", "shell", "io", "short"}),
        (70, {"init", "worker", "big", "shell", "io"}),
        (100, {"init", "worker", "big", "tool", "io"}),
    ],
)
async def test_a_process_is_there_in_just_the_seconds_that_it_lived(
    viewer: httpx.AsyncClient, second: int, names: set[str]
) -> None:
    found = await get(viewer, "/processes", at=at(second))
    assert {process["name"] for process in found["processes"]} == names


async def test_an_image_is_the_one_of_that_second(viewer: httpx.AsyncClient) -> None:
    for second, command in ((99, "sh -c tool"), (100, "tool -v")):
        found = await get(viewer, "/processes", at=at(second))
        assert [p["cmdline"] for p in found["processes"] if p["pid"] == 12] == [command]


@pytest.mark.parametrize(
    ("asked", "given", "exact"),
    [
        (30.4, 30, True),
        (30.6, 30, True),
        (30.999, 30, True),
        (349, 299, False),
        (351, 400, False),
        (-500, 0, False),
        (99_999, 1199, False),
    ],
)
async def test_where_nothing_was_recorded_the_nearest_second_is_given_and_said_so(
    viewer: httpx.AsyncClient, asked: float, given: int, exact: bool
) -> None:
    found = await get(viewer, "/processes", at=at(asked))
    assert (found["at_ms"], found["exact"]) == (at(given), exact)
    answer = await viewer.get(f"/api/hosts/{HOST}/processes", params={"at": at(asked)}, headers=FRAME)
    assert answer.headers["Tukur-At-Ms"] == str(at(given))
    assert answer.headers["Tukur-Exact"] == ("true" if exact else "false")


async def test_a_frame_holds_the_same_table(viewer: httpx.AsyncClient) -> None:
    answer = await viewer.get(f"/api/hosts/{HOST}/processes", params={"at": at(100)}, headers=FRAME)
    assert answer.headers["Content-Type"] == FRAME["Accept"]
    assert is_key(answer.content)
    frame = decode_frame(answer.content)
    assert (frame.wall_ms, frame.boot_id) == (at(100), BOOT)
    table = (await get(viewer, "/processes", at=at(100)))["processes"]
    rows = frame.table()
    assert rows["pid"].tolist() == [process["pid"] for process in table]
    assert rows["rss"].tolist() == [process["rss"] for process in table]
    assert rows["cpu"].tolist() == pytest.approx([process["cpu"] for process in table])
    for column in ("name", "cmdline", "user", "unit", "start_ns"):
        assert frame.images[column] == [process[column] for process in table]


async def test_the_end_of_time_is_a_time(viewer: httpx.AsyncClient) -> None:
    end = 253_402_300_799_999
    assert (await get(viewer, "/processes", at=end))["at_ms"] == at(1199)
    assert (await get(viewer, "/processes", at=0))["at_ms"] == at(0)
    await get(viewer, "/top", from_=0, to=end)
    await get(viewer, "/top", from_=end - 1000, to=end)
    await get(viewer, "/series", from_=0, to=end)
    await get(viewer, "/series", from_=end - 1000, to=end)


# --- series


async def test_a_spike_of_one_second_is_in_the_series_whatever_its_length(viewer: httpx.AsyncClient) -> None:
    for begin, end, points in ((0, 60, 600), (0, 300, 10), (0, 1200, 4), (-100_000, 3000, 100)):
        found = await get(viewer, "/series", from_=at(begin), to=at(end), points=points)
        high = [value for value in found["figures"]["cpu"]["high"] if value is not None]
        assert max(high) == 1.0, (begin, end)
        assert len(found["t_ms"]) <= points + 1
        assert found["t_ms"][0] <= at(begin)


async def test_a_gap_in_the_record_is_a_gap_in_the_series(viewer: httpx.AsyncClient) -> None:
    found = await get(viewer, "/series", from_=at(250), to=at(450), points=600)
    assert found["gaps"] == [{"from_ms": at(299), "to_ms": at(400)}]
    mean = dict(zip(found["t_ms"], found["figures"]["cpu"]["mean"], strict=True))
    assert (mean[at(299)], mean[at(300)], mean[at(399)], mean[at(400)]) == (
        0.25,
        None,
        None,
        pytest.approx(0.25),
    )


async def test_seconds_and_minutes_agree(viewer: httpx.AsyncClient) -> None:
    seconds = await get(viewer, "/series", from_=at(60), to=at(240), points=3)
    minutes = await get(viewer, "/series", from_=at(60), to=at(60 + 1860), points=31)
    assert minutes["step_ms"] == seconds["step_ms"] == 60_000
    for name in ("cpu", "mem_used", "processes"):
        for part in ("low", "mean", "high"):
            assert minutes["figures"][name][part][:3] == pytest.approx(seconds["figures"][name][part])


# --- devices


async def test_each_device_has_its_own_rates_over_time(viewer: httpx.AsyncClient) -> None:
    for begin, end, points in ((60, 240, 3), (60, 60 + 1860, 31)):
        found = await get(viewer, "/devices", from_=at(begin), to=at(end), points=points)
        assert found["step_ms"] == 60_000
        disk, interface = found["devices"]
        assert (disk["kind"], disk["name"], interface["kind"], interface["name"]) == (
            *("disk", "vda"),
            *("net", "eth0"),
        )
        assert disk["read"]["mean"][:3] == pytest.approx([3000] * 3)
        assert disk["busy"]["mean"][:3] == pytest.approx([0.5] * 3)
        assert interface["write"]["high"][:3] == pytest.approx([100] * 3)
        assert interface["busy"] is None
        assert (disk["read_mean"], disk["write_mean"]) == (pytest.approx(3000), pytest.approx(1000))


async def test_devices_beyond_the_limit_are_counted(viewer: httpx.AsyncClient) -> None:
    found = await get(viewer, "/devices", from_=at(60), to=at(240), limit=1)
    assert ([device["name"] for device in found["devices"]], found["more"]) == (["vda"], 1)


# --- top


async def test_who_did_most_in_a_short_range_is_exact_to_the_second(viewer: httpx.AsyncClient) -> None:
    found = await get(viewer, "/top", from_=at(60), to=at(65), by="cpu")
    assert found["resolution_ms"] == 1000
    assert [(top["name"], top["cpu_s"]) for top in found["processes"]] == [("short", 2.5), ("worker", 1.25)]
    short = found["processes"][0]
    assert (short["ended"], short["first_ms"], short["last_ms"]) == (True, at(60), at(69))


@pytest.mark.parametrize(("begin", "end"), [(0, 300), (17, 293), (0, 1200), (17, 1193), (59, 661)])
async def test_cpu_and_io_add_up_over_any_range(viewer: httpx.AsyncClient, begin: int, end: int) -> None:
    gap = 0 if end <= 300 else 100
    counted = end - begin - gap - (begin == 0)  # the first sample of a run has no sample before it
    by_cpu = await get(viewer, "/top", from_=at(begin), to=at(end), by="cpu")
    assert by_cpu["resolution_ms"] == (1000 if end - begin <= 600 else 60_000)
    cpu = {top["name"]: top["cpu_s"] for top in by_cpu["processes"]}
    assert cpu["worker"] == pytest.approx(0.25 * counted)
    assert cpu["short"] == pytest.approx(5)
    by_io = await get(viewer, "/top", from_=at(begin), to=at(end), by="io")
    assert [top["name"] for top in by_io["processes"]] == ["io"]
    assert (by_io["processes"][0]["read_bytes"], by_io["processes"][0]["write_bytes"]) == (
        1000 * counted,
        500 * counted,
    )


@pytest.mark.parametrize(("begin", "end"), [(100, 200), (400, 1200)])
async def test_who_only_holds_memory_is_first_by_memory(
    viewer: httpx.AsyncClient, begin: int, end: int
) -> None:
    found = await get(viewer, "/top", from_=at(begin), to=at(end), by="rss", limit=1)
    assert [(top["name"], top["rss_peak"]) for top in found["processes"]] == [("big", 4 * GIB)]


async def test_lives_are_put_together_by_what_they_are_of(viewer: httpx.AsyncClient) -> None:
    found = await get(viewer, "/top", from_=at(60), to=at(65), by="cpu", group="unit")
    assert (found["group"], found["processes"]) == ("unit", [])
    (unit,) = found["groups"]
    assert (unit["name"], unit["cpu_s"]) == ("owl.service", 3.75)
    single = (await get(viewer, "/top", from_=at(60), to=at(65), by="rss"))["processes"]
    assert unit["lives"] == len(single)
    assert unit["rss_peak"] == max(top["rss_peak"] for top in single) == 4 * GIB


@pytest.mark.parametrize(("begin", "end"), [(60, 65), (20, 1100)])
async def test_groups_add_up_to_what_their_lives_did(viewer: httpx.AsyncClient, begin: int, end: int) -> None:
    query = {"from_": at(begin), "to": at(end)}
    by_name = {group["name"]: group for group in (await get(viewer, "/top", **query, group="name"))["groups"]}
    single = (await get(viewer, "/top", **query))["processes"]
    assert {name: group["cpu_s"] for name, group in by_name.items()} == {
        top["name"]: top["cpu_s"] for top in single
    }
    for group in ("user", "unit", "container", "pod", "slice"):
        (whole,) = (await get(viewer, "/top", **query, group=group))["groups"]
        assert whole["cpu_s"] == pytest.approx(sum(top["cpu_s"] for top in single))
        assert whole["name"] == {"user": "root", "unit": "owl.service"}.get(group, whole["name"])


async def test_groups_are_ordered_and_limited_like_processes(viewer: httpx.AsyncClient) -> None:
    query = {"from_": at(60), "to": at(65), "group": "name"}
    names = [group["name"] for group in (await get(viewer, "/top", **query))["groups"]]
    assert names == ["short", "worker"]
    first = await get(viewer, "/top", **query, limit=1, by="io")
    assert [group["name"] for group in first["groups"]] == ["io"]


async def test_a_range_with_nothing_in_it_has_no_top(viewer: httpx.AsyncClient) -> None:
    for begin, end in ((310, 390), (5000, 9000)):
        assert (await get(viewer, "/top", from_=at(begin), to=at(end)))["processes"] == []


# --- one life


async def test_a_life_that_ended_is_known_whole(viewer: httpx.AsyncClient) -> None:
    found = await get(viewer, f"/processes/{BOOT}/20/{STARTS['short']}")
    assert (found["name"], found["alive"]) == ("short", None)
    assert (found["first_ms"], found["last_ms"], found["started_ms"]) == (at(60), at(69), at(59.5))


async def test_a_life_that_goes_on_has_no_end(viewer: httpx.AsyncClient) -> None:
    found = await get(viewer, f"/processes/{BOOT}/12/{STARTS['shell']}")
    assert (found["name"], found["cmdline"], found["last_ms"]) == ("tool", "tool -v", None)


async def test_of_a_living_process_the_agent_tells_what_only_it_knows(
    hub: RunningHub, viewer: httpx.AsyncClient
) -> None:
    async with agent(hub) as owl:

        async def answer() -> messages.Inspect:
            asked = await owl.hear(messages.Inspect)
            child = messages.Relative(pid=77, start_ns=5, name="child", cmdline="child -x")
            await owl.send(
                messages.Inspection(
                    request_id=asked.request_id,
                    alive=True,
                    state="S",
                    parent=messages.Relative(pid=1, start_ns=1, name="init"),
                    children=[child],
                    restart="systemd starts it again",
                    protected="",
                )
            )
            return asked

        found, asked = await _both(get(viewer, f"/processes/{BOOT}/10/{STARTS['worker']}"), answer())
    assert asked.target == messages.ProcessKey(BOOT, 10, STARTS["worker"])
    assert (found["alive"], found["state"], found["restart"]) == (True, "S", "systemd starts it again")
    assert found["parent"]["name"] == "init"
    assert found["children"] == [{"pid": 77, "start_ns": "5", "name": "child", "cmdline": "child -x"}]


async def _both(first: Any, second: Any) -> tuple[Any, Any]:
    return tuple(await asyncio.gather(first, second))


async def test_an_agent_that_goes_while_it_is_asked_leaves_the_record(
    hub: RunningHub, viewer: httpx.AsyncClient
) -> None:
    async with agent(hub) as owl:

        async def go() -> None:
            await owl.hear(messages.Inspect)
            await owl.close()

        found, _ = await _both(get(viewer, f"/processes/{BOOT}/10/{STARTS['worker']}"), go())
    assert (found["name"], found["alive"]) == ("worker", None)


async def test_of_an_agent_that_does_not_answer_in_time_nobody_says_that_a_process_is_not_there(
    hub: RunningHub, viewer: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "INSPECT_S", 0.2)
    async with agent(hub):
        found = await get(viewer, f"/processes/{BOOT}/4711/{7 * SECOND}")
    assert (found["alive"], found["name"], found["first_ms"]) == (None, "", None)
    assert found["started_ms"] == (WALL - BOOTED + 7 * SECOND) // 1_000_000
    gone = await viewer.get(f"/api/hosts/{HOST}/processes/{BOOT}/4711/{7 * SECOND}")
    assert (gone.status_code, gone.json()["code"]) == (404, "process_unknown")


async def test_a_process_that_ended_before_it_was_recorded_has_ended_and_is_not_unknown(
    hub: RunningHub, viewer: httpx.AsyncClient
) -> None:
    (host,) = [each for each in (await viewer.get("/api/hosts")).json()["hosts"] if each["host_id"] == HOST]
    newest_ns = (host["last_ms"] + 500) * 1_000_000 - (WALL - BOOTED)
    async with agent(hub) as owl:

        async def answer() -> None:
            asked = await owl.hear(messages.Inspect)
            await owl.send(messages.Inspection(request_id=asked.request_id, alive=False))

        found, _ = await _both(get(viewer, f"/processes/{BOOT}/4711/{newest_ns}"), answer())
        assert (found["alive"], found["exact"], found["last_ms"]) == (False, False, None)
        # Where the record has all of that time and not this process, there was none.
        old = viewer.get(f"/api/hosts/{HOST}/processes/{BOOT}/4711/{7 * SECOND}")
        unknown, _ = await _both(old, answer())
    assert (unknown.status_code, unknown.json()["code"]) == (404, "process_unknown")


# --- now


def key_frame(wall_ns: int) -> bytes:
    rows = np.zeros(1, dtype=ROW)
    rows["pid"], rows["start_ns"], rows["state"], rows["cpu"] = 42, 7 * SECOND, ord("R"), 0.5
    image = messages.Image(
        pid=42,
        start_ns=7 * SECOND,
        since_ns=1,
        since_wall_ns=1,
        ppid=1,
        uid=0,
        user="root",
        name="now",
        cmdline="now --really",
    )
    return encode_frame(
        seq=5, key=True, wall_ns=wall_ns, boot_id=BOOT, host=None, count=1, rows=rows, images=[image]
    )


async def test_without_an_instant_the_agent_is_asked_for_the_table_of_now(
    hub: RunningHub, viewer: httpx.AsyncClient
) -> None:
    now = time.time_ns() // 1_000_000 * 1_000_000
    async with agent(hub) as owl:

        async def answer() -> None:
            assert (await owl.hear(messages.Watch)).on
            await owl.frame(msgspec.msgpack.encode({"key": False, "a difference": True}))
            await owl.frame(key_frame(now))
            assert not (await owl.hear(messages.Watch)).on

        found, _ = await _both(get(viewer, "/processes"), answer())
        assert found["exact"]
        assert found["at_ms"] == pytest.approx(now // 1_000_000, abs=1)
        (process,) = found["processes"]
        assert (process["name"], process["cmdline"], process["cpu"]) == ("now", "now --really", 0.5)
        answered, _ = await _both(viewer.get(f"/api/hosts/{HOST}/processes", headers=FRAME), answer())
        assert answered.content == key_frame(now)
        assert answered.headers["Tukur-Exact"] == "true"


async def test_while_the_agent_is_offline_now_is_the_newest_that_was_recorded(
    viewer: httpx.AsyncClient,
) -> None:
    found = await get(viewer, "/processes")
    assert (found["at_ms"], found["exact"]) == (at(1199), False)


# --- hosts, and what is not there


async def test_a_host_says_what_is_recorded_of_it(viewer: httpx.AsyncClient) -> None:
    found = await get(viewer, "")
    assert found["last_ms"] == at(1199)
    assert at(0) <= found["first_ms"] <= at(9)
    assert [host["host_id"] for host in (await viewer.get("/api/hosts")).json()["hosts"]] == [HOST, OTHER]


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/processes",
        "/processes?at=5",
        "/series?from=1&to=2",
        "/top?from=1&to=2",
        f"/processes/{BOOT}/1/1",
    ],
)
async def test_a_host_that_does_not_exist_is_not_found(viewer: httpx.AsyncClient, path: str) -> None:
    answer = await viewer.get(f"/api/hosts/33333333-2222-3333-4444-555555555555{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "host_unknown")


async def test_of_a_host_that_nothing_is_recorded_of_there_is_no_table(viewer: httpx.AsyncClient) -> None:
    for headers in ({}, FRAME):
        for query in ("", f"?at={at(5)}"):
            answer = await viewer.get(f"/api/hosts/{OTHER}/processes{query}", headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (404, "nothing_recorded")
    answer = await viewer.get(f"/api/hosts/{OTHER}/processes/{BOOT}/1/1")
    assert (answer.status_code, answer.json()["code"]) == (404, "process_unknown")
    empty = (await viewer.get(f"/api/hosts/{OTHER}/series?from={at(0)}&to={at(9)}")).json()
    assert set(empty["figures"]["cpu"]["mean"]) == {None}


@pytest.mark.parametrize(
    "path",
    [
        "/processes?at=",
        "/processes?at=yesterday",
        "/processes?at=-1",
        "/processes?at=1e9",
        "/processes?at=253402300800000",
        "/processes?at=" + "9" * 1000,
        "/series",
        "/series?from=1",
        "/series?from=2&to=1",
        "/series?from=1&to=1",
        "/series?from=1&to=2&points=1",
        "/series?from=1&to=2&points=100000",
        "/series?from=1&to=2&points=x",
        "/top?from=1&to=2&by=name",
        "/top?from=1&to=2&group=colour",
        "/top?from=1&to=2&limit=0",
        "/top?from=1&to=2&limit=9999999",
        f"/processes/{BOOT}/1/x",
        f"/processes/{BOOT}/1/-1",
        f"/processes/{BOOT}/1/{2**63}",
        f"/processes/{BOOT}/1/{'9' * 19}",
        f"/processes/{BOOT}/9999999999/1",
        "/processes/no-boot/1/1",
        "/processes/%00/1/1",
    ],
)
async def test_a_bad_parameter_is_told_and_nothing_of_the_inside_is(
    hub: RunningHub, viewer: httpx.AsyncClient, path: str
) -> None:
    async with agent(hub):
        answer = await viewer.get(f"/api/hosts/{HOST}{path}")
        assert answer.status_code == 400, answer.text
        problem = json.loads(answer.content)
        assert set(problem) == {"code", "detail"}
        assert problem["detail"]
        assert "Traceback" not in answer.text
        assert hub.parts.presence.online(HOST)


async def test_a_block_whose_columns_are_damaged_is_told_for_its_time_alone(
    hub: RunningHub, viewer: httpx.AsyncClient
) -> None:
    machine = Machine(wall_ns=WALL + 10_000 * SECOND, boot_ns=BOOTED + 10_000 * SECOND)
    machine.start(10, "worker")
    block = machine.block(5)
    tasks = bytearray(block.tasks)
    tasks[len(tasks) // 2 :] = bytes(len(tasks) - len(tasks) // 2)
    await recorded(hub, msgspec.structs.replace(block, tasks=bytes(tasks)), host_id=OTHER)
    await recorded(hub, machine.block(5), host_id=OTHER)
    answer = await viewer.get(f"/api/hosts/{OTHER}/processes?at={at(10_002)}")
    assert (answer.status_code, answer.json()["code"]) == (503, "block_damaged")
    answer = await viewer.get(f"/api/hosts/{OTHER}/processes?at={at(10_007)}")
    assert answer.status_code == 200
    span = f"from={at(10_000)}&to={at(10_010)}"
    top = (await viewer.get(f"/api/hosts/{OTHER}/top?{span}&by=rss")).json()
    assert [entry["name"] for entry in top["processes"]] == ["worker"]


async def test_a_chart_over_a_damaged_block_has_a_gap_there(
    hub: RunningHub, viewer: httpx.AsyncClient
) -> None:
    machine = Machine(wall_ns=WALL + 14_000 * SECOND, boot_ns=BOOTED + 14_000 * SECOND)
    machine.start(10, "worker")
    block = machine.block(5, busy=0.5)
    half = len(block.host) // 2
    torn = msgspec.structs.replace(block, host=block.host[:half] + bytes(len(block.host) - half))
    await recorded(hub, torn, machine.block(5, busy=0.5), host_id=OTHER)
    answer = await viewer.get(f"/api/hosts/{OTHER}/series?from={at(14_000)}&to={at(14_010)}&points=10")
    means = answer.json()["figures"]["cpu"]["mean"]
    assert means[:5] == [None] * 5
    assert None not in means[5:]


async def test_charts_and_tables_are_the_same_once_their_blocks_are_merged(
    hub: RunningHub, viewer: httpx.AsyncClient
) -> None:
    machine = Machine(wall_ns=WALL + 16_000 * SECOND, boot_ns=BOOTED + 16_000 * SECOND)
    machine.start(10, "worker")
    blocks = [machine.block(10, busy=busy) for busy in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)]
    await recorded(hub, *blocks, host_id=OTHER)
    paths = [
        f"/api/hosts/{OTHER}/series?from={at(16_000)}&to={at(16_060)}&points=60",
        f"/api/hosts/{OTHER}/top?from={at(16_000)}&to={at(16_060)}&by=rss",
        f"/api/hosts/{OTHER}/processes?at={at(16_033)}",
    ]
    before = [(await viewer.get(path)).json() for path in paths]
    merging = hub.parts.store.merging
    for boot in await merging.boots():
        while await merging.merge(boot, at(16_061)):
            pass
    assert [(await viewer.get(path)).json() for path in paths] == before


async def test_a_table_of_the_past_is_sent_once_to_whoever_keeps_its_tag(viewer: httpx.AsyncClient) -> None:
    path = f"/api/hosts/{HOST}/processes?at={at(100)}"
    first = await viewer.get(path)
    again = await viewer.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    frame = await viewer.get(path, headers={**FRAME, "If-None-Match": first.headers["etag"]})
    assert frame.status_code == 200
    assert frame.headers["etag"] != first.headers["etag"]
    other = await viewer.get(f"/api/hosts/{HOST}/processes?at={at(101)}")
    assert other.headers["etag"] != first.headers["etag"]
    for newest in ("", f"?at={at(1199)}"):
        assert "etag" not in (await viewer.get(f"/api/hosts/{HOST}/processes{newest}")).headers


async def test_a_table_of_a_boot_whose_first_block_is_stored_while_it_is_asked_for(
    hub: RunningHub, viewer: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine("0badcafe-2222-3333-4444-555555555555", wall_ns=WALL + 90_000 * SECOND)
    machine.start(1, "fresh", ppid=0)
    blocks = hub.parts.store.facts.blocks
    between = blocks.between

    async def stored_meanwhile(*arguments: Any, **options: Any) -> Any:
        monkeypatch.undo()
        await recorded(hub, machine.block(10))
        return await between(*arguments, **options)

    monkeypatch.setattr(blocks, "between", stored_meanwhile)
    answer = await viewer.get(f"/api/hosts/{HOST}/processes", params={"at": at(90_004)})
    assert answer.status_code == 200, answer.text
    assert [row["name"] for row in answer.json()["processes"]] == ["fresh"]
