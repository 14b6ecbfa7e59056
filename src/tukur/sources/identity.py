"""Who a process is: its command line, program, cgroup, unit, container and user."""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from tukur.sources.cgroups import parse_cgroup_path
from tukur.sources.proc import live_threads, parse_cgroup, parse_cmdline, read, read_stat


@dataclass(frozen=True, slots=True)
class Identity:
    """What is read once in a process's life, and again after exec."""

    argv: list[bytes]
    """The arguments, any bytes; empty for a kernel thread, a zombie, or where not permitted."""
    exe: str
    """The program's file; empty where there is none or where not permitted."""
    cgroup: str
    """The cgroup's path; empty where it is not known."""


def read_identity(pid: int) -> Identity | None:
    """The process that has this PID now; None where there is none any more."""
    identity = _read_identity(f"/proc/{pid}")
    if identity is None or identity.argv:
        return identity
    # A kernel thread, a zombie, or a process whose main thread has ended while others live.
    stat = read_stat(pid)
    if stat is None or not stat.main_ended:
        return identity
    try:
        for folder, _ in live_threads(pid):
            found = _read_identity(folder)
            # One that ends at this moment has none either.
            if found is not None and (found.argv or found.exe):
                return found
    except OSError:
        return None
    return identity


def _read_identity(folder: str) -> Identity | None:
    """`folder`: /proc/PID, or that of one of its threads."""
    try:
        cgroup = read(f"{folder}/cgroup")
        argv = read(f"{folder}/cmdline")
    except (FileNotFoundError, ProcessLookupError):
        return None
    except PermissionError:
        cgroup = argv = b""
    try:
        exe = os.fsdecode(Path(f"{folder}/exe").readlink())
    except OSError:
        # A kernel thread has none, and another user's is not ours to know.
        exe = ""
    return Identity(argv=parse_cmdline(argv), exe=_text(exe), cgroup=parse_cgroup(cgroup))


def _text(name: str) -> str:
    """Bytes that are not UTF-8 as escapes, so that the text can go onto the wire."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def unit_of(cgroup: str) -> str:
    """The systemd unit of a cgroup path, its name as systemd writes it; empty where there is none."""
    return parse_cgroup_path(cgroup).unit


def container_of(cgroup: str) -> str:
    """``engine:id`` of a cgroup path, the id's first 12 digits where it has 64; empty: no container."""
    return parse_cgroup_path(cgroup).container


class Users:
    """User names by UID, cached until /etc/passwd changes."""

    def __init__(self, file: Path = Path("/etc/passwd")) -> None:
        self._file = file
        self._names: dict[int, str] = {}
        self._changed: tuple[int, int] = (0, 0)

    def name(self, uid: int) -> str:
        """The name, or the number as text where nobody has it."""
        # Asked of the system, not of the file: users may be in a directory service.
        try:
            status = self._file.stat()
            changed = (status.st_mtime_ns, status.st_ino)
        except OSError:
            changed = (0, 0)
        if changed != self._changed:
            self._names.clear()
            self._changed = changed
        name = self._names.get(uid)
        if name is None:
            try:
                name = pwd.getpwuid(uid).pw_name
            except (KeyError, OverflowError):
                name = str(uid)
            self._names[uid] = name
        return name


_users = Users()


def user_name(uid: int) -> str:
    """The name of a user of this machine, or the number as text."""
    return _users.name(uid)
