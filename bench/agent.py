"""What the whole agent costs: share of one core and RSS at 1 Hz, connected to a real hub."""

import contextlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from bench._hub import cpu_s, rss
from bench._load import processes
from bench._report import Row
from bench._size import Size
from tests.support.running import running
from tests.support.waiting import eventually

HOW_TO_READ = (
    "Goals: 0.35 % of a core with 1,000 processes and 1 % with 10,000; five of them are busy. The shares of "
    "read, host, collect and so on are those parts of the agent's work, by its own account."
)
_PSUTIL = """
import psutil, time
FIELDS = ["pid", "ppid", "name", "username", "cmdline", "status", "cpu_times", "memory_info", "num_threads",
          "io_counters", "create_time", "nice", "num_ctx_switches"]
while True:
    list(psutil.process_iter(FIELDS))
    time.sleep(1 - time.time() % 1)
"""
PEERS = {
    "top -b -d 1": ["top", "-b", "-d", "1"],
    "psutil loop": [sys.executable, "-c", _PSUTIL],
}


def run(size: Size) -> list[Row]:
    """Agent and peers one after another, with the same processes."""
    counts, seconds, warm = size.of(((100,), 1, 1), ((1000,), 10, 12), ((1000, 10_000), 60, 12))
    results: list[dict[str, Any]] = []
    for count in counts:
        with processes(count, busy=5):
            results.append(_agent(count, seconds, warm))
            results.extend(
                _peer(name, command, count, min(seconds, 20), min(warm, 3)) for name, command in PEERS.items()
            )
    return results


def _observe(subject: str, pid: int, count: int, seconds: int) -> dict[str, Any]:
    began, cpu, peak = time.monotonic(), cpu_s(pid), 0.0
    while time.monotonic() - began < seconds:
        time.sleep(1)
        peak = max(peak, rss(pid) / 2**20)
    spent = (cpu_s(pid) - cpu) / (time.monotonic() - began)
    return {
        "subject": subject,
        "processes": count,
        "seconds": seconds,
        "share": round(spent, 5),
        "rss_mib": round(peak, 1),
    }


def _parts_us(client: httpx.Client) -> dict[str, int]:
    """The agent's own account, microseconds by part since its start, as its newest heartbeat has it."""

    def look() -> dict[str, int]:
        hosts = client.get("/api/hosts").raise_for_status().json()["hosts"]
        return (hosts[0]["agent_cost_us"] or {}) if hosts else {}

    return eventually(look, 20, "a heartbeat of the agent has come")


def _agent(count: int, seconds: int, warm: int) -> dict[str, Any]:
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder) / "data") as up,
        contextlib.closing(up.sign_in()) as client,
    ):
        # Past the first reading of every image, and the first block.
        time.sleep(warm)
        before, began = _parts_us(client), time.monotonic()
        observed = _observe("tukur agent", up.child("agent"), count, seconds)
        spent_s = time.monotonic() - began
        return observed | {
            f"{name}_share": round((us - before.get(name, 0)) / 1e6 / spent_s, 5)
            for name, us in _parts_us(client).items()
        }


def _peer(name: str, command: list[str], count: int, seconds: int, warm: int) -> dict[str, Any]:
    try:
        peer = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except FileNotFoundError:
        return {"subject": name, "processes": count, "skipped": f"{command[0]} is not installed"}
    try:
        time.sleep(warm)
        return _observe(name, peer.pid, count, seconds)
    finally:
        peer.kill()
        peer.wait()
