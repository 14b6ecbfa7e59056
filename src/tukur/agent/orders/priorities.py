"""Sets and reads back the priorities of a process and its threads, and the freezer of a cgroup."""

import asyncio
import contextlib
import ctypes
import os
import platform
import re
import time
from collections.abc import Callable
from pathlib import Path

from tukur.sources.cgroups import find_mount
from tukur.sources.proc import live_threads

# asm/unistd.h: the C library has no function for these.
_IOPRIO_CALLS = {"x86_64": (251, 252), "aarch64": (30, 31), "riscv64": (30, 31)}
_WHO_PROCESS = 1
_CLASSES = {"best-effort": 2, "idle": 3}
_CLASS_SHIFT = 13

_libc = ctypes.CDLL(None, use_errno=True)


def parse_nice(value: str) -> int:
    """-20 (most of the CPU) to 19. Raises ValueError."""
    if not re.fullmatch(r"-?\d{1,2}", value, re.ASCII) or not -20 <= int(value) <= 19:
        raise ValueError(f"nice {value[:20]!r}; -20 to 19 expected")
    return int(value)


def parse_io_priority(value: str) -> int:
    """The kernel's number of ``idle`` or ``best-effort:0`` to ``:7``. Raises ValueError."""
    name, _, level = value.partition(":")
    if value == "idle":
        return _CLASSES[name] << _CLASS_SHIFT
    if name == "best-effort" and re.fullmatch(r"[0-7]", level, re.ASCII):
        return _CLASSES[name] << _CLASS_SHIFT | int(level)
    raise ValueError(f"I/O priority {value[:40]!r}; idle or best-effort:0 to best-effort:7 expected")


def _threads(pid: int) -> list[int]:
    """The threads that have not ended: of the main thread the kernel takes no I/O priority any more."""
    return [int(Path(folder).name) for folder, _ in live_threads(pid)]


def renice(pid: int, nice: int) -> bool:
    """Sets the nice value of every thread; returns whether each has it now. Raises OSError."""
    # A thread that starts meanwhile inherits it from one that has it, or is found in the second round.
    for _ in range(2):
        for thread in _threads(pid):
            with contextlib.suppress(ProcessLookupError):
                os.setpriority(os.PRIO_PROCESS, thread, nice)
    return _all_have(pid, nice, lambda thread: os.getpriority(os.PRIO_PROCESS, thread))


def _all_have(pid: int, wanted: int, read: Callable[[int], int]) -> bool:
    """Whether each thread has it, of those that have not ended."""
    for thread in _threads(pid):
        with contextlib.suppress(ProcessLookupError):
            if read(thread) != wanted:
                return False
    return True


def io_priority(pid: int, priority: int) -> bool:
    """Sets the I/O priority of every thread; returns whether each has it now. Raises OSError."""
    numbers = _IOPRIO_CALLS.get(platform.machine())
    if numbers is None:
        raise OSError(38, f"the agent does not support I/O priorities on {platform.machine()}")
    for _ in range(2):
        for thread in _threads(pid):
            with contextlib.suppress(ProcessLookupError):
                _call(numbers[0], _WHO_PROCESS, thread, priority)
    return _all_have(pid, priority, lambda thread: _call(numbers[1], _WHO_PROCESS, thread))


def _call(number: int, *values: int) -> int:
    found = int(_libc.syscall(ctypes.c_long(number), *(ctypes.c_long(value) for value in values)))
    if found < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return found


def freezer(cgroup: str) -> Path | None:
    """The directory of a cgroup that can be frozen; None: it is not in the cgroup v2 hierarchy."""
    mount = find_mount()
    if (
        mount is None
        or ".." in cgroup.split("/")
        or not f"{cgroup}/".startswith(f"{mount.root.rstrip('/')}/")
    ):
        return None
    folder = Path(mount.point) / cgroup[len(mount.root.rstrip("/")) :].strip("/")
    return folder if (folder / "cgroup.freeze").exists() else None


async def freeze(folder: Path, *, on: bool, seconds: float) -> bool:
    """Freezes or thaws; returns whether the kernel reports it within so many seconds. Raises OSError."""
    (folder / "cgroup.freeze").write_text("1" if on else "0")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if f"frozen {int(on)}" in (folder / "cgroup.events").read_text().splitlines():
            return True
        await asyncio.sleep(0.005)
    return False
