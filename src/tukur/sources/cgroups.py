"""Cgroups: the path of one by its id, and what a path means to systemd and container engines.

A path says four things, each found by its own rule, since units, containers and pods nest:

- unit: the innermost service, scope, socket, mount or swap, be it a container's own systemd that made it;
- container: the innermost, for it is the one that the process sees itself in;
- pod: the innermost Kubernetes pod, by its UID;
- slice: the innermost of this machine's own service manager, that is of the slices that the path begins
  with. A user manager's or a container's slices have the same names for everyone, and would mix them up.
"""

import ctypes
import errno
import logging
import os
import re
import struct
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tukur.text import readable

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CgroupMembership:
    """What a cgroup's path says; empty where it says nothing of the kind."""

    unit: str = ""
    """As systemd writes it, such as ``ssh.service`` or ``session-3.scope``."""
    container: str = ""
    """``engine:id``, of an id of 64 hex digits the first 12."""
    pod: str = ""
    """The pod's UID, with dashes; of a static pod the 32 hex digits of its configuration's hash."""
    slice: str = ""
    """Such as ``system.slice`` or ``user-1000.slice``."""


_UNIT = re.compile(r".+\.(?:service|scope|socket|mount|swap)")

_ID = r"(?P<id>[0-9a-f]{64})"
_CONTAINERS: tuple[tuple[str, re.Pattern[str]], ...] = (
    # Of two components "parent/own". The systemd driver names the scope after the engine; the cgroupfs
    # driver makes a folder for it, or takes the configured parent (an ECS task, a pod).
    ("docker", re.compile(rf".*/docker-{_ID}\.scope")),
    ("docker", re.compile(rf"(?:docker|ecs|[0-9a-f]{{32}}(?:-[0-9]+)?)/{_ID}")),
    ("buildkit", re.compile(r"buildkit/(?P<id>[0-9a-z]{25})")),
    # conmon watches a container from outside: its processes are not the container's.
    ("podman", re.compile(rf".*/libpod-(?:payload-)?{_ID}(?:\.scope)?")),
    ("containerd", re.compile(rf".*/(?:cri-containerd|nerdctl)-{_ID}\.scope")),
    ("containerd", re.compile(rf".*/[^/]*:(?:cri-containerd|nerdctl):{_ID}")),
    ("containerd", re.compile(rf"(?:default|moby|buildkit|k8s\.io)/{_ID}")),
    ("crio", re.compile(rf".*/crio-{_ID}(?:\.scope)?")),
    (
        "kubernetes",
        re.compile(rf"(?:.*[-:])?pod[0-9a-f][0-9a-f_-]*(?:\.slice)?/(?:[a-z]+-)?{_ID}(?:\.scope)?"),
    ),
    ("lxc", re.compile(r"lxc(?:\.payload|\.monitor)?/(?P<id>[^/]+)")),
    ("lxc", re.compile(r".*/lxc\.(?:payload|monitor)\.(?P<id>[^/]+)")),
    ("nspawn", re.compile(r".*/systemd-nspawn@(?P<id>[^/]+)\.service")),
    ("libvirt", re.compile(r"machine\.slice/machine-(?:qemu|lxc)\\x2d[0-9]+\\x2d(?P<id>[^/]+)\.scope")),
    ("nspawn", re.compile(r"machine\.slice/machine-(?P<id>[^/]+)\.scope")),
    # Whose it is the path does not say: Docker's with --cgroup-parent, most often.
    ("container", re.compile(rf".*/{_ID}(?:\.scope)?")),
)

_UID = r"[0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32}"
_POD = re.compile(rf"(?:.*-)?pod(?P<uid>{_UID})(?:\.slice)?(?::.*)?")
_POD_SLICE = re.compile(rf"(?:.*-pod(?:{_UID})|machine-libpod_pod_[0-9a-f]{{64}})\.slice")
_ESCAPE = re.compile(r"\\x([0-9a-f]{2})")


@lru_cache(maxsize=4096)
def parse_cgroup_path(path: str) -> CgroupMembership:
    """What the path of a cgroup says; the same object for the same path."""
    parts = [part for part in path.split("/") if part and part != ".."]
    pairs = [f"{parent}/{part}" for parent, part in zip(["", *parts], parts, strict=False)]
    return CgroupMembership(
        unit=next((part for part in reversed(parts) if _UNIT.fullmatch(part)), ""),
        container=next((found for pair in reversed(pairs) if (found := _container(pair))), ""),
        pod=next((found for part in reversed(parts) if (found := _pod(part))), ""),
        slice=_slice(parts),
    )


