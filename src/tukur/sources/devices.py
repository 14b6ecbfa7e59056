"""Which disks and interfaces count, by what sysfs says of each.

A sum over devices must have each byte once. What passes its bytes on to another device that is listed is
not counted (device mapper, md, bcache, loop, ZFS volumes; bonds, bridges, VLANs), nor is a second view of the
same device (paths of NVMe multipath, a virtual function behind its Hyper-V interface). What no other device
has counts, be it hardware or served over a network.

SR-IOV: a virtual function counts beside its physical function, since drivers count in each what went through
its own queues; a *representor* of a virtual function, on the switch's side, counts the same bytes again and
is left out.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_RECHECKED_AFTER = 30
"""Samples for which an answer is believed: an array gets its members, an interface its master, later on."""
_NETWORK_MAJORS = ("43", "152")
"""nbd and ATA over Ethernet, as registered in the kernel's ``devices.txt``: virtual, and no disk below."""
_NVME_PATH = re.compile(r"(nvme\d+)c\d+(n\d+)")
_REPRESENTOR = re.compile(r"(?:c\d+)?pf\d+(?:vf|sf)\d+")


@dataclass(slots=True)
class _Known:
    inode: int
    counts: bool
    left: int
    """Samples until it is looked at again."""


class Devices:
    """Answers for one device at a time, from a cache that notices when a name goes to another device."""

    def __init__(self, sys: Path) -> None:
        self._blocks = f"{sys}/block/"
        self._interfaces = f"{sys}/class/net/"
        self._known: dict[str, _Known] = {}

    @property
    def has_blocks(self) -> bool:
        """Whether sysfs is there to ask about disks."""
        return Path(self._blocks).is_dir()

    def is_disk(self, name: str) -> bool | None:
        """Whether a block device of /proc/diskstats counts; None: another one had its name before."""
        # A device is "cciss/c0d0" in /proc and "cciss!c0d0" in /sys.
        path = self._blocks + name.replace("/", "!")
        known = self._known.get(path)
        if known is not None and not known.counts and known.left > 0:
            # In no sample: it may become another one unseen. Of loop devices there are many.
            known.left -= 1
            return False
        return self._ask(path, disk_counts)

    def is_interface(self, name: str) -> bool | None:
        """Whether an interface is hardware that counts; None: another one had its name before."""
        return self._ask(self._interfaces + name, interface_counts)

    def _ask(self, path: str, counts: Callable[[Path], bool]) -> bool | None:
        inode = _inode(path)
        known = self._known.get(path)
        if known is not None and known.inode == inode and known.left > 0:
            known.left -= 1
            return known.counts
        self._known[path] = _Known(inode, counts(Path(path)), _RECHECKED_AFTER)
        # With a sample between the two, nobody takes the difference of two devices' counters.
        return None if known is not None and known.inode != inode else self._known[path].counts


def _inode(path: str) -> int:
    """Of the device's own entry: the kernel makes one for each device, which a renamed one keeps."""
    try:
        return os.lstat(path).st_ino
    except OSError:
        return 0


def disk_counts(block: Path) -> bool:
    """Whether a block device, by its directory in /sys/block, has storage that no other device there has."""
    # A partition has no entry of its own in /sys/block.
    if not block.is_dir() or (block / "partition").exists():
        return False
    if _text(block / "hidden") == "1":
        return _stands_for_its_head(block)
    if _has_entries(block / "slaves") or (block / "loop").is_dir():
        return False
    return (block / "device").exists() or _is_served_over_a_network(block)


def _stands_for_its_head(block: Path) -> bool:
    """Before Linux 6.4 the device that unites the paths of NVMe multipath counts nothing itself."""
    path = _NVME_PATH.fullmatch(block.name)
    return path is not None and _text(block.parent / (path[1] + path[2]) / "queue/iostats") == "0"


def _is_served_over_a_network(block: Path) -> bool:
    # nbd says who serves it while it is connected, RNBD has a directory of its own; Ceph's rbd has a device.
    signs = any((block / name).exists() for name in ("pid", "rnbd"))
    return signs or _text(block / "dev").partition(":")[0] in _NETWORK_MAJORS


def interface_counts(interface: Path) -> bool:
    """Whether an interface, by its directory in /sys/class/net, is hardware whose bytes no other has."""
    if not (interface / "device").exists():
        return False
    # Hyper-V's netvsc and virtio's failover device count what went through the interfaces that they unite. A
    # bond or a bridge is no hardware: there the members count.
    if (interface / "master/device").exists():
        return False
    # Ports of a DSA switch: all goes through the interface that the switch hangs on.
    if "DEVTYPE=dsa" in _text(interface / "uevent").split("\n"):
        return False
    return not _REPRESENTOR.fullmatch(_text(interface / "phys_port_name"))


def _has_entries(folder: Path) -> bool:
    try:
        return any(folder.iterdir())
    except OSError:
        return False


def _text(path: Path) -> str:
    """The content without the line's end; empty where there is none: not every driver answers."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
