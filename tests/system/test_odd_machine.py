"""One ``tukur up`` on a machine with odd names, odd processes and a directory that hangs: all is shown."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.compiling import compiled
from tests.support.directory import Directory
from tests.support.running import TUKUR, Up, next_sample, row_of, the_host
from tests.support.waiting import eventually

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for namespaces and other users")


HOST_NAME = b"h\xf6st\x1b[2J"


def renamed(name: bytes, command: list[str]) -> list[str]:
    """The command, on a machine that is called so."""
    code = (
        f"import os, socket, sys\nsocket.sethostname({name!r})\n"
        f"os.execv({command[0]!r}, [*{command!r}, *sys.argv[1:]])"
    )
    return [sys.executable, "-c", code]


@dataclass(frozen=True)
class Machine:
    directory: Directory
    client: httpx.Client
    host: str

    def row(self, pid: int, **query: Any) -> dict[str, Any]:
        """The row of a process, once there is one."""
        return eventually(lambda: row_of(self.client, self.host, pid, **query), 10, f"a row of PID {pid}")

    def recorded_for(self, seconds: float) -> int:
        """Waits until so much more is on record; up to when it is, milliseconds."""
        before = eventually(lambda: self.status()["last_ms"], 20, "something is on record")
        return int(eventually(lambda: self._newest(before + seconds * 1000), 30, "more is on record"))

    def _newest(self, after_ms: float) -> int:
        newest = int(self.status()["last_ms"])
        return newest if newest >= after_ms else 0

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get(f"/api/hosts/{self.host}").raise_for_status().json()
        return found


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    folder: Path = tmp_path_factory.mktemp("odd")
    directory = Directory(folder)
    up = Up(folder / "data", command=directory.command(["unshare", "--uts", *renamed(HOST_NAME, TUKUR)]))
    try:
        with contextlib.closing(up.sign_in()) as client:
            yield Machine(directory, client, the_host(client)["host_id"])
    finally:
        up.stop()
        up.log_path.unlink(missing_ok=True)


@contextlib.contextmanager
def of_user(uid: int) -> Iterator[int]:
    """A process of another user; its PID."""
    command = ["setpriv", f"--reuid={uid}", "--clear-groups", "sleep", "60"]
    with subprocess.Popen(command) as child:
        try:
            yield child.pid
        finally:
            child.kill()


def test_a_hostname_of_any_bytes_is_shown_as_text(machine: Machine) -> None:
    assert machine.status()["name"] == r"h\xf6st\x1b[2J"


def test_a_process_that_wiped_its_arguments_has_none(machine: Machine, tmp_path: Path) -> None:
    program = compiled("title.c", tmp_path / "wiped")
    with subprocess.Popen([str(program), "--with", "arguments"], stdin=subprocess.PIPE) as wiped:
        assert wiped.stdin is not None
        assert "--with" in machine.row(wiped.pid)["cmdline"]
        wiped.stdin.write(b"\n")
        wiped.stdin.flush()
        eventually(lambda: machine.row(wiped.pid)["cmdline"] == "", 10, "it has no arguments any more")
        wiped.stdin.close()
        wiped.wait(5)


def test_while_the_directory_hangs_no_sample_is_missed_and_the_name_comes_when_it_answers(
    machine: Machine,
) -> None:
    missed = machine.status()["missed"]
    machine.directory.hang(on=True)
    with of_user(70020) as pid:
        assert eventually(lambda: machine.row(pid)["user"] == "70020", 10)
        eventually(lambda: "users.slow" in machine.status()["faults"], 10, "the fault is shown")
        for _ in range(3):
            next_sample(machine.client)
        machine.directory.hang(on=False)
        eventually(lambda: machine.row(pid)["user"] == "dir-user-70020", 10, "the name is in the table")
        eventually(lambda: "users.slow" not in machine.status()["faults"], 10, "the fault is gone")
        assert machine.row(pid, at=machine.recorded_for(1))["user"] == "dir-user-70020"
    assert machine.status()["missed"] == missed


def test_a_directory_that_was_away_for_a_moment_leaves_no_number_for_ever(machine: Machine) -> None:
    machine.directory.down(on=True)
    with of_user(70021) as pid:
        assert eventually(lambda: machine.row(pid)["user"] == "70021", 10)
        eventually(lambda: "users.slow" in machine.status()["faults"], 10, "the fault is shown")
        machine.directory.down(on=False)
        eventually(lambda: machine.row(pid)["user"] == "dir-user-70021", 20, "it is asked again")


def test_a_title_that_a_program_writes_over_its_arguments_is_followed_live_and_on_record(
    machine: Machine, tmp_path: Path
) -> None:
    program = compiled("title.c", tmp_path / "server")
    command = [str(program), "--with", "arguments that are long enough for what comes"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdout.readline()
        assert "--with" in machine.row(server.pid)["cmdline"]

        def write(title: str, shown: str) -> None:
            server.stdin.write(f"{title}\n")  # type: ignore[union-attr]
            server.stdin.flush()  # type: ignore[union-attr]
            eventually(lambda: machine.row(server.pid)["cmdline"] == shown, 15, shown)

        write("srv: --password=hunter2", "srv: --password=***")
        assert machine.row(server.pid, at=machine.recorded_for(1))["cmdline"] == "srv: --password=***"
        write("srv: \x1b[31mjob 2 idle", r"srv: \x1b[31mjob 2 idle")
        server.stdin.close()
        server.wait(5)
