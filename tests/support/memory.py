"""Real cgroups with little memory, and processes that die of it."""

import contextlib
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

V1 = Path("/sys/fs/cgroup/memory")
V2 = Path("/sys/fs/cgroup")
LIMIT = 16 << 20

EAT = """
import sys
open(sys.argv[1] + "/cgroup.procs", "w").write("0")
open("/proc/self/comm", "wb").write(sys.argv[2].encode())
held = []
while True:
    held.append(b"x" * 1_000_000)
"""


@contextlib.contextmanager
def little_memory() -> Iterator[tuple[Path, str]]:
    """A cgroup with 16 MiB of memory: its folder, its path. Skips the test where there can be none."""
    if os.geteuid() != 0 or not os.access("/dev/kmsg", os.R_OK):
        pytest.skip("needs root and /dev/kmsg")
    name = f"tukur-oom-{uuid.uuid4().hex[:8]}"
    if (V1 / "memory.usage_in_bytes").exists():
        folder, limits = V1 / name, {"memory.limit_in_bytes": LIMIT, "memory.memsw.limit_in_bytes": LIMIT}
    elif "memory" in _controllers():
        folder, limits = V2 / name, {"memory.max": LIMIT, "memory.swap.max": 0}
    else:
        pytest.skip("needs the memory controller")
    folder.mkdir()
    try:
        for file, limit in limits.items():
            if (folder / file).exists():
                (folder / file).write_text(str(limit))
        yield folder, f"/{name}"
    finally:
        _remove(folder)


def _controllers() -> list[str]:
    try:
        return (V2 / "cgroup.subtree_control").read_text().split()
    except OSError:
        return []


def _remove(folder: Path) -> None:
    for _ in range(50):
        try:
            folder.rmdir()
        except OSError:
            # The last one in it is not reaped yet.
            time.sleep(0.1)
        else:
            return


def eat(folder: Path, name: str) -> int:
    """Runs a process of that name in the cgroup until it is killed; its PID."""
    with subprocess.Popen([sys.executable, "-c", EAT, str(folder), name]) as child:
        assert child.wait(30) == -9
        return child.pid
