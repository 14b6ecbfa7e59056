"""A real process whose main thread has ended while another goes on (mainless.c)."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

_SOURCE = Path(__file__).with_suffix(".c")


@contextlib.contextmanager
def mainless(folder: Path, name: str = "mainless", mib: int = 0) -> Iterator["subprocess.Popen[str]"]:
    """Runs it as a program of this name, with so much memory of its own; its comm is "worker"."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    program = folder / name
    subprocess.run([compiler, "-O1", "-pthread", "-o", program, _SOURCE], check=True)
    with subprocess.Popen(
        [program, str(mib)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def zombie_of(process: "subprocess.Popen[str]") -> int:
    """Makes a child of it that has ended and is not collected; its PID."""
    return _ask(process, "child")


def change_user(process: "subprocess.Popen[str]") -> int:
    """Its living thread becomes another user; that user's number. Needs root."""
    return _ask(process, "uid")


def live_tid(process: "subprocess.Popen[str]") -> int:
    """The number of its living thread."""
    return max(int(entry.name) for entry in Path(f"/proc/{process.pid}/task").iterdir())


def _ask(process: "subprocess.Popen[str]", what: str) -> int:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{what}\n")
    process.stdin.flush()
    return int(process.stdout.readline())
