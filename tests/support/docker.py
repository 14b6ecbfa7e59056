"""A Docker daemon of the tests' own, in a network namespace, with the images that the checkout's files make.

No image is pulled: `build_tools/setup system-test` makes the base with debootstrap and downloads the wheels.
"""

import contextlib
import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from build_tools.images import TARGETS
from build_tools.installer import MANIFEST, manifest
from tests.support.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "docker"
BASE, DATABASE, PREFIX = "tukur-tests/base", "tukur-tests/database", "tukur-tests"
_PROGRAMS = ("/usr/bin/docker", "/usr/sbin/dockerd", "/usr/bin/docker-compose")
"""Debian's; a newer client elsewhere on the PATH may not build without a plugin."""
_NETWORK = "10.126.0"
ADDRESS = f"{_NETWORK}.2"
"""Where the ports that containers publish are, for the tests."""
_DATABASE_IMAGE = f"""\
FROM {BASE}
COPY docker_database.sh /usr/local/bin/
ENTRYPOINT ["docker_database.sh"]
"""


def why_not() -> str:
    """Why there can be no daemon here; empty: there can."""
    if os.geteuid() != 0:
        return "dockerd needs root"
    missing = [program for program in _PROGRAMS if not Path(program).exists()]
    if missing:
        return f"not installed: {', '.join(missing)} (Debian: docker.io, docker-compose)"
    if not (CACHE / "base.tar").exists():
        return f"no {CACHE / 'base.tar'}; `build_tools/setup system-test` makes it"
    return ""


class Docker:
    """A running daemon."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # A socket's path must be short.
        self._environment = {
            **os.environ,
            "DOCKER_HOST": f"unix://{folder}/docker.sock",
            "DOCKER_BUILDKIT": "1",
            "COMPOSE_PROJECT_NAME": "tukur",
        }

    def docker(self, *arguments: str | Path, within: float = 60) -> str:
        """Runs one command of docker; its standard output."""
        return self._run([_PROGRAMS[0], *arguments], within=within)

    def compose(
        self, files: Path, *arguments: str, variables: dict[str, str], given: str = "", within: float = 120
    ) -> str:
        """Runs one command of Compose in a folder; `given`: its standard input."""
        command = [_PROGRAMS[2], "--no-ansi", *arguments]
        return self._run(command, cwd=files, input=given, env=self._environment | variables, within=within)

    def _run(self, command: Sequence[str | Path], *, within: float, **options: Any) -> str:
        options = {"env": self._environment, **options}
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=within, **options)
        assert done.returncode == 0, f"{command[1:]}: {done.stdout}{done.stderr}"
        return str(done.stdout)

    def inspect(self, name: str) -> dict[str, Any]:
        """What the daemon knows of a container or an image."""
        found: list[dict[str, Any]] = json.loads(self.docker("inspect", name))
        return found[0]

    def build_images(self, wheel: Path) -> None:
        """The images of the Dockerfile, from a wheel; and that of the database."""
        context = self.folder / "context"
        # What the agent's image holds is enough to see that a list and its files arrive.
        (context / "dist" / "installer").mkdir(parents=True)
        shutil.copy(wheel, context / "dist" / "installer")
        (context / "dist" / "installer" / MANIFEST).write_text(manifest(context / "dist" / "installer"))
        shutil.copy(wheel, context / "dist")
        shutil.copytree(CACHE / "wheels", context / "dist" / "wheels", copy_function=os.link)
        for name in ("deploy/docker", "requirements"):
            shutil.copytree(ROOT / name, context / name)
        self.docker("import", CACHE / "base.tar", BASE)
        for target in TARGETS:
            self.docker(
                *("build", "--quiet", "--file", context / "deploy/docker/Dockerfile", "--target", target),
                *("--build-arg", f"BASE_IMAGE={BASE}", "--tag", f"{PREFIX}/{target}"),
                *("--build-arg", "INDEX_OPTIONS=--no-index --find-links /dist/wheels", context),
                within=240,
            )
        shutil.rmtree(context)
        context.mkdir()
        shutil.copy(ROOT / "tests/support/docker_database.sh", context)
        (context / "Dockerfile").write_text(_DATABASE_IMAGE)
        self.docker("build", "--quiet", "--tag", DATABASE, context)


class Stack:
    """The project of deploy/compose on a daemon, in a folder of its own."""

    def __init__(self, docker: Docker) -> None:
        self.docker = docker
        self._folder = docker.folder / f"stack-{secrets.token_hex(4)}"
        shutil.copytree(ROOT / "deploy" / "compose", self._folder)
        (self._folder / "secrets").mkdir(mode=0o700)
        for name in ("database_password", "database_root_password"):
            (self._folder / "secrets" / name).write_text(f"{secrets.token_hex(24)}\n")
        self._variables = {
            "IMAGE_PREFIX": PREFIX,
            "DB_IMAGE": DATABASE,
            "TUKUR_NAME": ADDRESS,
            # Docker 20.10 does not know the capabilities that these stand for.
            "AGENT_BPF_CAPABILITY": "SYS_ADMIN",
            "AGENT_PERFMON_CAPABILITY": "SYSLOG",
        }

    def compose(self, *arguments: str, given: str = "") -> str:
        """One command of Compose."""
        return self.docker.compose(self._folder, *arguments, given=given, variables=self._variables)

    def tukur(self, *arguments: str) -> str:
        """A command of the hub's, in its container."""
        return self.compose("exec", "-T", "hub", "tukur", *arguments).strip()

    def up(self) -> None:
        """`docker-compose up -d`, and waits until the hub's own health check is content."""
        self.compose("up", "-d")
        eventually(lambda: self.health("hub") == "healthy", 90, "the hub is healthy")

    def container(self, service: str) -> dict[str, Any]:
        """What the daemon knows of a service's container."""
        return self.docker.inspect(self.compose("ps", "-q", service).strip())

    def health(self, service: str) -> str:
        """As its health check found it last."""
        return str(self.container(service)["State"]["Health"]["Status"])

    def pid(self, service: str) -> int:
        """The first process of a container, as this machine numbers it; 0: it does not run."""
        return int(self.container(service)["State"]["Pid"])

    def close(self) -> None:
        """Removes all, the volumes too."""
        self.compose("--profile", "agent", "down", "--volumes", "--timeout", "5")


