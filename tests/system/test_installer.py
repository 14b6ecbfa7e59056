"""The agent comes to a machine by one line: a booted systemd, a real hub, and a network with nothing else.

The tests are in the order of a machine's life, since each installation takes its seconds.
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.installing import InstallingHub, installing_hub
from tests.support.machine import Machine, machine, missing
from tests.support.waiting import eventually
from tukur.protocol.join_token import SECRET

BOOKS = ("/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow")
AGENT = "tukur-agent.service"

pytestmark = [
    pytest.mark.skipif(bool(missing()), reason=missing()),
    pytest.mark.timeout(240),
]


@pytest.fixture(scope="module")
def hub(installer_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InstallingHub]:
    with installing_hub(tmp_path_factory.mktemp("hub"), installer_folder) as running:
        yield running


@pytest.fixture(scope="module")
def owl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with machine(tmp_path_factory.mktemp("machine")) as booted:
        yield booted


def install(
    owl: Machine, hub: InstallingHub, token: str, *options: str
) -> "subprocess.CompletedProcess[str]":
    return owl.run("sh", "-c", hub.line(token, *options), within=120)


def state(owl: Machine) -> tuple[set[str], dict[str, list[str]]]:
    """Every file that is not the live system's, and the users."""
    # What useradd keeps beside the books that it wrote, and the log.
    noise = re.compile(r"etc/(sub[ug]id|passwd|group|shadow|gshadow|\.pwd\.lock)-?|etc/mtab|var/log/.*")
    files = {name for name in owl.changed() if not noise.fullmatch(name)}
    return files, {book: sorted(owl.path(book).read_text().splitlines()) for book in BOOKS}


@pytest.fixture(scope="module")
def untouched(owl: Machine) -> tuple[set[str], dict[str, list[str]]]:
    return state(owl)


def assert_refused(
    owl: Machine, script: str, words: str, untouched: tuple[set[str], dict[str, list[str]]]
) -> None:
    """Exit code 1, one line, and nothing that was not there before."""
    done = owl.run("sh", "-c", script, within=120)
    said = [line for line in done.stderr.splitlines() if line]
    assert done.returncode == 1, done
    assert len(said) == 1, said
    assert said[0].startswith("tukur"), said
    assert words in said[0]
    assert state(owl) == untouched


@pytest.mark.parametrize(
    ("wrap", "words"),
    [
        ("setpriv --reuid 65534 --clear-groups {shell}", "root is needed"),
        ("unshare -m sh -c 'mount -t tmpfs none /run/systemd && exec {shell}'", "systemd does not run"),
        (
            "unshare -m sh -c 'for it in /usr/bin/python3.*; do mount --bind /bin/false $it; done; {shell}'",
            "Python 3.11 to 3.14 is needed, found no python3",
        ),
        ("{shell} --nonsense", "unknown option --nonsense"),
        ("{shell} --token-file /nowhere", "the token file /nowhere cannot be read"),
    ],
)
def test_a_machine_that_cannot_run_the_agent_is_told_in_one_line(
    owl: Machine, hub: InstallingHub, untouched: Any, wrap: str, words: str
) -> None:
    fetched, _, _ = hub.line("").partition(" | ")
    shell = wrap.format(shell="sh /tmp/install.sh")
    assert_refused(owl, f"{fetched} > /tmp/install.sh && {shell}", words, untouched)


def test_a_token_that_is_wrong_or_of_another_hub_installs_nothing(
    owl: Machine, hub: InstallingHub, untouched: Any
) -> None:
    for token, words in (
        (hub.token[:-1], "was it copied whole?"),
        (hub.changed_token(authority=bytes(32)), "is not the hub of this token"),
        (hub.changed_token(installer=bytes(32)), "is not the one of this token"),
        ("", "no join token given"),
    ):
        assert_refused(owl, hub.line(token), words, untouched)


def test_a_damaged_wheel_installs_nothing(owl: Machine, hub: InstallingHub, untouched: Any) -> None:
    (wheel,) = hub.installer.glob("numpy-*.whl")
    whole = wheel.read_bytes()
    wheel.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert_refused(owl, hub.line(hub.token), f"{wheel.name} is damaged", untouched)
    wheel.write_bytes(whole)


def test_a_hub_that_went_away_installs_nothing(owl: Machine, hub: InstallingHub, untouched: Any) -> None:
    fetched, _, rest = hub.line(hub.token).partition(" | ")
    elsewhere = f"{fetched} | sed 's,:{hub.up.port},:9,' | {rest}"
    assert_refused(owl, elsewhere, "cannot be reached", untouched)


