"""Lives told by where they belonged, and why they died, from the kernel to the API."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.cgroups import Cgroups, cgroups
from tests.support.memory import eat, little_memory
from tests.support.running import next_sample, the_host
from tests.support.waiting import eventually

POD = "2c48913c-b29f-11e7-9350-020968147796"
CONTAINER = "0123456789abcdef" * 4
IN_POD = f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{POD.replace('-', '_')}.slice"


@pytest.fixture
def made() -> Iterator[Cgroups]:
    with cgroups() as found:
        yield found


def ended(client: httpx.Client, pids: set[int], since_ms: int) -> dict[int, dict[str, Any]] | None:
    """The ends of these PIDs, once all are told."""
    host = the_host(client)["host_id"]
    query = {"from": since_ms, "to": int(time.time() * 1000) + 1000, "limit": 5000}
    answer = client.get(f"/api/hosts/{host}/exits", params=query).raise_for_status().json()
    found = {entry["pid"]: entry for entry in answer["exits"] if entry["pid"] in pids}
    return found if set(found) == pids else None


def needs_exits(client: httpx.Client) -> None:
    if the_host(client)["source"] == "procfs":
        pytest.skip("needs a source that tells of every life")


def test_lives_of_milliseconds_belong_to_cgroups_that_are_gone_and_made_again(
    client: httpx.Client, made: Cgroups
) -> None:
    needs_exits(client)
    next_sample(client)
    begin = int(time.time() * 1000)
    wanted: dict[int, tuple[str, str, str, str]] = {}
    made.make("/tukur.slice")
    for at in range(20):
        unit = f"tukur-{at % 3}.service"
        wanted[made.run_in(f"/tukur.slice/{unit}", "/bin/true")] = (unit, "", "", "tukur.slice")
        made.remove(f"/tukur.slice/{unit}")
        path = f"{IN_POD}/cri-containerd-{CONTAINER}.scope"
        unit = f"cri-containerd-{CONTAINER}.scope"
        belonging = (unit, f"containerd:{CONTAINER[:12]}", POD, "kubepods-burstable.slice")
        wanted[made.run_in(path, "/bin/true")] = belonging
        made.remove(path)
    found = eventually(lambda: ended(client, set(wanted), begin), 30, "all lives are told")
    told = {
        pid: (entry["unit"], entry["container"], entry["pod"], entry["slice"]) for pid, entry in found.items()
    }
    assert told == wanted


def test_what_a_unit_did_is_added_up_over_its_lives(client: httpx.Client, made: Cgroups) -> None:
    needs_exits(client)
    next_sample(client)
    begin = int(time.time() * 1000)
    burn = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"
    pids = {made.run_in("/tukur.slice/tukur-sum.service", "/bin/sh", "-c", burn) for _ in range(5)}
    found = eventually(lambda: ended(client, pids, begin), 30, "all lives are told")
    host = the_host(client)["host_id"]
    query: dict[str, str | int] = {
        "from": begin - 2000,
        "to": int(time.time() * 1000),
        "group": "unit",
        "limit": 1000,
    }
    groups = client.get(f"/api/hosts/{host}/top", params=query).raise_for_status().json()["groups"]
    (unit,) = [group for group in groups if group["name"] == "tukur-sum.service"]
    assert unit["lives"] == 5
    assert unit["cpu_s"] == pytest.approx(sum(entry["cpu_s"] for entry in found.values()), rel=0.05)


def test_a_kill_for_want_of_memory_is_told_with_its_cgroup_and_is_the_lifes_cause(
    client: httpx.Client,
) -> None:
    needs_exits(client)
    begin = int(time.time() * 1000) - 1000
    with little_memory() as (folder, path):
        pid = eat(folder, "tukur-hungry")
    found = eventually(lambda: ended(client, {pid}, begin), 30, "the life is told")
    assert (found[pid]["cause"], found[pid]["exit_signal"]) == ("oom", 9)
    host = the_host(client)["host_id"]
    query = {"from": begin, "to": int(time.time() * 1000) + 1000}
    kills = client.get(f"/api/hosts/{host}/ooms", params=query).raise_for_status().json()["kills"]
    (kill,) = [entry for entry in kills if entry["pid"] == pid]
    assert (kill["name"], kill["constraint"], kill["memcg"]) == ("tukur-hungry", "memcg", path)
    assert kill["start_ns"] == found[pid]["start_ns"]
    assert abs(kill["at_ms"] - found[pid]["ended_ms"]) < 2000
