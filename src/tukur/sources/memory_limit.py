"""The memory limit of the cgroups that this process is in: what a container may have of the machine's RAM."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tukur.sources.cgroups import Mount, cgroup2_mount, cgroup_mounts

_UNLIMITED = 1 << 62
"""v1 writes no limit as the largest number of whole pages."""


@dataclass(frozen=True, slots=True)
class MemoryLimit:
    """A limit, and whose it is."""

    size: int
    """Bytes."""
    cgroup: str
    """Its path, as this process's cgroup namespace names it."""


def memory_limit(process: Path = Path("/proc/self")) -> MemoryLimit | None:
    """The lowest limit of the process's own memory cgroup and those above; None: there is none.

    `process`: its directory in /proc. What cannot be read says nothing.
    """
    try:
        mountinfo = (process / "mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
        membership = (process / "cgroup").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    found = []
    for line in membership.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            found += _limits(cgroup2_mount(mountinfo), path, "memory.max")
        elif "memory" in controllers.split(","):
            found += _limits(cgroup_mounts(mountinfo).get("memory"), path, "memory.limit_in_bytes")
    return min(found, key=lambda limit: limit.size, default=None)


def _limits(mount: Mount | None, path: str, file: str) -> list[MemoryLimit]:
    """The limits from the cgroup up to the one that is mounted."""
    if mount is None:
        return []
    # Where only a part of the tree is mounted, as in a container, its root is the highest that can be asked.
    own = PurePosixPath(path)
    inside = own.relative_to(mount.root) if own.is_relative_to(mount.root) else PurePosixPath()
    found = []
    for folder in (inside, *inside.parents):
        size = _size(Path(mount.point, folder, file))
        if size is not None and ".." not in folder.parts:
            found.append(MemoryLimit(size, str(PurePosixPath(mount.root) / folder)))
    return found


def _size(path: Path) -> int | None:
    """Bytes; None: no limit, or none that can be read."""
    try:
        text = path.read_text(encoding="ascii").strip()
        return int(text) if text != "max" and int(text) < _UNLIMITED else None
    except (OSError, ValueError):
        return None
