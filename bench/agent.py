"""What the whole agent costs: share of one core and RSS at 1 Hz, connected to a real hub."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from bench._load import processes
from bench._report import Row
from bench._size import Size

HOW_TO_READ = (
    "Goals: 0.35 % of a core with 1,000 processes and 1 % with 10,000; five of them are busy. The shares of "
    "read, host, collect and so on are those parts of the agent's work, by its own account."
)
TICKS = os.sysconf("SC_CLK_TCK")
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


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _rss_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _observe(subject: str, pid: int, count: int, seconds: int) -> dict[str, Any]:
    began, cpu, peak = time.monotonic(), _cpu_s(pid), 0.0
    while time.monotonic() - began < seconds:
        time.sleep(1)
        peak = max(peak, _rss_mib(pid))
    spent = (_cpu_s(pid) - cpu) / (time.monotonic() - began)
    return {
        "subject": subject,
        "processes": count,
        "seconds": seconds,
        "share": round(spent, 5),
        "rss_mib": round(peak, 1),
    }


class _Parts:
    """The agent's own account of its CPU time, as the hub has it from the newest heartbeat."""

    def __init__(self, link: str) -> None:
        """`link`: by which a browser signs in."""
        url, _, token = link.partition("/sign-in#token=")
        self._client = httpx.Client(base_url=url, headers={"Origin": url})
        self._client.post("/api/session", json={"token": token}).raise_for_status()

    def us(self) -> dict[str, int]:
        """Microseconds by part since its start."""
        for _ in range(400):
            hosts = self._client.get("/api/hosts").raise_for_status().json()["hosts"]
            found: dict[str, int] = hosts[0]["agent_cost_us"] if hosts else {}
            if found:
                return found
            time.sleep(0.05)
        raise RuntimeError("no heartbeat of the agent has come")


def _agent(count: int, seconds: int, warm: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tukur", "up", "--data", folder, "--port", "18787"]
        up = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            assert up.stdout is not None
            link = next(word for line in up.stdout for word in line.split() if "#token=" in word)
            parts = _Parts(link)
            # Past the first reading of every image, and the first block.
            time.sleep(warm)
            before, began = parts.us(), time.monotonic()
            observed = _observe("tukur agent", child_of(up.pid, "agent"), count, seconds)
            spent_s = time.monotonic() - began
            return observed | {
                f"{name}_share": round((us - before.get(name, 0)) / 1e6 / spent_s, 5)
                for name, us in parts.us().items()
            }
        finally:
            up.terminate()
            up.wait(20)


def child_of(parent: int, word: str) -> int:
    """The child of a `tukur up` that runs that command."""
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        if word in Path(f"/proc/{child}/cmdline").read_bytes().decode().split("\0"):
            return int(child)
    raise RuntimeError(f"tukur up has no child {word!r}")


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
