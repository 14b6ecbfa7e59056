"""A pause of the running agent is the same gap everywhere."""

import os
import signal
import time
from typing import Any

import httpx

from tests.support.running import Up, newest_ms, next_sample, the_host
from tests.support.waiting import eventually


def test_an_agent_that_was_stopped_for_a_while_leaves_a_gap_and_its_reason(
    up: Up, client: httpx.Client
) -> None:
    next_sample(client)
    host, agent = the_host(client)["host_id"], up.child("agent")
    stopped_ms = int(time.time() * 1000)
    os.kill(agent, signal.SIGSTOP)
    try:
        eventually(lambda: time.time() * 1000 > stopped_ms + 4500, 10, "the pause is long enough")
    finally:
        os.kill(agent, signal.SIGCONT)
    resumed_ms = int(time.time() * 1000)
    eventually(lambda: newest_ms(client) > resumed_ms + 1000, 30, "what came after it is recorded")
    query: dict[str, Any] = {"from": stopped_ms - 5000, "to": resumed_ms + 5000}
    (gap,) = client.get(f"/api/hosts/{host}/gaps", params=query).raise_for_status().json()["gaps"]
    assert gap["reason"] == "not_sampled"
    assert stopped_ms - 1500 < gap["from_ms"] <= stopped_ms + 100
    assert resumed_ms - 100 <= gap["to_ms"] < resumed_ms + 2500
    series = client.get(f"/api/hosts/{host}/series", params={**query, "points": 60}).raise_for_status().json()
    assert series["gaps"] == [{"from_ms": gap["from_ms"], "to_ms": gap["to_ms"]}]
