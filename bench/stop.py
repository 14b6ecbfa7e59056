"""From the click to the observed exit: orders over HTTP, as the page sends them, to real processes."""

import contextlib
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from bench._report import Row
from bench._size import Size
from tests.support.running import running, the_host, tukur
from tests.support.waiting import eventually
from tukur.agent.facts import boot_id
from tukur.sources.proc import read_stat

HOW_TO_READ = (
    "One process after another, with the embedded database. This includes three commits to disk: the "
    "order, its entry in the audit log before it is sent, and its outcome."
)

GOAL_MS = 100.0


def run(size: Size) -> list[Row]:
    """The hub and its agent; then a signal by the bare system call."""
    rounds = size.of(3, 60, 400)
    with tempfile.TemporaryDirectory(prefix="tukur-stop-") as folder, running(Path(folder) / "data") as up:
        token = tukur("token", "create", "--role", "operator", "--data", str(up.data)).stdout.strip()
        with httpx.Client(base_url=up.url, headers={"Authorization": f"Bearer {token}"}) as client:
            with contextlib.closing(up.sign_in()) as browser:
                host_id = str(the_host(browser)["host_id"])
            eventually(lambda: client.get(f"/api/hosts/{host_id}").json()["online"], 20, "the host is online")
            rows = [
                _measured("tukur, click to observed exit", rounds, lambda pid: _order(client, host_id, pid))
            ]
    rows.append(_measured("kill(2) and waitpid(2)", rounds, _kill))
    return [{**row, "goal_p99_ms": GOAL_MS} for row in rows]


def _order(client: httpx.Client, host_id: str, pid: int) -> None:
    stat = read_stat(pid)
    assert stat is not None
    target = {"boot_id": boot_id(), "pid": pid, "start_ns": str(stat.start_ns)}
    made = client.post(f"/api/hosts/{host_id}/orders", json={**target, "signal": "KILL"})
    made.raise_for_status()
    told = client.get(f"/api/orders/{made.json()['order_id']}", params={"wait_s": 10}).json()
    if told["outcome"] != "exited":
        raise RuntimeError(f"the order ended as {told['outcome']}: {told['detail']}")


def _kill(pid: int) -> None:
    os.kill(pid, 9)


def _measured(name: str, rounds: int, stop: Callable[[int], None]) -> dict[str, Any]:
    took = []
    for _ in range(rounds):
        child = subprocess.Popen(["sleep", "600"])
        collected = threading.Thread(target=child.wait)
        collected.start()
        began = time.perf_counter()
        stop(child.pid)
        if stop is _kill:
            collected.join()
        took.append((time.perf_counter() - began) * 1000)
        collected.join()
    p50, p99 = np.percentile(took, (50, 99))
    return {
        "subject": name,
        "rounds": rounds,
        "p50_ms": round(float(p50), 2),
        "p99_ms": round(float(p99), 2),
        "max_ms": round(max(took), 2),
    }
