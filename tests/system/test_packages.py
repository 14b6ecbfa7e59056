"""The agent as a Debian package and by `uv tool install`, in a booted machine that reaches nothing but a hub.

The tests are in the order of a machine's life.
"""

import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from build_tools.deb import Build, build
from tests.support.installing import InstallingHub, installing_hub
from tests.support.machine import HERE_ADDRESS, Machine, machine, missing
from tests.support.running import tukur
from tests.support.waiting import eventually

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
AGENT = "tukur-agent.service"
JOINED = "/var/lib/tukur-agent/joined.json"
BOOKS = ("/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow")
_UV = Path(sys.executable).with_name("uv")


def why_not() -> str:
    """Why no package can be installed here; empty: it can."""
    if missing() or shutil.which("dpkg-deb") is None:
        return missing() or "needs dpkg"
    debian = subprocess.run(
        ["/usr/bin/python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if debian.stdout.strip() == PYTHON else f"the system's Python is not {PYTHON}"


pytestmark = [
    pytest.mark.skipif(bool(why_not()), reason=why_not()),
    pytest.mark.timeout(240),
]


@pytest.fixture(scope="module")
def packages(installer_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The package, and a newer one."""
    folder = tmp_path_factory.mktemp("packages")
    here = platform.machine()
    older = build(Build(installer_folder, PYTHON, here, time_s=1_700_000_000, compression="gzip"), folder)
    newer, tree = folder / "newer.deb", folder / "tree"
    subprocess.run(["dpkg-deb", "--raw-extract", older, tree], check=True)
    control = (tree / "DEBIAN" / "control").read_text()
    (tree / "DEBIAN" / "control").write_text(control.replace("0.1.0-1", "0.1.0-2"))
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", tree, newer],
        check=True,
        capture_output=True,
    )
    return older, newer


@pytest.fixture(scope="module")
def owl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with machine(tmp_path_factory.mktemp("machine")) as booted:
        # Images of containers forbid packages to start services.
        booted.path("/usr/sbin/policy-rc.d").unlink(missing_ok=True)
        yield booted


@pytest.fixture(scope="module")
def hub(
    owl: Machine, installer_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[InstallingHub]:
    with installing_hub(tmp_path_factory.mktemp("hub"), installer_folder) as running:
        yield running


@pytest.fixture(scope="module")
def url(hub: InstallingHub) -> str:
    return f"https://{HERE_ADDRESS}:{hub.up.port}"


def state(owl: Machine) -> tuple[set[str], dict[str, list[str]]]:
    """Every file that is not the live system's, and the users; not the books of dpkg and useradd."""
    noise = re.compile(
        r"etc/(sub[ug]id|passwd|group|shadow|gshadow|\.pwd\.lock)-?|etc/mtab|var/log/.*"
        r"|var/lib/dpkg/(status|available|lock|triggers|diversions|statoverride|info/format).*|var/cache/.*"
    )
    files = {name for name in owl.changed() if not noise.fullmatch(name)}
    return files, {book: sorted(owl.path(book).read_text().splitlines()) for book in BOOKS}


@pytest.fixture(scope="module")
def untouched(owl: Machine) -> tuple[set[str], dict[str, list[str]]]:
    return state(owl)


def dpkg(owl: Machine, *arguments: str, package: Path | None = None) -> str:
    """Runs dpkg there; what it said."""
    if package is not None:
        shutil.copy(package, owl.path("/run/package.deb"))
        arguments = (*arguments, "/run/package.deb")
    done = owl.run("dpkg", *arguments, within=120, DEBIAN_FRONTEND="noninteractive")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def active(owl: Machine) -> str:
    return owl.run("systemctl", "is-active", AGENT).stdout.strip()


def test_the_package_installs_without_running_anything_and_says_how_to_join(
    owl: Machine, packages: tuple[Path, Path], untouched: Any
) -> None:
    said = dpkg(owl, "--install", package=packages[0])
    assert "sudo tukur-agent-join https://HUB:8787 TOKEN" in said
    assert active(owl) == "inactive"
    assert owl.run("systemctl", "is-enabled", AGENT).stdout.strip() == "enabled"
    assert owl.run("tukur", "--version").stdout.startswith("tukur ")
    # What the package does not know was changed by nobody.
    assert owl.run("dpkg", "--verify", "tukur-agent").stdout == ""


def test_one_command_joins_and_starts_the_agent(owl: Machine, hub: InstallingHub, url: str) -> None:
    refused = owl.run("tukur-agent-join", url)
    assert refused.returncode == 2
    assert "expected: tukur-agent-join" in refused.stderr
    done = owl.run("tukur-agent-join", url, "-", "--hostname", "owl", stdin=f"{hub.token}\n")
    assert done.returncode == 0, done.stderr
    host = eventually(hub.online, 40, "the host is online")
    if Path("/sys/kernel/btf/vmlinux").exists():
        assert host["source"] == "bpf"


def test_an_upgrade_keeps_the_host_and_what_its_administrator_wrote(
    owl: Machine, packages: tuple[Path, Path], hub: InstallingHub
) -> None:
    settings = owl.path("/etc/tukur/agent.toml")
    settings.write_text('log-level = "warning"\n')
    before = owl.path(JOINED).read_bytes(), owl.run("systemctl", "show", "-P", "MainPID", AGENT).stdout
    dpkg(owl, "--install", package=packages[1])
    assert owl.run("dpkg-query", "-W", "-f", "${Version}", "tukur-agent").stdout.startswith("0.1.0-2")
    assert active(owl) == "active"
    after = owl.path(JOINED).read_bytes(), owl.run("systemctl", "show", "-P", "MainPID", AGENT).stdout
    assert before[0] == after[0]
    assert before[1] != after[1], "the new version runs"
    assert settings.read_text() == 'log-level = "warning"\n'
    assert "/etc/tukur/agent.toml" in owl.run("tukur", "config", "show", "agent").stdout
    eventually(hub.online, 40, "the same host is online")


def test_removing_keeps_the_key_and_purging_leaves_nothing(owl: Machine, untouched: Any) -> None:
    dpkg(owl, "--remove", "tukur-agent")
    assert active(owl) == "inactive"
    assert owl.path(JOINED).exists()
    assert owl.path("/etc/tukur/agent.toml").exists()
    assert not owl.path("/usr/lib/tukur-agent").exists()
    dpkg(owl, "--purge", "tukur-agent")
    assert state(owl) == untouched
    assert owl.sh("ps -A -o args | grep '[t]ukur'").stdout == ""


def test_beside_an_agent_of_the_hubs_installer_it_is_not_installed(
    owl: Machine, packages: tuple[Path, Path]
) -> None:
    owl.path("/opt/tukur").mkdir()
    owl.path("/opt/tukur/uninstall").touch()
    shutil.copy(packages[0], owl.path("/run/package.deb"))
    done = owl.run("dpkg", "--install", "/run/package.deb")
    assert done.returncode != 0
    assert "remove it first: /opt/tukur/uninstall" in done.stderr
    shutil.rmtree(owl.path("/opt/tukur"))
    dpkg(owl, "--purge", "tukur-agent")


@pytest.mark.skipif(not _UV.exists(), reason="uv is not installed")
def test_uv_installs_the_wheel_as_a_tool_without_internet(
    owl: Machine, hub: InstallingHub, url: str, installer_folder: Path
) -> None:
    shutil.copytree(installer_folder, owl.path("/run/wheels"))
    uv = ("env", "UV_TOOL_DIR=/opt/tools", "UV_TOOL_BIN_DIR=/opt/bin", "UV_CACHE_DIR=/run/uv", str(_UV))
    offline = ("--offline", "--no-index", "--find-links", "/run/wheels", "--python", "/usr/bin/python3")
    done = owl.run(*uv, "tool", "install", *offline, "tukur")
    assert done.returncode == 0, done.stderr
    made = tukur("join-token", "create", "--data", str(hub.up.data))
    joined = owl.run(
        *("/opt/bin/tukur", "agent", "join", "--data", "/run/agent", "--hostname", "uvwl", url, "-"),
        stdin=made.stdout,
    )
    assert joined.returncode == 0, joined.stderr
    started = owl.run(
        *("systemd-run", "--unit", "tukur-of-uv", "/opt/bin/tukur", "agent", "run", "--data", "/run/agent")
    )
    assert started.returncode == 0, started.stderr
    eventually(lambda: hub.online("uvwl"), 40, "the host is online")
    assert owl.run("systemctl", "stop", "tukur-of-uv").returncode == 0
    assert owl.run(*uv, "tool", "uninstall", "tukur").returncode == 0
    assert not owl.path("/opt/bin/tukur").exists()
