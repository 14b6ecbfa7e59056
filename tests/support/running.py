"""The real ``tukur up`` for a test: started, signed in, stopped."""

import contextlib
import os
import re
import shlex
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from tests.support.waiting import eventually

TUKUR = [sys.executable, "-m", "tukur"]


def free_port() -> int:
    """A port that nothing listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Up:
    """A running ``tukur up``."""

    def __init__(
        self,
        data: Path,
        *arguments: str,
        command: list[str] | None = None,
        authority: Path | None = None,
    ) -> None:
        """`authority`: of the certificate that the hub was given."""
        self.data = data
        self._authority = authority or data / "tls" / "ca.pem"
        self.port = free_port()
        self.url = f"{'https' if '--host' in arguments else 'http'}://127.0.0.1:{self.port}"
        with tempfile.NamedTemporaryFile(prefix="tukur-log-", delete=False) as log:
            self.log_path = Path(log.name)
            self._process = subprocess.Popen(
                [*(command or TUKUR), "up", "--data", str(data), "--port", str(self.port), *arguments],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=data.parent,
            )
        self.link = self._await_link()

    def _await_link(self) -> str:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            found = re.search(r"https?://\S+/sign-in#token=\S+", line)
            if found:
                return found.group()
        raise AssertionError(f"tukur up ended with {self._process.wait()}: {self.log()}")

    def log(self) -> str:
        """What it has written to standard error so far."""
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def sign_in(self) -> httpx.Client:
        """A client with a session, by the link."""
        return self.sign_in_by(self.link)

    def sign_in_by(self, link: str) -> httpx.Client:
        """The same by another link."""
        verify = ssl.create_default_context(cafile=self._authority if self._authority.exists() else None)
        client = httpx.Client(base_url=self.url, timeout=20, headers={"Origin": self.url}, verify=verify)
        answer = client.post("/api/session", json={"token": link.strip().partition("token=")[2]})
        assert answer.status_code == 201, answer.text
        return client

    def child(self, name: str) -> int:
        """The PID of the running ``hub`` or ``agent``; 0: none runs."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        for pid in children:
            with contextlib.suppress(OSError):
                if name in Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")[1:5]:
                    return int(pid)
        return 0

    def kill(self, name: str) -> None:
        """kill -9 of the ``hub`` or the ``agent``, if it runs."""
        pid = self.child(name)
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM and wait; the exit code."""
        self._process.terminate()
        try:
            code = self._process.wait(25)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        finally:
            if self._process.stdout:
                self._process.stdout.close()
        return code


@contextlib.contextmanager
def running(data: Path, *arguments: str, authority: Path | None = None) -> Iterator[Up]:
    """``tukur up`` for the length of a with statement."""
    up = Up(data, *arguments, authority=authority)
    try:
        yield up
    finally:
        up.stop()
        up.log_path.unlink(missing_ok=True)


def on_another_boot(command: list[str], folder: Path, boot_id: str) -> list[str]:
    """A command that finds itself on another machine, as far as its boot tells."""
    (folder / "boot_id").write_text(f"{boot_id}\n")
    mount = f"mount --bind {folder}/boot_id /proc/sys/kernel/random/boot_id"
    return ["unshare", "--mount", "sh", "-c", f"{mount} && exec {shlex.join(command)}"]


def the_host(client: httpx.Client) -> dict[str, Any]:
    """The one host, once it is online and has been recorded."""

    def look() -> dict[str, Any] | None:
        hosts: list[dict[str, Any]] = client.get("/api/hosts").json()["hosts"]
        return hosts[0] if hosts and hosts[0]["online"] else None

    return eventually(look, 20, "the local host is online")


def row_of(client: httpx.Client, host: str, pid: int, **query: Any) -> dict[str, Any] | None:
    """A process in the table of a host: the live one, or that of an instant; None: it is not there."""
    found = client.get(f"/api/hosts/{host}/processes", params=query)
    if found.status_code == 404 and found.json()["code"] == "nothing_recorded":
        return None
    table = found.raise_for_status().json()
    return next((row for row in table["processes"] if row["pid"] == pid), None)


def newest_ms(client: httpx.Client) -> int:
    """Up to when the one host is on record, in milliseconds."""
    return int(the_host(client)["last_ms"] or 0)


def next_sample(client: httpx.Client) -> None:
    """Waits until the one host has been sampled anew: what is older is not taken for what comes now."""
    path = f"/api/hosts/{the_host(client)['host_id']}/processes"

    def sampled_ms() -> int:
        answer = client.get(path)
        return int(answer.json()["at_ms"]) if answer.status_code == 200 else 0

    now_ms = int(time.time() * 1000)
    eventually(lambda: sampled_ms() > now_ms, 20, "the host is sampled")


def tukur(*arguments: str, **options: Any) -> "subprocess.CompletedProcess[str]":
    """Runs one command to its end."""
    return subprocess.run(
        [*TUKUR, *arguments], capture_output=True, text=True, check=False, timeout=60, **options
    )