def _container(pair: str) -> str:
    for engine, pattern in _CONTAINERS:
        found = pattern.fullmatch(pair)
        if found:
            name = found["id"]
            return f"{engine}:{name[:12] if len(name) == 64 else _unescaped(name)}"
    return ""


def _pod(part: str) -> str:
    found = _POD.fullmatch(part)
    return found["uid"].replace("_", "-") if found else ""


def _slice(parts: list[str]) -> str:
    last = ""
    for part in parts:
        if not part.endswith(".slice") or _POD_SLICE.fullmatch(part):
            # A pod's own slice would be one group for each pod: that is what `pod` is for.
            break
        last = part
    return last


def _unescaped(name: str) -> str:
    """A machine's name as it was before systemd escaped it (ASCII only)."""
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] < "80" else found[0], name)


# --- from an id to a path


@dataclass(frozen=True, slots=True)
class Mount:
    """Where the v2 hierarchy is to be seen."""

    point: str
    root: str
    """The cgroup that is mounted there, as this process's cgroup namespace names it."""


def cgroup2_mount(mountinfo: str) -> Mount | None:
    """The mount of the v2 hierarchy, of a /proc/self/mountinfo; None: it is not mounted.

    There is one such hierarchy, however often it is mounted: the mount that shows most of it is taken.
    """
    found = []
    for line in mountinfo.splitlines():
        before, dash, after = line.partition(" - ")
        fields = before.split(" ")
        if dash and after.startswith("cgroup2 ") and len(fields) > 4:
            found.append(Mount(point=_octal(fields[4]), root=_octal(fields[3])))
    return min(found, key=lambda mount: mount.root.count("/") if mount.root != "/" else 0, default=None)


def cgroup_mounts(mountinfo: str) -> dict[str, Mount]:
    """The mounts of the v1 hierarchies by controller, of a /proc/self/mountinfo."""
    found: dict[str, Mount] = {}
    for line in mountinfo.splitlines():
        before, dash, after = line.partition(" - ")
        fields, words = before.split(" "), after.split(" ")
        if dash and words[0] == "cgroup" and len(fields) > 4:
            mount = Mount(point=_octal(fields[4]), root=_octal(fields[3]))
            found |= dict.fromkeys(words[-1].split(","), mount)
    return found


