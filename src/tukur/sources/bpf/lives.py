"""Lives as the kernel reports them: the events that lives.bpf.c writes."""

import struct
from pathlib import Path

import numpy as np

from tukur.records import GROUP, GROUP_EVENT, LOST, LOST_EVENT
from tukur.sources.bpf.libbpf import EventPrograms, object_image

OBJECT = "lives.bpf.o"
_GROUP_KEY = struct.Struct("=QII16s")
"""struct group_key of lives.bpf.c."""
_FIRST_PID_NAMESPACE = 0xEFFFFFFC
"""PROC_PID_INIT_INO."""
_LOST = struct.Struct("=5Q")
"""Its `lost`: the counts of LOST, and how often something was added to a group."""


class LifeEvents:
    """The programs of lives.bpf.c: deaths, reapings, execs and new cgroups as events."""

    def __init__(self, page_shift: int, ring_bytes: int | None = None) -> None:
        """`ring_bytes`: see EventPrograms. Raises SourceUnavailableError."""
        self._programs = EventPrograms(
            object_image(OBJECT),
            struct.pack("=II", page_shift, _pid_namespace()),
            programs=("ended", "freed", "executed"),
            optional=("made_cgroup",),
            ring_bytes=ring_bytes,
        )
        self._lost = (0,) * 5

    def read(self) -> bytes:
        """All events since the last reading, those of groups and losses after the others."""
        events = self._programs.events()
        now = _LOST.unpack(self._programs.variables(_LOST.size))
        if now == self._lost:
            return events
        *grown, grouped = (value - before for value, before in zip(now, self._lost, strict=True))
        self._lost = now
        # To look for groups is a walk through the whole table.
        return events + (self._groups() if grouped else b"") + (_losses(grown) if any(grown) else b"")

    def _groups(self) -> bytes:
        drained = self._programs.drain("groups", _GROUP_KEY.size, GROUP.itemsize)
        groups = np.frombuffer(bytearray().join(value for _, value in drained), dtype=GROUP)
        for group, (key, _) in zip(groups, drained, strict=True):
            group["start_ns"], group["ppid"], group["uid"], group["comm"] = _GROUP_KEY.unpack(key)
            group["size"], group["kind"] = GROUP.itemsize, GROUP_EVENT
        return groups.tobytes()

    def spent_ns(self) -> int:
        """Time in the kernel's programs so far, nanoseconds, where kernel.bpf_stats_enabled is 1."""
        return self._programs.spent_ns()

    def close(self) -> None:
        """Unloads the programs."""
        self._programs.close()


def _losses(grown: list[int]) -> bytes:
    return np.array((0, 0, LOST.itemsize, LOST_EVENT, *grown), dtype=LOST).tobytes()


def _pid_namespace() -> int:
    """The inode number of this program's PID namespace; 0 where it is the machine's first."""
    number = Path("/proc/self/ns/pid").stat().st_ino
    return 0 if number == _FIRST_PID_NAMESPACE else number