@pytest.mark.parametrize("size", ["8m", "70m"], ids=["while downloading", "while installing"])
def test_a_full_disk_installs_nothing(owl: Machine, hub: InstallingHub, untouched: Any, size: str) -> None:
    assert owl.sh(f"mount -t tmpfs -o size={size} none /opt").returncode == 0
    try:
        assert_refused(owl, hub.line(hub.token), "o space left", untouched)
        assert list(owl.path("/opt").iterdir()) == []
    finally:
        assert owl.sh("umount /opt").returncode == 0


def test_a_token_that_the_hub_refuses_leaves_nothing_not_even_of_a_run_that_was_killed_before(
    owl: Machine, hub: InstallingHub, untouched: Any
) -> None:
    killed = owl.sh(
        f"""
        cat > /tmp/line <<'END'
{hub.line(hub.token)}
END
        setsid sh /tmp/line & leader=$!
        until ls /opt/tukur/versions/*/bin/python >/dev/null 2>&1; do sleep 0.02; done
        kill -9 -"$leader"
        rm /tmp/line
        """
    )
    assert killed.returncode == 0, killed.stderr
    assert state(owl) != untouched
    refused = hub.changed_token(secret=bytes(SECRET))
    assert_refused(owl, hub.line(refused), "unknown join token", untouched)


def test_one_line_installs_the_agent_and_it_records_under_the_hardened_unit(
    owl: Machine, hub: InstallingHub
) -> None:
    done = install(owl, hub, hub.token, "--hostname", "owl")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for words in ("checked by the hash in the token", "installed tukur", "owl has joined", "started"):
        assert words in done.stdout
    status = owl.sh(f"cat /proc/$(systemctl show -P MainPID {AGENT})/status").stdout
    assert re.search(r"^Seccomp:\s+2$", status, re.MULTILINE), "the system call filter is in force"
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
    assert not re.search(r"^Uid:\s+0\b", status, re.MULTILINE)
    (bounds,) = re.findall(r"^CapBnd:\s+(\w+)$", status, re.MULTILINE)
    assert int(bounds, 16).bit_count() == 7, "the seven capabilities of the unit and no others"

    host = eventually(hub.online, 40, "the host is online")
    if Path("/sys/kernel/btf/vmlinux").exists():
        assert host["source"] == "bpf"
    assert "monitor-only" in owl.run("tukur", "policy", "check").stdout


def test_it_starts_at_boot(owl: Machine) -> None:
    assert owl.run("systemctl", "is-enabled", AGENT).stdout.strip() == "enabled"
    assert "multi-user.target" in owl.run("systemctl", "show", "-P", "WantedBy", AGENT).stdout


def versions(owl: Machine) -> list[str]:
    """Those that are installed, after the one that is in use."""
    current = owl.run("readlink", "/opt/tukur/current").stdout.strip()
    return [current, *(path.name for path in owl.path("/opt/tukur/versions").iterdir())]


def test_run_again_it_upgrades_without_a_token_and_stays_the_host_that_it_was(
    owl: Machine, hub: InstallingHub
) -> None:
    hub.change("requirements.txt", lambda text: f"{text}# a newer one\n")
    before, joined = versions(owl), owl.path("/var/lib/tukur-agent/joined.json").read_bytes()
    done = install(owl, hub, "")
    assert done.returncode == 0, done.stderr
    assert "it stays the host that it is" in done.stdout
    assert versions(owl)[0] != before[0]
    assert len(versions(owl)) == len(before) == 2
    assert owl.path("/var/lib/tukur-agent/joined.json").read_bytes() == joined

    def recorded() -> bool:
        host = hub.online()
        return host is not None and bool(host["last_ms"])

    eventually(recorded, 40, "the same host is online, and what it saw is on record")


def test_a_unit_that_does_not_run_gives_way_to_the_one_before(owl: Machine, hub: InstallingHub) -> None:
    hub.change(AGENT, lambda text: re.sub("(?m)^ExecStart=.*", "ExecStart=/bin/false", text))
    before, unit = versions(owl), owl.path(f"/etc/systemd/system/{AGENT}").read_text()
    done = install(owl, hub, "")
    assert done.returncode == 1
    assert "does not run" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert versions(owl) == before
    assert owl.path(f"/etc/systemd/system/{AGENT}").read_text() == unit
    eventually(hub.online, 40, "what was there before runs again")


def test_uninstalling_leaves_nothing(owl: Machine, untouched: Any) -> None:
    done = owl.run("/opt/tukur/uninstall")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert state(owl) == untouched
    assert owl.run("systemctl", "show", "-P", "LoadState", AGENT).stdout.strip() == "not-found"
    assert owl.sh("ps -A -o args | grep '[t]ukur'").stdout == ""
