"""Who a process is: its command line, program, cgroup, unit, container and user."""

import os
from dataclasses import dataclass

from tukur.sources.cgroups import parse_cgroup_path
from tukur.sources.proc import live_threads, parse_cgroup, parse_cmdline, read, read_arguments, read_stat
from tukur.text import readable


@dataclass(frozen=True, slots=True)
class Identity:
    """What is read once in a process's life, and again after exec."""

    argv: list[bytes]
    """The arguments, any bytes; empty for a kernel thread, a zombie, or where not permitted or wanted."""
    exe: str
    """The program's file; empty where there is none or where not permitted."""
    cgroup: str
    """The cgroup's path; empty where it is not known."""


def read_identity(pid: int, *, arguments: bool = True) -> Identity | None:
    """The process that has this PID now; None where there is none any more.

    To read its arguments can hang for as long as something in it holds the lock of its memory (mmap_lock).
    """
    identity = _read_identity(f"/proc/{pid}", arguments)
    if identity is None or identity.argv or identity.exe:
        return identity
    # A kernel thread, a zombie, or a process whose main thread has ended while others live.
    stat = read_stat(pid)
    if stat is None or not stat.main_ended:
        return identity
    try:
        for folder, _ in live_threads(pid):
            found = _read_identity(folder, arguments)
            # One that ends at this moment has none either.
            if found is not None and (found.argv or found.exe):
                return found
    except OSError:
        return None
    return identity


def _read_identity(folder: str, arguments: bool) -> Identity | None:
    """`folder`: /proc/PID, or that of one of its threads."""
    try:
        cgroup = read(f"{folder}/cgroup")
        argv = read_arguments(folder) if arguments else b""
    except (FileNotFoundError, ProcessLookupError):
        return None
    except PermissionError:
        cgroup = argv = b""
    try:
        exe = readable(os.readlink(f"{folder}/exe"))  # noqa: PTH115 - a Path would change its slashes
    except OSError:
        # A kernel thread has none, and another user's is not ours to know.
        exe = ""
    return Identity(argv=parse_cmdline(argv), exe=exe, cgroup=parse_cgroup(cgroup))


def unit_of(cgroup: str) -> str:
    """The systemd unit of a cgroup path, its name as systemd writes it; empty where there is none."""
    return parse_cgroup_path(cgroup).unit


def container_of(cgroup: str) -> str:
    """``engine:id`` of a cgroup path, the id's first 12 digits where it has 64; empty: no container."""
    return parse_cgroup_path(cgroup).container
