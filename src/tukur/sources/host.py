"""The host counters: CPU, memory, load, pressure, disks, network; see ``tukur.records.host``."""

import logging
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tukur.records import CPU_MODES, HostSample, metrics_of
from tukur.sources import boot_clock
from tukur.sources.devices import Devices
from tukur.sources.proc import CLOCK_TICK_NS
from tukur.text import readable

log = logging.getLogger(__name__)

Values = dict[str, int]
"""Name of a sample's figure to its value."""

_SECTOR = 512
"""The unit of /proc/diskstats on every device, whatever its own sectors are."""
_READ_SIZE = 1 << 16
_LARGEST = 2**63 - 1
_LOOKED_FOR_AFTER = 60


def parse_stat(content: bytes) -> Values:
    """/proc/stat: CPU time by core and mode, forks, switches, what runs and what waits."""
    values: Values = {}
    for line in content.split(b"\n"):
        key, _, rest = line.partition(b" ")
        if key.startswith(b"cpu"):
            who = readable(key[3:]) or "total"
            # Kernels differ in how many columns they have; what is missing is not known, not 0.
            for mode, ticks in zip(CPU_MODES, rest.split(), strict=False):
                values[f"cpu.{who}.{mode}"] = int(ticks) * CLOCK_TICK_NS
        elif key in _STAT_LINES:
            values[_STAT_LINES[key]] = int(rest)
    return values


_STAT_LINES = {metric.key.encode(): metric.name for metric in metrics_of("/proc/stat")}
_MEMINFO_LINES = {metric.key.encode(): metric.name for metric in metrics_of("/proc/meminfo")}
_ARC_LINES = {metric.key.encode(): metric.name for metric in metrics_of("/proc/spl/kstat/zfs/arcstats")}
_LOADAVG_COLUMNS = [
    (int(metric.key), metric.name, 1000 if metric.unit == "1/1000" else 1)
    for metric in metrics_of("/proc/loadavg")
]
_DISK_COLUMNS = [
    (int(metric.key), metric.name.rpartition(".")[2], _SECTOR if metric.unit == "bytes" else 1)
    for metric in metrics_of("/proc/diskstats")
]
_NET_COLUMNS = [(int(metric.key), metric.name.rpartition(".")[2]) for metric in metrics_of("/proc/net/dev")]


def parse_meminfo(content: bytes) -> Values:
    """/proc/meminfo, in bytes; huge_total is what the pool of huge pages takes, used or not."""
    values: Values = {}
    pages = size = 0
    for line in content.split(b"\n"):
        key, _, rest = line.partition(b":")
        name = _MEMINFO_LINES.get(key)
        if name is not None:
            values[name] = int(rest.split()[0]) << 10
        elif key == b"HugePages_Total":
            pages = int(rest)
        elif key == b"Hugepagesize":
            size = int(rest.split()[0]) << 10
    if size:
        values["mem.huge_total"] = pages * size
    return values


def parse_loadavg(content: bytes) -> Values:
    """/proc/loadavg: averages in thousandths; of a pair such as ``3/70`` the first number."""
    words = [word.partition(b"/")[0] for word in content.split()]
    return {name: round(float(words[column]) * scale) for column, name, scale in _LOADAVG_COLUMNS}


def parse_pressure(what: str, content: bytes) -> Values:
    """One file of /proc/pressure: the time in which some task, or every one, waited; µs."""
    values: Values = {}
    for line in content.split(b"\n"):
        who, _, rest = line.partition(b" ")
        if who in (b"some", b"full"):
            values[f"psi.{what}.{readable(who)}"] = int(rest.rpartition(b"total=")[2])
    return values


def parse_diskstats(content: bytes, is_disk: Callable[[str], bool | None]) -> Values:
    """/proc/diskstats of those devices that `is_disk` says, by name, count: see ``tukur.sources.devices``."""
    values: Values = {}
    for line in content.split(b"\n"):
        words = line.split()
        if len(words) < 14:
            continue
        name = readable(words[2])
        if not is_disk(name):
            continue
        for column, what, scale in _DISK_COLUMNS:
            values[f"disk.{name}.{what}"] = int(words[column]) * scale
    return values


