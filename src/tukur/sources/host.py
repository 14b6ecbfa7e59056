"""The host counters: CPU, memory, load, pressure, disks, network; see ``tukur.records.host``."""

import logging
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tukur.records import CPU_MODES, HostSample, metrics_of
from tukur.sources import boot_clock
from tukur.sources.proc import CLOCK_TICK_NS

log = logging.getLogger(__name__)

Values = dict[str, int]
"""Name of a sample's figure to its value."""

_SECTOR = 512
"""The unit of /proc/diskstats on every device, whatever its own sectors are."""
_READ_SIZE = 1 << 16


def parse_stat(content: bytes) -> Values:
    """/proc/stat: CPU time by core and mode, forks, switches, what runs and what waits."""
    values: Values = {}
    for line in content.split(b"\n"):
        key, _, rest = line.partition(b" ")
        if key.startswith(b"cpu"):
            who = key[3:].decode() or "total"
            # Kernels differ in how many columns they have; what is missing is not known, not 0.
            for mode, ticks in zip(CPU_MODES, rest.split(), strict=False):
                values[f"cpu.{who}.{mode}"] = int(ticks) * CLOCK_TICK_NS
        elif key in _STAT_LINES:
            values[_STAT_LINES[key]] = int(rest)
    return values


_STAT_LINES = {metric.key.encode(): metric.name for metric in metrics_of("/proc/stat")}
_MEMINFO_LINES = {metric.key.encode(): metric.name for metric in metrics_of("/proc/meminfo")}
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
            values[f"psi.{what}.{who.decode()}"] = int(rest.rpartition(b"total=")[2])
    return values


_NOT_A_DISK = re.compile(r"^(?:loop|ram|zram|fd|sr|dm-|md|nbd|drbd|bcache)\d*")
"""What has no storage of its own. dm (LVM, dm-crypt), md and bcache pass on to disks that are counted: a
sum over all disks would count their bytes twice."""


def parse_diskstats(content: bytes, is_disk: Callable[[str], bool]) -> Values:
    """/proc/diskstats of those devices that `is_disk` says, by name, are a whole disk with storage."""
    values: Values = {}
    for line in content.split(b"\n"):
        words = line.split()
        if len(words) < 14:
            continue
        name = words[2].decode("utf-8", "backslashreplace")
        if not is_disk(name):
            continue
        for column, what, scale in _DISK_COLUMNS:
            values[f"disk.{name}.{what}"] = int(words[column]) * scale
    return values


def parse_net_dev(content: bytes, is_device: Callable[[str], bool]) -> Values:
    """/proc/net/dev of those interfaces that `is_device` says, by name, are hardware.

    Bridges, VLANs, tunnels and containers' interfaces pass on to hardware, so that a sum over all would
    count their bytes twice. Where there is no hardware, as in a container, all but lo count.
    """
    every: Values = {}
    devices: Values = {}
    for line in content.split(b"\n")[2:]:
        # An interface's name may hold a colon: "eth0:1".
        key, _, rest = line.rpartition(b":")
        name = key.strip().decode("utf-8", "backslashreplace")
        words = rest.split()
        if not name or name == "lo" or len(words) < 16:
            continue
        values = devices if is_device(name) else every
        for column, what in _NET_COLUMNS:
            values[f"net.{name}.{what}"] = int(words[column])
    return devices or every


class _File:
    """A file of /proc that stays open. None instead of bytes: this kernel does not have it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = -1

    def read(self) -> bytes | None:
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
        self._sys = Path(sys)
        self._disk_names: dict[str, bool] = {}
        self._device_names: dict[str, bool] = {}
        self._files: list[tuple[str, _File, Callable[[bytes], Values]]] = [
            (name, _File(f"{proc}/{path}"), parse)
            for name, path, parse in (
                ("stat", "stat", parse_stat),
                ("meminfo", "meminfo", parse_meminfo),
                ("loadavg", "loadavg", parse_loadavg),
                ("diskstats", "diskstats", self._disks),
                ("net", "net/dev", self._net),
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
        names = tuple(values)
        if names != self._names:
            self._names = names
        return HostSample(self._names, np.fromiter(values.values(), dtype=np.int64, count=len(values)))

    def close(self) -> None:
        """Closes every file."""
        for _, file, _ in self._files:
            file.close()

    def _fault(self, name: str, error: Exception) -> None:
        self.faults[name] = self.faults.get(name, 0) + 1
        if self.faults[name] == 1:
            log.warning("host counters: %s failed: %s", name, error)

    def _disks(self, content: bytes) -> Values:
        return parse_diskstats(content, self._is_disk)

    def _net(self, content: bytes) -> Values:
        return parse_net_dev(content, self._is_device)

    def _is_disk(self, name: str) -> bool:
        """A partition has no entry of its own in /sys/block. Asked once for each name."""
        found = self._disk_names.get(name)
        if found is None:
            # A device is "cciss/c0d0" in /proc and "cciss!c0d0" in /sys.
            block = self._sys / "block" / name.replace("/", "!")
            found = self._disk_names[name] = not _NOT_A_DISK.match(name) and block.exists()
        return found

    def _is_device(self, name: str) -> bool:
        found = self._device_names.get(name)
        if found is None:
            found = self._device_names[name] = (self._sys / "class/net" / name / "device").exists()
        return found
