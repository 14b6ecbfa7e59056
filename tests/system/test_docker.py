"""The images and the Compose file on a real Docker daemon."""

import contextlib
import os
import platform
import signal
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from bench import compose, images
from bench._report import checked, report
from bench._size import Size
from tests.support.docker import ADDRESS, PREFIX, Docker, Stack
from tests.support.running import newest_ms, next_sample, row_of, the_host
from tests.support.waiting import eventually

# The daemon, the wheel and the images are made in the first test.
pytestmark = pytest.mark.timeout(400)
URL = f"https://{ADDRESS}:8787"
_HEALTHCHECK = ("exec", "-T", "hub", "/opt/tukur/bin/python", "/opt/tukur/healthcheck.py")
CAP_KILL, CAP_SYS_NICE = 5, 23


@pytest.fixture(scope="module")
def stack(docker: Docker) -> Iterator[Stack]:
    made = Stack(docker)
    try:
        made.up()
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def client(stack: Stack) -> Iterator[httpx.Client]:
    """Signed in by the documented command."""
    authority = httpx.get(f"{URL}/ca.pem", verify=False).text
    verified = ssl.create_default_context(cadata=authority)
    link = stack.tukur("sign-in-link")
    with httpx.Client(base_url=URL, headers={"Origin": URL}, verify=verified, timeout=20) as signed_in:
        answer = signed_in.post("/api/session", json={"token": link.partition("token=")[2]})
        assert answer.status_code == 201, answer.text
        yield signed_in


@pytest.fixture(scope="module")
def agent(stack: Stack, client: httpx.Client) -> str:
    """The host that the agent's container made of this machine; its id."""
    token = stack.tukur("join-token", "create")
    stack.compose("run", "--rm", "-T", "agent", "agent", "join", URL, "-", given=f"{token}\n")
    stack.compose("--profile", "agent", "up", "-d")
    return str(the_host(client)["host_id"])


@pytest.fixture(scope="module")
def sleeper() -> Iterator[int]:
    """A process of this machine, outside of all containers; its PID."""
    with subprocess.Popen(["sleep", "1000"]) as process:
        yield process.pid
        process.kill()


