"""The files of /proc/PID: reading one and parsing what was read are two functions; see proc(5).

Parsers are pure and take bytes. Readers raise OSError unless they say otherwise.
"""

import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from tukur.records import comm_text
from tukur.text import readable

CLOCK_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
"""The unit of times in /proc/PID/stat and /proc/stat, nanoseconds."""

_MORE = 1 << 20
_PF_KTHREAD = 0x00200000
ARGUMENTS_SIZE = 65536
"""So much of a command line is read: it may have megabytes, of which nobody would read more."""


def read(path: str, size: int = 8192) -> bytes:
    """The whole of a file of /proc; `size`: what its content hardly ever exceeds, read in one call."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        content = os.read(fd, size)
        return content if len(content) < size else _rest(content, lambda _: os.read(fd, _MORE))
    finally:
        os.close(fd)


def reread(fd: int, size: int) -> bytes:
    """The same of a file that stays open."""
    content = os.pread(fd, size, 0)
    return content if len(content) < size else _rest(content, lambda at: os.pread(fd, _MORE, at))


def read_arguments(pid: int) -> bytes:
    """The beginning of /proc/PID/cmdline. Hangs for as long as something holds that process's mmap_lock."""
    fd = os.open(f"/proc/{pid}/cmdline", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, ARGUMENTS_SIZE)
    finally:
        os.close(fd)


def _rest(content: bytes, read_at: Callable[[int], bytes]) -> bytes:
    parts, length = [content], len(content)
    while more := read_at(length):
        parts.append(more)
        length += len(more)
    return b"".join(parts)


def list_pids() -> set[int]:
    """The PIDs that there are now."""
    return {int(name) for name in os.listdir("/proc") if name.isdecimal()}  # noqa: PTH208


@dataclass(slots=True, frozen=True)
class Stat:
    """Fields of /proc/PID/stat."""

    comm: bytes
    state: str
    ppid: int
    flags: int
    """PF_* of linux/sched.h."""
    minflt: int
    majflt: int
    utime: int
    """Clock ticks, as is the next."""
    stime: int
    waited: int
    """cutime and cstime: of the children that were waited for, and of theirs, clock ticks in both modes."""
    nice: int
    threads: int
    start_ticks: int
    """starttime: clock ticks since boot."""
    vsize: int
    policy: int
    exec_id: int
    """Of where exec put code and stack: another program, or another run of one, is elsewhere."""
    exit_code: int | None
    """As wait(2) gives it, of a zombie; None before Linux 3.5. 0 where this user may not know it."""

    @property
    def name(self) -> str:
        """comm as text."""
        return comm_text(self.comm)

    @property
    def kthread(self) -> bool:
        """Whether it is a kernel thread."""
        return bool(self.flags & _PF_KTHREAD)


def parse_stat(content: bytes) -> Stat:
    """Parses one /proc/PID/stat. Raises ValueError where it is not one.

    The name may hold spaces, parentheses and newlines: it goes to the last parenthesis.
    """
    begin, end = content.find(b"("), content.rfind(b")")
    rest = content[end + 2 :].split()
    if begin < 0 or len(rest) < 39:
        raise ValueError(f"/proc/PID/stat with {len(rest)} fields after the name; 39 or more expected")
    return Stat(
        comm=content[begin + 1 : end],
        state=readable(rest[0]),
        ppid=int(rest[1]),
        flags=int(rest[6]),
        minflt=int(rest[7]),
        majflt=int(rest[9]),
        utime=int(rest[11]),
        stime=int(rest[12]),
        waited=int(rest[13]) + int(rest[14]),
        nice=int(rest[16]),
        threads=int(rest[17]),
        start_ticks=int(rest[19]),
        vsize=int(rest[20]),
        policy=int(rest[38]),
        exec_id=zlib.crc32(b" ".join(rest[23:26])),
        exit_code=int(rest[49]) if len(rest) > 49 else None,
    )


def read_stat(pid: int) -> Stat | None:
    """The stat of the process that has this PID now; None where there is none, or it is not readable."""
    try:
        return parse_stat(read(f"/proc/{pid}/stat", 1024))
    except (OSError, ValueError):
        return None


