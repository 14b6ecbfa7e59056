"""How long Compose takes from `up` to the page, and what the agent costs in its container and beside it.

The images are built first, on a Docker daemon of its own, with MariaDB in MySQL's place: that is not
measured.
"""

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from bench._hub import cpu_s, rss
from bench._load import processes
from bench._report import Row
from bench._size import Size
from build_tools.wheel import build_wheel
from tests.support.docker import ADDRESS, ROOT, Docker, Stack, running_docker, why_not

HOW_TO_READ = "Do not compare these shares with those of the agent alone: here two agents run on one machine."

URL = f"https://{ADDRESS}:8787"
TUKUR = [sys.executable, "-m", "tukur"]
GOAL_S = 60
PROCESSES = 1000
WARM_S, MEASURE_S = 15, 60
ROUNDS = 3
"""Of measuring both agents, at the same time."""


def run(size: Size) -> list[Row]:
    """Seconds until the page is there with empty volumes and again; CPU and memory of both agents."""
    if reason := why_not():
        return [{"subject": "compose", "skipped": reason}]
    with tempfile.TemporaryDirectory(prefix="tkd-") as folder, running_docker(Path(folder)) as docker:
        docker.build_images(build_wheel(ROOT, Path(folder) / "dist"))
        stack = Stack(docker)
        try:
            rows = [start(stack, "from nothing")]
            stack.compose("down", "--timeout", "30")
            rows.append(start(stack, "with its volumes"))
            measured = size.of((1, 2, 1), (5, 10, 1), (WARM_S, MEASURE_S, ROUNDS))
            return rows + _agents(stack, docker, *measured)
        finally:
            stack.close()


def start(stack: Stack, what: str) -> dict[str, Any]:
    """Brings the project up and waits for the page."""
    began = time.monotonic()
    stack.compose("up", "-d")
    commanded = time.monotonic() - began
    while not _page_is_there():
        time.sleep(0.1)
    row = {
        "subject": f"docker compose up, {what}",
        "to_page_s": round(time.monotonic() - began, 1),
        "of_which_command_s": round(commanded, 1),
        "goal_s": GOAL_S,
    }
    print(row, file=sys.stderr, flush=True)
    return row


def _page_is_there() -> bool:
    try:
        # Only whether something answers: the certificate is checked when the agents join.
        answer = httpx.get(f"{URL}/", verify=False, timeout=2)
    except httpx.HTTPError:
        return False
    return answer.status_code == 200 and b"<script" in answer.content


def _agents(stack: Stack, docker: Docker, warm: int, seconds: int, rounds: int) -> list[dict[str, Any]]:
    token = stack.tukur("join-token", "create", "--uses", "2")
    stack.compose("run", "--rm", "-T", "agent", "agent", "join", URL, "-", given=f"{token}\n")
    beside = docker.folder / "beside"
    words = ["agent", "join", URL, "-", "--data", str(beside), "--hostname", "beside"]
    subprocess.run([*TUKUR, *words], input=f"{token}\n", text=True, check=True, stdout=subprocess.DEVNULL)
    with processes(PROCESSES, busy=5), _agent_beside(beside) as on_host:
        stack.compose("--profile", "agent", "up", "-d")
        within = stack.pid("agent")
        time.sleep(warm)
        return compared(within, on_host, seconds, rounds)


_SUBJECTS = ("agent in its container", "agent on the host")


def compared(within: int, on_host: int, seconds: int, rounds: int) -> list[dict[str, Any]]:
    """What the agents with these PIDs cost, at the same time."""
    rows = [_both(within, on_host, seconds) for _ in range(rounds)]
    return [_summary(subject, [row[at] for row in rows], seconds) for at, subject in enumerate(_SUBJECTS)]


@contextlib.contextmanager
def _agent_beside(data: Path) -> Iterator[int]:
    agent = subprocess.Popen([*TUKUR, "agent", "run", "--data", str(data), "--log-level", "error"])
    try:
        yield agent.pid
    finally:
        agent.terminate()
        agent.wait(20)


def _both(within: int, on_host: int, seconds: int) -> tuple[tuple[float, int], ...]:
    """(share of a core, resident bytes) of each over the same time: what else happens, happens to both."""
    pids = (within, on_host)
    began, before = time.monotonic(), [cpu_s(pid) for pid in pids]
    time.sleep(seconds)
    spent = time.monotonic() - began
    return tuple(((cpu_s(pid) - used) / spent, rss(pid)) for pid, used in zip(pids, before, strict=True))


def _summary(subject: str, rounds: list[tuple[float, int]], seconds: int) -> dict[str, Any]:
    shares = sorted(share for share, _ in rounds)
    return {
        "subject": subject,
        "processes": PROCESSES,
        "seconds": seconds * len(rounds),
        "share": round(sum(shares) / len(shares), 5),
        "share_of_rounds": [round(share, 5) for share in shares],
        "rss_mib": round(max(size for _, size in rounds) / 2**20, 1),
    }