def status_of(pid: int) -> dict[str, str]:
    """The fields of /proc/PID/status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def capabilities(pid: int) -> int:
    """The effective ones, as bits."""
    return int(status_of(pid)["CapEff"], 16)


def test_after_compose_up_the_page_is_there(stack: Stack, client: httpx.Client) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert "<script" in page.text
    assert client.get("/api/session").status_code == 200
    assert httpx.get(f"{URL}/api/hosts", verify=False).status_code == 401


def test_the_hub_runs_as_a_user_without_capabilities_on_a_read_only_root(stack: Stack) -> None:
    pid = stack.pid("hub")
    assert status_of(pid)["Uid"].split() == ["10001"] * 4
    assert capabilities(pid) == 0
    assert stack.container("hub")["HostConfig"]["ReadonlyRootfs"]


@pytest.mark.parametrize("image", ["tukur", "tukur-agent"])
def test_an_image_has_its_labels_and_no_shell(docker: Docker, image: str) -> None:
    labels = docker.inspect(f"{PREFIX}/{image}")["Config"]["Labels"]
    assert labels["org.opencontainers.image.title"] == image
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0 AND GPL-2.0-only"
    with pytest.raises(AssertionError, match="executable file not found"):
        docker.docker("run", "--rm", "--entrypoint", "sh", f"{PREFIX}/{image}")


def test_the_installers_image_gives_the_hub_what_it_serves(
    docker: Docker, stack: Stack, client: httpx.Client, tmp_path: Path
) -> None:
    # As src/tukur/gcp/startup/platform.sh does; there before the hub starts.
    container = docker.docker("create", f"{PREFIX}/tukur-installer", "none").strip()
    docker.docker("cp", f"{container}:/installer", tmp_path / "installer")
    docker.docker("rm", container)
    docker.docker("cp", tmp_path / "installer", f"{stack.container('hub')['Id']}:/var/lib/tukur/")
    stack.compose("restart", "hub")
    eventually(lambda: stack.health("hub") == "healthy", 60, "the hub is healthy")
    assert client.get("/install.sh").text.startswith("#!/bin/sh")
    for file in (tmp_path / "installer").iterdir():
        assert client.get(f"/install/{file.name}").content == file.read_bytes()


def test_the_agents_container_names_the_host_and_sees_its_processes(
    client: httpx.Client, agent: str, sleeper: int
) -> None:
    host = the_host(client)
    assert host["name"] == platform.node()
    row = eventually(lambda: row_of(client, agent, sleeper), 20, "the process of the host is in the table")
    assert row["name"] == "sleep"
    if os.access("/sys/kernel/btf/vmlinux", os.R_OK):
        assert host["source"] == "bpf"


def test_without_a_policy_file_the_agent_could_not_stop_anything(stack: Stack, agent: str) -> None:
    held = capabilities(stack.pid("agent"))
    assert held
    assert not held & (1 << CAP_KILL | 1 << CAP_SYS_NICE)


def test_a_killed_database_comes_back_and_nothing_is_lost(
    stack: Stack, client: httpx.Client, agent: str, sleeper: int
) -> None:
    next_sample(client)
    began_ms = int(time.time() * 1000)
    killed = stack.pid("db")
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: stack.pid("db") not in (0, killed), 30, "the database has been restarted")
    eventually(lambda: stack.health("db") == "healthy", 60, "the database is healthy")
    stored = began_ms + 12_000
    eventually(lambda: newest_ms(client) > stored, 60, "what was recorded meanwhile is stored")
    for at_ms in range(began_ms, stored, 1000):
        assert row_of(client, agent, sleeper, at=at_ms), f"{at_ms - began_ms} ms after the kill"
    gaps = client.get(f"/api/hosts/{agent}/gaps", params={"from": began_ms, "to": stored})
    assert gaps.json()["gaps"] == []


def test_the_health_check_fails_while_the_database_is_away(stack: Stack, agent: str) -> None:
    def works() -> bool:
        with contextlib.suppress(AssertionError):
            return stack.compose(*_HEALTHCHECK) == "works\n"
        return False

    assert works()
    stack.compose("stop", "db")
    try:
        # A hub without a block to store does not notice: the agent sends one every ten seconds.
        eventually(lambda: not works(), 60, "the health check fails")
    finally:
        stack.compose("start", "db")
    eventually(works, 60, "the health check succeeds")


def test_the_benchmarks_of_images_and_compose_measure_them(
    docker: Docker, stack: Stack, agent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "PREFIX", PREFIX)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{docker.folder}/docker.sock")
    sizes = checked(report("images", Size.SMALLEST, images.run(Size.SMALLEST))).results
    assert all(int(str(row["unpacked_mb"]).partition(".")[0]) > 50 for row in sizes), sizes
    agents = compose.compared(stack.pid("agent"), os.getpid(), seconds=1, rounds=1)
    found = checked(report("compose", Size.SMALLEST, [compose.start(stack, "again"), *agents])).results
    assert [row["subject"] for row in found[1:]] == ["agent in its container", "agent on the host"]


def test_volumes_outlast_down_and_up(stack: Stack, client: httpx.Client, agent: str, sleeper: int) -> None:
    recorded_ms = newest_ms(client) - 1000
    assert row_of(client, agent, sleeper, at=recorded_ms)
    stack.compose("--profile", "agent", "down", "--timeout", "20")
    stack.up()
    # Same session, same certificate, same record; the agent's volume has its key, so it is the same host.
    assert row_of(client, agent, sleeper, at=recorded_ms)
    stack.compose("--profile", "agent", "up", "-d")
    eventually(lambda: newest_ms(client) > recorded_ms + 10_000, 60, "the same host records again")
    assert the_host(client)["host_id"] == agent