def _octal(field: str) -> str:
    """A field of mountinfo, whose blanks and backslashes are written as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), field)


def find_mount(mountinfo: Path = Path("/proc/self/mountinfo")) -> Mount | None:
    """Where this machine has the v2 hierarchy."""
    try:
        return cgroup2_mount(mountinfo.read_text(encoding="utf-8", errors="surrogateescape"))
    except OSError:
        return None


_FILEID_KERNFS = 0xFE
_GONE = " (deleted)"
_LIMIT = 65_536
_UNKNOWN_S = 2.0
"""How long "no such cgroup" is believed: an event that names it may be on its way."""
_WALK_S = 10.0
"""How often the whole hierarchy is walked where the kernel may not be asked for a single id."""


class CgroupPaths:
    """Paths of v2 cgroups by their ids (``cgroup_id()`` in the kernel: the id of the kernfs node).

    An id is never used again within one boot of a 64-bit kernel: its lower half is handed out in turn and
    its upper half counts the turns (kernfs, ``idr_alloc_cyclic`` and ``id_highbits``). A v2 cgroup cannot be
    renamed either (only v1 has ``rename``). So a path that is known stays right, also after the cgroup is
    gone and another has its name; only what is not known is forgotten soon.

    Paths begin at the root of the hierarchy as an event of the kernel has it; as found in the mount, at the
    root of this process's cgroup namespace. Not thread-safe; one owner.
    """

    def __init__(
        self,
        mount: Mount | None = None,
        *,
        limit: int = _LIMIT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._mount = mount if mount is not None else find_mount()
        self._limit = limit
        self._clock = clock
        self._paths: OrderedDict[int, str] = OrderedDict()
        self._unknown: dict[int, float] = {}
        self._by_handle = True
        self._walked = -_WALK_S
        self._fd = -1
        if self._mount is not None:
            try:
                self._fd = os.open(self._mount.point, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except OSError:
                self._by_handle = False
            self._walk()

    def close(self) -> None:
        """Gives the mount free."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def learn(self, cgroup_id: int, path: str) -> None:
        """What an event said: kept, also when the cgroup is gone before anybody asks."""
        self._unknown.pop(cgroup_id, None)
        self._keep(cgroup_id, path)

    def path(self, cgroup_id: int) -> str | None:
        """Its path; None: there is none (any more), and none was learnt."""
        found = self._paths.get(cgroup_id)
        if found is not None:
            self._paths.move_to_end(cgroup_id)
            return found
        now = self._clock()
        if cgroup_id == 0 or self._mount is None or self._unknown.get(cgroup_id, 0.0) > now:
            return None
        found = self._ask(cgroup_id, now)
        if found is None:
            if len(self._unknown) >= self._limit:
                self._unknown.clear()
            self._unknown[cgroup_id] = now + _UNKNOWN_S
            return None
        self._keep(cgroup_id, found)
        return found

    def _keep(self, cgroup_id: int, path: str) -> None:
        self._paths[cgroup_id] = path
        self._paths.move_to_end(cgroup_id)
        if len(self._paths) > self._limit:
            self._paths.popitem(last=False)

    def _ask(self, cgroup_id: int, now: float) -> str | None:
        if self._by_handle and self._fd >= 0 and self._mount is not None:
            try:
                link = link_of(self._fd, cgroup_id)
            except PermissionError:
                log.info("cgroups are found by walking their folder: CAP_DAC_READ_SEARCH is missing")
                self._by_handle = False
            except OSError:
                return None
            else:
                return below(link, self._mount)
        if now - self._walked >= _WALK_S:
            self._walk()
        return self._paths.get(cgroup_id)

    def _walk(self) -> None:
        if self._mount is None:
            return
        self._walked = self._clock()
        for cgroup_id, path in walk(self._mount, self._limit):
            if cgroup_id not in self._paths:
                self._keep(cgroup_id, path)


def walk(mount: Mount, limit: int) -> Iterator[tuple[int, str]]:
    """(id, path) of the cgroups that there are, parents first; at most `limit`."""
    try:
        # On a 64-bit kernel the inode's number is the whole id.
        yield Path(mount.point).stat().st_ino, _joined(mount.root, "")
    except OSError:
        return
    waiting = [""]
    count = 1
    while waiting and count < limit:
        folder = waiting.pop()
        try:
            with os.scandir(f"{mount.point}/{folder}") as entries:
                made = [
                    (entry.inode(), entry.name) for entry in entries if entry.is_dir(follow_symlinks=False)
                ]
        except OSError:
            # Removed meanwhile, or not ours to see.
            continue
        for number, name in made:
            path = f"{folder}/{name}" if folder else name
            waiting.append(path)
            count += 1
            yield number, _joined(mount.root, path)


def link_of(mount_fd: int, cgroup_id: int) -> str:
    """Where the cgroup of this id is in the file system, by name_to_handle_at(2)'s counterpart.

    Raises PermissionError without CAP_DAC_READ_SEARCH (in the first user namespace), OSError (ESTALE)
    where there is no such cgroup any more.
    """
    handle = struct.pack("=IiQ", 8, _FILEID_KERNFS, cgroup_id)
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.open_by_handle_at(mount_fd, handle, os.O_PATH | os.O_CLOEXEC)
    if fd < 0:
        number = ctypes.get_errno()
        if number == errno.ENOSYS:
            number = errno.EPERM
        raise OSError(number, os.strerror(number))
    try:
        link = str(Path(f"/proc/self/fd/{fd}").readlink())
    finally:
        os.close(fd)
    gone = link.removesuffix(_GONE)
    # Removed since it was opened; but a cgroup may be called so, too.
    return gone if link != gone and not Path(link).exists() else link


def below(link: str, mount: Mount) -> str | None:
    """The cgroup's path of where it is in the file system; None where that is not below the mount."""
    point = mount.point.rstrip("/")
    if link != point and not link.startswith(f"{point}/"):
        return None
    return _joined(mount.root, link[len(point) + 1 :])


def _joined(root: str, path: str) -> str:
    """`path` below the root of a mount; what lies above this process's cgroup namespace has no name."""
    above = "/".join(part for part in root.split("/") if part and part != "..")
    whole = f"/{above}/{path}" if above else f"/{path}"
    return readable(whole.rstrip("/") or "/")
