"""Short lives on the whole path: from the kernel into the record, and back through the API."""

import os
import time
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.support.running import Up, next_sample, the_host
from tests.support.waiting import eventually

COUNT = 400


@dataclass
class Storm:
    """Programs that ran for a millisecond each, while `tukur up` watched."""

    host: str
    from_ms: int
    to_ms: int
    truth: dict[int, tuple[int, float]]
    """PID to exit code and seconds of CPU time, as wait4() told."""
    exits: dict[int, dict[str, Any]]
    """The same, as the API tells."""


@pytest.fixture(scope="module")
def storm(up: Up, client: httpx.Client) -> Storm:
    if os.geteuid():
        pytest.skip("only root sees every life")
    found = the_host(client)
    if found["source"] == "procfs":
        pytest.skip("procfs does not see every life")
    next_sample(client)
    begin = int(time.time() * 1000)
    truth = {}
    for number in range(COUNT):
        program = "false" if number % 10 == 0 else "true"
        pid = os.posix_spawnp(program, [program, f"number-{number}"], os.environ)
        _, status, used = os.wait4(pid, 0)
        truth[pid] = (os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime)
    end = int(time.time() * 1000) + 3000

    def recorded() -> dict[int, dict[str, Any]] | None:
        query = {"from": begin - 1000, "to": end, "limit": 5000}
        answer = client.get(f"/api/hosts/{found['host_id']}/exits", params=query).raise_for_status()
        exits = {entry["pid"]: entry for entry in answer.json()["exits"]}
        return exits if truth.keys() <= exits.keys() else None

    exits = eventually(recorded, 30, f"all {COUNT} lives are in the record")
    return Storm(found["host_id"], begin, end, truth, exits)


def test_every_life_is_in_the_record_with_how_it_ended(storm: Storm) -> None:
    told = {pid: storm.exits[pid]["exit_code"] for pid in storm.truth}
    assert told == {pid: code for pid, (code, _) in storm.truth.items()}
    assert all(storm.exits[pid]["exact"] for pid in storm.truth)


def test_each_has_its_command_line_though_it_was_gone_before_anybody_could_read_it(storm: Storm) -> None:
    commands = {storm.exits[pid]["cmdline"] for pid in storm.truth}
    assert {f"true number-{number}" for number in range(COUNT) if number % 10} <= commands
    assert {storm.exits[pid]["user"] for pid in storm.truth} == {"root"}
    assert {storm.exits[pid]["ppid"] for pid in storm.truth} == {os.getpid()}


def test_their_cpu_time_is_theirs(storm: Storm) -> None:
    told = sum(storm.exits[pid]["cpu_s"] for pid in storm.truth)
    assert told == pytest.approx(sum(used for _, used in storm.truth.values()), rel=0.05)


def test_a_table_of_the_past_has_the_lives_of_its_second(client: httpx.Client, storm: Storm) -> None:
    shown: set[int] = set()
    for at in range(storm.from_ms // 1000 * 1000, storm.to_ms, 1000):
        answer = client.get(f"/api/hosts/{storm.host}/processes", params={"at": at}).raise_for_status()
        processes = answer.json()["processes"]
        shown |= {process["pid"] for process in processes if process["ended"]}
        living = sum(not process["ended"] for process in processes)
        assert answer.json()["host"]["processes"] == living
    assert storm.truth.keys() <= shown


def test_put_together_by_name_they_are_the_top_of_their_seconds(client: httpx.Client, storm: Storm) -> None:
    query: dict[str, Any] = {"from": storm.from_ms - 1000, "to": storm.to_ms, "group": "name"}
    answer = client.get(f"/api/hosts/{storm.host}/top", params=query).raise_for_status()
    groups = {group["name"]: group for group in answer.json()["groups"]}
    assert groups["true"]["lives"] >= COUNT * 9 // 10


def test_nothing_was_lost_and_the_host_says_so(client: httpx.Client, storm: Storm) -> None:
    query: dict[str, Any] = {"from": storm.from_ms, "to": storm.to_ms, "limit": 1}
    answer = client.get(f"/api/hosts/{storm.host}/exits", params=query).raise_for_status()
    assert answer.json()["lost"]["lives"] == 0
    assert "lives.lost" not in client.get(f"/api/hosts/{storm.host}").json()["faults"]