@contextlib.contextmanager
def _network(name: str) -> Iterator[None]:
    """A network namespace that this machine reaches at ADDRESS, and that reaches nothing else."""

    def ip(*arguments: str) -> None:
        subprocess.run(["ip", *arguments], check=True, capture_output=True)

    ip("netns", "add", name)
    try:
        ip("link", "add", f"{name}-0", "type", "veth", "peer", "name", f"{name}-1", "netns", name)
        ip("address", "add", f"{_NETWORK}.1/30", "dev", f"{name}-0")
        ip("link", "set", f"{name}-0", "up")
        for words in (
            ("address", "add", f"{ADDRESS}/30", "dev", f"{name}-1"),
            ("link", "set", f"{name}-1", "up"),
            ("link", "set", "lo", "up"),
        ):
            ip("-netns", name, *words)
        yield
    finally:
        # First: a namespace that a dying container still holds would keep it.
        subprocess.run(["ip", "link", "delete", f"{name}-0"], check=False, capture_output=True)
        ip("netns", "delete", name)


@contextlib.contextmanager
def running_docker(folder: Path) -> Iterator[Docker]:
    """A daemon that is gone afterwards, with all that it held. Skips the test where there can be none."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    name = f"tkd{secrets.token_hex(2)}"
    docker = Docker(folder)
    command: list[str | Path] = [
        "nsenter",
        f"--net=/run/netns/{name}",
        _PROGRAMS[1],
        "--data-root",
        folder / "data",
    ]
    command += ["--exec-root", folder / "exec", "--host", f"unix://{folder}/docker.sock"]
    command += ["--pidfile", folder / "docker.pid", "--bip", "10.123.0.1/24"]
    command += ["--default-address-pool", "base=10.124.0.0/16,size=24"]
    with _network(name), (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            eventually(
                lambda: (folder / "docker.sock").exists() or daemon.poll() is not None, 60, "dockerd listens"
            )
            if daemon.poll() is not None:
                pytest.skip(f"dockerd does not start here: {(folder / 'log').read_text()[-500:]}")
            docker.docker("info")
            yield docker
        finally:
            daemon.terminate()
            daemon.wait(60)
            # What the daemon leaves mounted is the namespace of the containers that have the host's network.
            for mount in (folder / "exec" / "netns").glob("*"):
                subprocess.run(["umount", "--lazy", mount], check=False, capture_output=True)
            shutil.rmtree(folder / "data", ignore_errors=True)
