"""A hub as a process of its own, and what it uses."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.support import mariadb
from tukur.hub.store.backends.address import ServerAddress

PORT = 18_790
_TICKS = os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def running_hub(data: Path, address: ServerAddress | None) -> Iterator[int]:
    """Its PID, once it answers on PORT."""
    command = [sys.executable, "-m", "tukur", "hub", "--data", str(data), "--port", str(PORT)]
    environment = dict(os.environ)
    if address is not None:
        environment["TUKUR_DATABASE"] = mariadb.url_of(address)
    hub = subprocess.Popen([*command, "--log-level", "error"], env=environment)
    try:
        await_answer(f"http://127.0.0.1:{PORT}/healthz")
        yield hub.pid
    finally:
        hub.terminate()
        hub.wait(30)


def await_answer(url: str) -> None:
    """Returns once it answers with 200. Raises TimeoutError."""
    # One client: a new one would read the machine's certificates each time.
    with httpx.Client() as client:
        for _ in range(600):
            with contextlib.suppress(httpx.HTTPError):
                if client.get(url).status_code == 200:
                    return
            time.sleep(0.05)
    raise TimeoutError(f"{url} does not answer")


def cpu_s(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def rss(pid: int) -> int:
    """Resident bytes of a process, mapped files included."""
    return _status(pid, "VmRSS")


def anonymous(pid: int) -> int:
    """Those of them that are no file's: what cannot be taken back."""
    return _status(pid, "RssAnon")


def _status(pid: int, field: str) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition(f"{field}:")[2].split()[0]) * 1024