@dataclass(slots=True, frozen=True)
class Status:
    """Fields of /proc/PID/status; memory in bytes."""

    real_uid: int = 0
    uid: int = 0
    """Effective, as is the next."""
    gid: int = 0
    ns_pid: int = 0
    """The PID in the process's own PID namespace."""
    rss_anon: int = 0
    rss_file: int = 0
    rss_shmem: int = 0
    swap: int = 0
    nvcsw: int = 0
    nivcsw: int = 0


def parse_status(content: bytes) -> Status:
    """Parses one /proc/PID/status; what a kernel thread or a zombie lacks is 0. Raises ValueError.

    Before Linux 4.5 memory is not told apart: all of it counts as anonymous then.
    """
    if b"\nUid:" not in content:
        raise ValueError(
            f"/proc/PID/status of {len(content)} bytes without Uid; the owner's numbers expected"
        )

    def number(key: bytes, index: int = 0) -> int:
        begin = content.find(key)
        if begin < 0:
            return 0
        begin += len(key)
        words = content[begin : content.find(b"\n", begin)].split()
        return int(words[index]) if words else 0

    return Status(
        real_uid=number(b"\nUid:"),
        uid=number(b"\nUid:", 1),
        gid=number(b"\nGid:", 1),
        ns_pid=number(b"\nNSpid:", -1),
        rss_anon=number(b"\nRssAnon:" if b"\nRssAnon:" in content else b"\nVmRSS:") << 10,
        rss_file=number(b"\nRssFile:") << 10,
        rss_shmem=number(b"\nRssShmem:") << 10,
        swap=number(b"\nVmSwap:") << 10,
        nvcsw=number(b"\nvoluntary_ctxt_switches:"),
        nivcsw=number(b"\nnonvoluntary_ctxt_switches:"),
    )


def read_status(pid: int) -> Status | None:
    """The status of the process that has this PID now; None where there is none, or it is not readable."""
    try:
        return parse_status(read(f"/proc/{pid}/status"))
    except (OSError, ValueError):
        return None


def parse_io(content: bytes) -> tuple[int, int]:
    """read_bytes and write_bytes of a /proc/PID/io."""
    found = {}
    for line in content.splitlines():
        key, _, value = line.partition(b": ")
        found[key] = value
    return int(found.get(b"read_bytes", 0)), int(found.get(b"write_bytes", 0))


def parse_cmdline(content: bytes) -> list[bytes]:
    """The arguments of a /proc/PID/cmdline.

    A process that wrote its title over its arguments (setproctitle) leaves one text, padded with NULs or
    spaces or not ended by any; one that wiped them has none.
    """
    # Empty arguments at the end look like such padding; in between they count.
    words = content.rstrip(b"\0").split(b"\0")
    if len(words) == 1:
        words[0] = words[0].rstrip(b" ")
    return words if words != [b""] else []


def parse_cgroup_v2(content: bytes) -> bytes | None:
    """The path in the v2 hierarchy of a /proc/PID/cgroup; None where there is no v2 line."""
    begin = 0 if content.startswith(b"0::") else content.find(b"\n0::") + 1
    if begin == 0 and not content.startswith(b"0::"):
        return None
    end = content.find(b"\n", begin)
    return content[begin + 3 : end if end >= 0 else len(content)].removesuffix(b" (deleted)")


def parse_cgroup(content: bytes) -> str:
    """The path of a /proc/PID/cgroup that says which unit or container the process is in.

    The v2 line, unless the controllers are on v1 (hybrid): then systemd's own hierarchy, or, where that is
    at its root, the longest path of all.
    """
    paths: dict[str, str] = {}
    # By lines of bytes: a path may hold what Unicode takes for the end of a line.
    for line in content.split(b"\n"):
        number, _, rest = line.partition(b":")
        controllers, found, path = rest.partition(b":")
        if found and number.isdigit():
            paths[readable(controllers)] = readable(path.removesuffix(b" (deleted)"))
    for hierarchy in ("", "name=systemd"):
        if paths.get(hierarchy, "/") != "/":
            return paths[hierarchy]
    return max(paths.values(), key=len, default="")


def read_cgroup(pid: int) -> str:
    """The cgroup path of a process, as ``parse_cgroup``; empty where it is not readable."""
    try:
        return parse_cgroup(read(f"/proc/{pid}/cgroup"))
    except OSError:
        return ""
