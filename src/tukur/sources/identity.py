"""Who a process is: its command line, program, cgroup, unit, container and user."""

import os
import pwd
import re
from dataclasses import dataclass
from pathlib import Path

_CMDLINE_LIMIT = 65536
"""A command line may have megabytes; nobody reads them, and each is read once in a life."""


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
    folder = f"/proc/{pid}"
    try:
        cgroup = _read(f"{folder}/cgroup", _CMDLINE_LIMIT)
        argv = _read(f"{folder}/cmdline", _CMDLINE_LIMIT)
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


def _read(path: str, limit: int) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, limit)
    finally:
        os.close(fd)


def _text(name: str) -> str:
    """Bytes that are not UTF-8 as escapes, so that the text can go onto the wire."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def parse_cmdline(content: bytes) -> list[bytes]:
    """The arguments of a /proc/PID/cmdline.

    A process that wrote its title over its arguments (setproctitle) leaves one text, padded with NULs
    or not ended by any.
    """
    if not content:
        return []
    # Empty arguments at the end cannot be told from such padding; in between they count.
    return content.rstrip(b"\0").split(b"\0")


def parse_cgroup(content: bytes) -> str:
    """The path of a /proc/PID/cgroup that says where the process belongs.

    The v2 line, unless the controllers are on v1 (hybrid): then systemd's own hierarchy, or, where that is
    at its root, the longest path of all.
    """
    paths: dict[str, str] = {}
    for line in content.decode("utf-8", "backslashreplace").splitlines():
        number, _, rest = line.partition(":")
        controllers, found, path = rest.partition(":")
        if found and number.isdecimal():
            paths[controllers] = path.removesuffix(" (deleted)")
    for controllers in ("", "name=systemd"):
        if paths.get(controllers, "/") != "/":
            return paths[controllers]
    return max(paths.values(), key=len, default="")


_UNIT = re.compile(r"^[^/]+\.(?:service|scope|socket|mount|swap)$")

_HEX_ID = r"(?P<id>[0-9a-f]{64})"
_CONTAINERS: tuple[tuple[str, re.Pattern[str]], ...] = (
    # systemd's driver names the scope after the engine, the cgroupfs driver the folder above.
    ("docker", re.compile(rf"/docker-{_HEX_ID}\.scope(?:/|$)")),
    ("docker", re.compile(rf"/docker/{_HEX_ID}(?:/|$)")),
    ("podman", re.compile(rf"/libpod-(?:payload-)?{_HEX_ID}(?:\.scope)?(?:/|$)")),
    ("containerd", re.compile(rf"/cri-containerd-{_HEX_ID}\.scope(?:/|$)")),
    ("crio", re.compile(rf"/crio-(?:conmon-)?{_HEX_ID}(?:\.scope)?(?:/|$)")),
    ("kubernetes", re.compile(rf"/kubepods[^:]*?/(?:[a-z]+-)?{_HEX_ID}(?:\.scope)?(?:/|$)")),
    ("kubernetes", re.compile(rf":cri-containerd:{_HEX_ID}(?:/|$)")),
    ("containerd", re.compile(rf"/(?:default|moby|buildkit|k8s\.io)/{_HEX_ID}(?:/|$)")),
    ("lxc", re.compile(r"/(?:lxc(?:\.payload)?|lxc\.monitor)[./](?P<id>[^/]+?)(?:/|$)")),
    ("nspawn", re.compile(r"/machine\.slice/systemd-nspawn@(?P<id>[^/]+)\.service(?:/|$)")),
    ("nspawn", re.compile(r"/machine\.slice/machine-(?P<id>[^/]+)\.scope(?:/|$)")),
)


def unit_of(cgroup: str) -> str:
    """The systemd unit of a cgroup path, its name as systemd writes it; empty where there is none.

    The last service, scope, socket, mount or swap on the path: a user's own unit is below
    ``user@1000.service``. What lies below a container is the container's own.
    """
    units = [part for part in cgroup.split("/") if _UNIT.match(part)]
    return units[-1] if units else ""


def container_of(cgroup: str) -> str:
    """``engine:id`` of a cgroup path, the id's first 12 digits where it has 64; empty: no container."""
    for engine, pattern in _CONTAINERS:
        found = pattern.search(cgroup)
        if found:
            name = found["id"]
            return f"{engine}:{name[:12] if len(name) == 64 else name}"
    return ""


class Users:
    """User names by number, learnt anew when the file they stand in changes."""

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
