"""Kills for want of memory over HTTP, as blocks brought them."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio

from tests.support.hub import HOST, OTHER, recorded, running_hub
from tests.support.record import BOOT, SECOND, WALL, Machine
from tukur.protocol.messages import OomKill

pytestmark = pytest.mark.asyncio(loop_scope="module")

START = WALL // 1_000_000
LIVES: dict[str, int] = {}


def kill(second: float, boot_ns: int, **fields: Any) -> OomKill:
    at_ns = int(second * SECOND)
    return OomKill(at_ns=boot_ns + at_ns, at_wall_ns=WALL + at_ns, **fields)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def viewer(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    machine = Machine()
    booted = machine.boot_ns
    machine.start(1, "init", ppid=0, start_ns=SECOND)
    LIVES["python"] = machine.start(10, "python", "python", "eat.py")
    for _ in range(3):
        machine.sample()
    machine.end(10)
    machine.sample()
    told = [
        kill(
            3.25, booted, pid=10, start_ns=LIVES["python"], name="python", uid=0, constraint="memcg",
            memcg="/system.slice", task_memcg="/system.slice/owl.service", trigger="java", rss=2**20,
            text="Memory cgroup out of memory: Killed process 10 (python)",
        ),
        kill(3.5, booted, pid=99, name="é" * 300, constraint="none"),
    ]  # fmt: skip
    block = msgspec.structs.replace(machine.block(), ooms=told)
    async with running_hub(tmp_path_factory.mktemp("ooms")) as running:
        # A repeat changes nothing.
        await recorded(running, block, block)
        async with await running.bearer("viewer") as client:
            yield client


async def get(viewer: httpx.AsyncClient, path: str, **query: Any) -> Any:
    answer = await viewer.get(
        f"/api/hosts/{HOST}{path}", params={name.rstrip("_"): value for name, value in query.items()}
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_each_kill_is_told_once_the_newest_first(viewer: httpx.AsyncClient) -> None:
    answer = await get(viewer, "/ooms", from_=START, to=START + 60_000)
    stranger, python = answer["kills"]
    assert not answer["more"]
    assert (stranger["pid"], stranger["start_ns"], stranger["at_ms"]) == (99, None, START + 3500)
    assert (stranger["name"], stranger["user"], stranger["constraint"]) == ("é" * 255, "0", "none")
    assert python == {
        "at_ms": START + 3250,
        "boot_id": BOOT,
        "pid": 10,
        "start_ns": str(LIVES["python"]),
        "name": "python",
        "uid": 0,
        "user": "root",
        "cmdline": "python eat.py",
        "unit": "owl.service",
        "container": "",
        "pod": "",
        "slice": python["slice"],
        "constraint": "memcg",
        "memcg": "/system.slice",
        "task_memcg": "/system.slice/owl.service",
        "trigger": "java",
        "rss": 2**20,
        "text": "Memory cgroup out of memory: Killed process 10 (python)",
    }


async def test_only_the_range_is_told_and_what_the_limit_keeps_back_is_said(
    viewer: httpx.AsyncClient,
) -> None:
    assert (await get(viewer, "/ooms", from_=START, to=START + 3250))["kills"] == []
    found = await get(viewer, "/ooms", from_=START + 3250, to=START + 3251)
    assert [entry["pid"] for entry in found["kills"]] == [10]
    first = await get(viewer, "/ooms", from_=START, to=START + 60_000, limit=1)
    assert ([entry["pid"] for entry in first["kills"]], first["more"]) == ([99], True)


async def test_the_life_that_ended_by_it_says_so(viewer: httpx.AsyncClient) -> None:
    detail = await get(viewer, f"/processes/{BOOT}/10/{LIVES['python']}")
    assert detail["cause"] == "oom"
    ended = await get(viewer, "/exits", from_=START, to=START + 60_000, only="oom")
    assert [entry["pid"] for entry in ended["exits"]] == [10]


async def test_another_host_has_none_and_an_unknown_host_is_an_error(viewer: httpx.AsyncClient) -> None:
    query = {"from": START, "to": START + 60_000}
    other = await viewer.get(f"/api/hosts/{OTHER}/ooms", params=query)
    assert other.json()["kills"] == []
    unknown = await viewer.get("/api/hosts/none/ooms", params=query)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "host_unknown")
