"""Virtual machines of an instance group under a real hub, with agents as processes of their own."""

import contextlib
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.google.cloud import GROUP, Cloud, cloud
from tests.support.google.identity import Instance
from tests.support.google.server import PROJECT
from tests.support.running import TUKUR, Up, running, tukur
from tests.support.waiting import eventually
from tukur.cli.errors import Exit


@pytest.fixture(scope="module")
def around() -> Iterator[Cloud]:
    with cloud() as running_cloud:
        yield running_cloud


@pytest.fixture(scope="module")
def up(around: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    settings = around.settings
    options = {
        "--host": "0.0.0.0",
        "--google-project": PROJECT,
        "--google-groups": GROUP,
        "--google-certs-url": settings.certs_url,
        "--google-compute-url": settings.compute_url,
    }
    words = [word for pair in options.items() for word in pair]
    with running(tmp_path_factory.mktemp("google") / "hub", *words) as started:
        yield started


@pytest.fixture(scope="module")
def client(up: Up) -> Iterator[httpx.Client]:
    with contextlib.closing(up.sign_in()) as signed_in:
        yield signed_in


@pytest.fixture(scope="module")
def token(up: Up) -> str:
    made = tukur("join-token", "create", "--google", "--data", str(up.data))
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def join(up: Up, folder: Path, token: str) -> "subprocess.CompletedProcess[str]":
    return tukur("agent", "join", up.url, token, "--data", str(folder))


def hosts(client: httpx.Client, **query: str) -> dict[str, dict[str, Any]]:
    return {host["name"]: host for host in client.get("/api/hosts", params=query).json()["hosts"]}


def state(client: httpx.Client, name: str) -> str:
    return str(hosts(client, left="true")[name]["state"])


def agent(folder: Path) -> "subprocess.Popen[bytes]":
    command = [*TUKUR, "agent", "run", "--data", str(folder), "--source", "procfs"]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize(("name", "end"), [("web-term", signal.SIGTERM), ("web-kill", signal.SIGKILL)])
def test_a_machine_joins_by_its_identity_is_watched_and_leaves_when_it_is_scaled_in(
    up: Up, client: httpx.Client, around: Cloud, token: str, tmp_path: Path, name: str, end: signal.Signals
) -> None:
    made = around.add(name)
    joined = join(up, tmp_path, token)
    assert joined.returncode == 0, joined.stderr
    running_agent = agent(tmp_path)
    try:
        eventually(lambda: hosts(client).get(name, {}).get("rates"), 40, "the machine is watched")
        assert state(client, name) == "online"
        around.says(made, "STOPPING", "DELETING")
        around.metadata.requests.clear()
        running_agent.send_signal(end)
        states = set()

        def left() -> bool:
            states.add(state(client, name))
            return "left" in states

        eventually(left, 40, "the machine left")
        assert "offline" not in states
        # A goodbye says whether the machine is preempted: its metadata server knows.
        asked = "/computeMetadata/v1/instance/preempted" in around.metadata.requests
        assert asked == (end == signal.SIGTERM)
    finally:
        running_agent.kill()
        running_agent.wait()
    assert name not in hosts(client)
    listed = tukur("host", "list", "--data", str(up.data))
    assert name not in listed.stdout
    assert "--left shows all" in listed.stderr
    assert f"{name}\tleft " in tukur("host", "list", "--left", "--data", str(up.data)).stdout


def test_a_machine_outside_of_the_group_is_refused_with_one_line_and_the_reason_is_in_the_audit_log(
    up: Up, client: httpx.Client, around: Cloud, token: str, tmp_path: Path
) -> None:
    around.metadata.instance = Instance("4711", "stranger")
    refused = join(up, tmp_path, token)
    assert refused.returncode == Exit.JOIN_REFUSED
    (line,) = refused.stderr.splitlines()
    assert line.endswith("the hub does not accept this machine; its audit log says why (identity_refused)")
    newest = client.get("/api/audit", params={"action": "host.join"}).json()["entries"][0]
    assert newest["result"] == "not_in_group"
    assert "no configured instance group has stranger (4711)" in newest["detail"]
