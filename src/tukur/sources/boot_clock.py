"""The clock of all starts and samples: the machine's CLOCK_BOOTTIME, whatever time namespace the agent is in.

The kernel's own records (bpf, module) are on that clock. Inside a time namespace, which a container can have,
CLOCK_BOOTTIME and the starttime of /proc/PID/stat are shifted by the offset of whoever reads them; the
namespace of the process that they are about plays no part (timens_add_boottime_ns in fs/proc/array.c).
"""

import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FIRST = 0xEFFFFFFA
"""PROC_TIME_INIT_INO: the inode of the machine's own time namespace."""
UNKNOWN = (
    "the agent runs in a time namespace (time_namespaces(7)) whose offset the kernel does not show, "
    "so that its times cannot be compared with the machine's"
)


@dataclass(frozen=True, slots=True)
class Offsets:
    """By how much the clocks here are ahead of the machine's, nanoseconds; negative: behind."""

    monotonic_ns: int = 0
    boottime_ns: int = 0


def parse_offsets(text: str) -> Offsets:
    """Parses a /proc/PID/timens_offsets. Raises ValueError."""
    found = {}
    for line in text.splitlines():
        clock, seconds, nanoseconds = line.split()
        found[clock] = int(seconds) * 1_000_000_000 + int(nanoseconds)
    try:
        return Offsets(found["monotonic"], found["boottime"])
    except KeyError as error:
        raise ValueError(f"timens_offsets without {error}; monotonic and boottime expected") from error


def read_offsets(folder: Path = Path("/proc/self")) -> Offsets | None:
    """Those of the process with this folder; None: it is in a time namespace, and they are not shown."""
    try:
        own = (folder / "ns/time").stat().st_ino
    except OSError:
        # A kernel without time namespaces.
        return Offsets()
    if own == _FIRST:
        return Offsets()
    try:
        # The file has the offsets of the namespace that children are born into.
        if (folder / "ns/time_for_children").stat().st_ino == own:
            return parse_offsets((folder / "timens_offsets").read_text())
    except (OSError, ValueError):
        pass
    return None


@cache
def offsets() -> Offsets | None:
    """Those of this program, which stays in its namespace; None as in ``read_offsets``."""
    return read_offsets()


def known() -> bool:
    """Whether times here can be compared with the machine's."""
    return offsets() is not None


def ahead_ns() -> int:
    """By how much CLOCK_BOOTTIME and the starts in /proc are ahead here; 0 where that is not known."""
    here = offsets()
    return here.boottime_ns if here else 0


def now_ns() -> int:
    """The machine's CLOCK_BOOTTIME."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) - ahead_ns()


def suspended_ns() -> int:
    """How long the machine has been suspended since it booted."""
    here = offsets()
    monotonic_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC) - (here.monotonic_ns if here else 0)
    return now_ns() - monotonic_ns
