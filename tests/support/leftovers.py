"""What a test leaves behind: child processes, threads, open files, tasks of its event loop."""

import asyncio
import contextlib
import gc
import os
import re
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tukur.sources.proc import CLOCK_TICK_NS, read_stat

_TICK_S = 0.02
"""The kernel gives the start of a process in ticks of a hundredth of a second."""
SETTLE_S = 3.0
"""A thread that was asked to end, or a socket whose loop has closed, may take so long to go."""

_EXECUTOR = re.compile(r"thread asyncio_\d+$")
"""The loop's default executor: its threads end with the loop."""
_SHARED = (
    # The pool of SQLite connections, each with aiosqlite's thread and its files.
    re.compile(r"thread Thread-\d+ \(_connection_worker_thread\)$"),
    re.compile(r"/tukur\.db(-wal|-shm)?$"),
    # A connection that the module's client keeps open, and its other end.
    re.compile(r": socket:\[\d+\]$"),
)
"""What a hub and its clients that serve a whole module may take more of while a test runs."""

Resources = dict[str, str]
"""Identity to description."""


def _children() -> Resources:
    found = {}
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):
            for pid in (task / "children").read_text().split():
                found[f"child {pid}"] = f"child process {pid}: {_command(pid)}"
    return found


def _command(pid: str) -> str:
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        return b" ".join(words).decode(errors="replace")[:200] or "not waited for"
    return "gone"


def _threads() -> Resources:
    return {f"thread {id(thread)}": f"thread {thread.name}" for thread in threading.enumerate()}


def _files() -> Resources:
    found = {}
    for number in os.listdir("/proc/self/fd"):  # noqa: PTH208 - as names, many times
        with contextlib.suppress(OSError):
            target = os.readlink(f"/proc/self/fd/{number}")  # noqa: PTH115 - a socket is no path
            found[f"file {number} {target}"] = f"file descriptor {number}: {target}"
    return found


def resources() -> Resources:
    """The children, threads and open files of this process."""
    return {**_children(), **_threads(), **_files()}


class Leftovers:
    """Compares what there is with what was there when a test began.

    `shared`: the test uses something that serves other tests too, such as a hub or its client.
    """

    def __init__(self, *, shared: bool = False) -> None:
        self._since_s = time.clock_gettime(time.CLOCK_BOOTTIME)
        self._before = resources()
        self._kept = (_EXECUTOR, *(_SHARED if shared else ()))

    def accept(self, made: Iterable[str]) -> None:
        """Adds what a fixture of a wider scope made meanwhile."""
        self._since_s = time.clock_gettime(time.CLOCK_BOOTTIME)
        self._before.update(dict.fromkeys(made, ""))

    def left(self) -> list[str]:
        """Descriptions of what was not there before and is in no pool."""
        return [
            description
            for identity, description in resources().items()
            if identity not in self._before
            and not any(kept.search(description) for kept in self._kept)
            and not self._is_older(identity)
        ]

    def _is_older(self, identity: str) -> bool:
        """Whether it is a child that was there before: the kernel's list may miss one (proc(5))."""
        kind, _, pid = identity.partition(" ")
        stat = read_stat(int(pid)) if kind == "child" else None
        return stat is not None and stat.start_ticks * CLOCK_TICK_NS / 1e9 < self._since_s - _TICK_S

    def settled(self) -> list[str]:
        """The same, once what is about to end has ended."""
        if self.left():
            # What is in a cycle is closed when the collector comes by.
            gc.collect()
        until = time.monotonic() + SETTLE_S
        while (left := self.left()) and time.monotonic() < until:
            time.sleep(0.01)
        return left


async def tasks_left(before: set["asyncio.Task[Any]"]) -> list[str]:
    """Names and coroutines of the loop's tasks that were not there before and do not end now."""
    until = time.monotonic() + SETTLE_S
    while left := asyncio.all_tasks() - before - {asyncio.current_task()}:
        if time.monotonic() > until:
            break
        await asyncio.sleep(0.005)
    return [f"task {task.get_name()}: {task.get_coro()}" for task in left]