def parse_net_dev(content: bytes, is_device: Callable[[str], bool | None]) -> Values:
    """/proc/net/dev of those interfaces that `is_device` says, by name, are hardware.

    Where there is no hardware, as in a container, all but lo count. None: the interface is left out of this
    sample.
    """
    every: Values = {}
    devices: Values = {}
    for line in content.split(b"\n")[2:]:
        # An interface's name may hold a colon: "eth0:1".
        key, _, rest = line.rpartition(b":")
        name = readable(key.strip())
        words = rest.split()
        if not name or name == "lo" or len(words) < 16:
            continue
        found = is_device(name)
        if found is None:
            continue
        values = devices if found else every
        for column, what in _NET_COLUMNS:
            values[f"net.{name}.{what}"] = int(words[column])
    return devices or every


def parse_arcstats(content: bytes) -> Values:
    """/proc/spl/kstat/zfs/arcstats: the cache of ZFS, in bytes."""
    values: Values = {}
    for line in content.split(b"\n"):
        words = line.split()
        name = _ARC_LINES.get(words[0]) if len(words) == 3 else None
        if name is not None:
            values[name] = int(words[2])
    return values


class _File:
    """A file of /proc that stays open. None instead of bytes: this kernel does not have it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = -1
        self._absent = 0
        """Readings for which it is not looked for again: a module that has the file may be loaded later."""

    def read(self) -> bytes | None:
        if self._absent > 0:
            self._absent -= 1
            return None
        try:
            if self._fd < 0:
                self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            content = os.pread(self._fd, _READ_SIZE, 0)
            while len(content) % _READ_SIZE == 0 and content:
                # Hundreds of cores or interfaces: it goes on.
                more = os.pread(self._fd, _READ_SIZE, len(content))
                if not more:
                    break
                content += more
        except (FileNotFoundError, NotADirectoryError):
            self._absent = _LOOKED_FOR_AFTER
            return None
        except OSError:
            self.close()
            raise
        return content

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class HostReader:
    """Reads all host counters; one owner, not thread-safe."""

    def __init__(self, proc: str = "/proc", sys: str = "/sys") -> None:
        self.faults: dict[str, int] = {}
        """How often each collector failed. One whose file this kernel lacks has not failed."""
        self._devices = Devices(Path(sys))
        self._files: list[tuple[str, _File, Callable[[bytes], Values]]] = [
            (name, _File(f"{proc}/{path}"), parse)
            for name, path, parse in (
                ("stat", "stat", parse_stat),
                ("meminfo", "meminfo", parse_meminfo),
                ("loadavg", "loadavg", parse_loadavg),
                ("arcstats", "spl/kstat/zfs/arcstats", parse_arcstats),
                ("diskstats", "diskstats", self._disks),
                ("net", "net/dev", self._interfaces),
                ("psi.cpu", "pressure/cpu", lambda content: parse_pressure("cpu", content)),
                ("psi.memory", "pressure/memory", lambda content: parse_pressure("memory", content)),
                ("psi.io", "pressure/io", lambda content: parse_pressure("io", content)),
            )
        ]
        self._names: tuple[str, ...] = ()

    def read(self) -> HostSample:
        """The counters now. A collector that fails is left out of this sample and counted."""
        values: Values = {"uptime": boot_clock.now_ns()}
        for name, file, parse in self._files:
            try:
                content = file.read()
                if content is not None:
                    values.update(parse(content))
            except (OSError, ValueError, IndexError) as error:
                self._fault(name, error)
        if max(values.values()) > _LARGEST:
            # Steal time that fell below zero, on some hypervisors: no figure, and none for the others' sake.
            values = {name: value for name, value in values.items() if value <= _LARGEST}
        names = tuple(values)
        if names != self._names:
            self._names = names
        return HostSample(self._names, np.fromiter(values.values(), dtype=np.int64, count=len(values)))

    def close(self) -> None:
        """Closes every file."""
        for _, file, _ in self._files:
            file.close()

    def _disks(self, content: bytes) -> Values:
        found = parse_diskstats(content, self._devices.is_disk)
        if not found and not self._devices.has_blocks:
            # Without sysfs nobody can tell a disk from a partition.
            return {}
        return {"disks": len(found) // len(_DISK_COLUMNS), **found}

    def _interfaces(self, content: bytes) -> Values:
        found = parse_net_dev(content, self._devices.is_interface)
        return {"interfaces": len(found) // len(_NET_COLUMNS), **found}

    def _fault(self, name: str, error: Exception) -> None:
        self.faults[name] = self.faults.get(name, 0) + 1
        if self.faults[name] == 1:
            log.warning("host counters: %s failed: %s", name, error)
