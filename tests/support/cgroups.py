"""Real cgroups of the v2 hierarchy, for processes of a test."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.waiting import eventually
from tukur.sources.cgroups import find_mount


class Cgroups:
    """Makes cgroups, and removes them at the end."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._made: list[Path] = []

    def make(self, path: str) -> Path:
        """The folder of a cgroup, made with those above it where they are missing."""
        folder = self.root
        for part in path.strip("/").split("/"):
            folder /= part
            if not folder.exists():
                folder.mkdir()
                self._made.append(folder)
        return folder

    def place(self, path: str, pid: int) -> None:
        """Puts a process into a cgroup."""
        (self.make(path) / "cgroup.procs").write_text(str(pid))

    def run_in(self, path: str, *argv: str) -> int:
        """Runs a program in a cgroup of its own, from its first instruction to its end; its PID."""
        folder = self.make(path)
        pid = os.fork()
        if pid == 0:
            (folder / "cgroup.procs").write_text("0")
            os.execv(argv[0], argv)
        os.waitpid(pid, 0)
        return pid

    def remove(self, path: str) -> None:
        """Removes an empty cgroup at once."""
        folder = self.root / path.strip("/")
        self._made.remove(folder)
        _remove(folder)

    def close(self) -> None:
        """Removes all that were made; who is left in them goes to the root."""
        for folder in reversed(self._made):
            for pid in (folder / "cgroup.procs").read_text().split():
                (self.root / "cgroup.procs").write_text(pid)
            _remove(folder)
        self._made = []


def _remove(folder: Path) -> None:
    def removed() -> bool:
        try:
            folder.rmdir()
        except OSError:
            # The last one in it is not quite gone.
            return False
        return True

    eventually(removed, what=f"{folder} is empty")


@contextlib.contextmanager
def cgroups() -> Iterator[Cgroups]:
    """Skips the test where the hierarchy may not be written."""
    mount = find_mount()
    if mount is None or os.geteuid() != 0 or not os.access(mount.point, os.W_OK):
        pytest.skip("needs root and a cgroup2 mount")
    made = Cgroups(Path(mount.point))
    try:
        yield made
    finally:
        made.close()
