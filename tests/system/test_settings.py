"""Settings from files and the environment on real daemons, and their reload."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.running import TUKUR, free_port, tukur
from tests.support.waiting import eventually
from tukur.cli.errors import Exit


class Daemon:
    """A running ``tukur hub`` or ``tukur agent run``."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self._process = process
        self._log = log

    def log(self) -> str:
        """What it has logged so far."""
        return self._log.read_text(encoding="utf-8")

    def reload(self) -> None:
        """Sends SIGHUP."""
        self._process.send_signal(signal.SIGHUP)

    def says(self, text: str) -> None:
        """Waits until it logs a text."""
        eventually(lambda: text in self.log() or self._ended(), 60, f"{text!r} in its log")
        assert text in self.log(), self.log()

    def _ended(self) -> bool:
        return self._process.poll() is not None


@contextmanager
def daemon(log: Path, *words: str, environment: dict[str, str]) -> Iterator[Daemon]:
    with log.open("wb") as file:
        process = subprocess.Popen([*TUKUR, *words], stderr=file, env={**os.environ, **environment})
    try:
        yield Daemon(process, log)
    finally:
        process.terminate()
        process.wait(15)
    # The hub ends by the signal that it was sent, after it has shut down.
    assert process.returncode in (0, -signal.SIGTERM), log.read_text()


def test_a_hub_is_set_by_its_file_and_environment_and_reloads_on_sighup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, file = free_port(), tmp_path / "hub.toml"
    file.write_text(f"data = '{tmp_path}/data'\nport = 1\nlog-level = 'error'\n")
    environment = {"TUKUR_CONFIG": str(file), "TUKUR_PORT": str(port), "TUKUR_HOST": "127.0.0.1"}
    with daemon(tmp_path / "log", "hub", environment=environment) as hub:

        def answers() -> bool:
            try:
                return httpx.get(f"http://127.0.0.1:{port}/healthz").is_success
            except httpx.TransportError:
                return False

        eventually(answers, 60, "the hub on the port of its environment, not of its file")
        assert " INFO " not in hub.log()
        file.write_text(f"data = '{tmp_path}/elsewhere'\nlog-level = 'info'\nkeep-seconds = '2d'\n")
        hub.reload()
        hub.says("log-level is now info")
        hub.says("keep-seconds is now 2d")
        hub.says(f"these settings have changed and take a restart: data {tmp_path}/elsewhere (data in ")
        file.write_text("keep-seconds = '100d'\n")
        hub.reload()
        hub.says("were not reloaded: seconds for 100d, minutes for 90d")
        file.write_text("prot = 2\n")
        hub.reload()
        hub.says("hub.toml: unknown key 'prot'; did you mean 'port'?")
        file.write_text(f"data = '{tmp_path}/data'\nlog-level = 'info'\n")
        # A command finds the hub's data directory by the same file, and its SIGHUP is no mistake.
        monkeypatch.setenv("TUKUR_CONFIG", str(file))
        done = tukur("user", "add", "ada")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"http://127.0.0.1:{port}/sign-in#token=")
        assert answers()


def test_an_agent_is_set_by_its_file_and_survives_sighup(tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    said = (
        f"data = '{tmp_path}/data'\norder-key = '{'00' * 32}'\nsource = 'procfs'\n"
        f"hub = 'http://127.0.0.1:{free_port()}'\n"
    )
    file.write_text(said)
    with daemon(tmp_path / "log", "agent", "run", "--config", str(file), environment={}) as agent:
        eventually((tmp_path / "data" / "spool").exists, 60, "the agent records")
        policy = tmp_path / "policy.toml"
        policy.write_text('signal = ["TERM"]')
        file.write_text(f"{said}log-level = 'debug'\npolicy = '{policy}'\n")
        agent.reload()
        agent.says(f"were not reloaded: {policy}: unknown key 'signal'")
        policy.write_text('signals = ["TERM"]')
        file.write_text(f"{said}log-level = 'debug'\npolicy = '{policy}'\ndrain-rate = 5\nscrub = ['x']\n")
        agent.reload()
        agent.says("log-level is now debug")
        agent.says(f"policy is now {policy}")
        agent.says("drain-rate is now 5")
        agent.says("take a restart: scrub ['x']")


def test_a_daemon_does_not_start_with_a_secret_that_others_can_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "password"
    secret.write_text("hush")
    secret.chmod(0o644)
    monkeypatch.setenv("TUKUR_DATABASE", "mysql://owl@localhost/record")
    monkeypatch.setenv("TUKUR_DATABASE_PASSWORD_FILE", str(secret))
    done = tukur("hub", "--data", str(tmp_path / "data"))
    assert done.returncode == Exit.USAGE
    assert done.stderr == (
        f"tukur hub: TUKUR_DATABASE_PASSWORD_FILE {secret} can be read by others (mode 0644); "
        "mode 0600 expected\n"
    )
