"""The files of /proc/PID: reading one and parsing what was read are two functions; see proc(5).

Parsers are pure and take bytes. Readers raise OSError unless they say otherwise.
"""

import contextlib
import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from tukur.records import comm_text
from tukur.sources import boot_clock
from tukur.text import readable

CLOCK_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
"""The unit of times in /proc/PID/stat and /proc/stat, nanoseconds."""

_U64 = 1 << 64
_MORE = 1 << 20
_PF_KTHREAD = 0x00200000
_VM_SIZE = b"\nVmSize:"
"""A line of /proc/PID/status that every task with memory has: no kernel thread, none that has ended."""
ARGUMENTS_SIZE = 65536
"""So much of a command line is read: it may have megabytes, of which nobody would read more."""


def start_tick(start_ns: int) -> int:
    """The clock tick that /proc gives here for a start by the machine's clock."""
    return (start_ns + boot_clock.ahead_ns()) % _U64 // CLOCK_TICK_NS


def is_exact(start_ns: int) -> bool:
    """Whether a start is known to the nanosecond, and not as a clock tick only."""
    return (start_ns + boot_clock.ahead_ns()) % _U64 % CLOCK_TICK_NS != 0


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


def read_arguments(folder: str) -> bytes:
    """The beginning of cmdline in /proc/PID, or of a thread; hangs while something holds the mmap_lock."""
    fd = os.open(f"{folder}/cmdline", os.O_RDONLY | os.O_CLOEXEC)
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
    """starttime: clock ticks since boot, by the clock of this program's time namespace."""
    vsize: int
    policy: int
    exec_id: int
    """Of where exec put code and stack: another program, or another run of one, is elsewhere."""
    exit_code: int | None
    """As wait(2) gives it, of a zombie; None before Linux 3.5. 0 where this user may not know it."""
    main_ended: bool = False
    """Whether the main thread has ended and others were there: it has no memory then, nor an identity."""

    @property
    def name(self) -> str:
        """comm as text."""
        return comm_text(self.comm)

    @property
    def start_ns(self) -> int:
        """When the process started by the machine's clock, as exactly as clock ticks have it."""
        shown = self.start_ticks * CLOCK_TICK_NS
        if shown >= _U64 >> 1:
            # Before the time 0 of this program's time namespace: the kernel's sum has no sign.
            shown -= _U64
        return max(shown - boot_clock.ahead_ns(), 0)

    @property
    def kthread(self) -> bool:
        """Whether it is a kernel thread."""
        return bool(self.flags & _PF_KTHREAD)

    @property
    def ended(self) -> bool:
        """Whether no thread of the process lives any more: a zombie, which waits for its parent."""
        return self.state in "ZX"


def parse_stat(content: bytes) -> Stat:
    """Parses one /proc/PID/stat. Raises ValueError where it is not one.

    The name may hold spaces, parentheses and newlines: it goes to the last parenthesis.
    """
    begin, end = content.find(b"("), content.rfind(b")")
    rest = content[end + 2 :].split()
    if begin < 0 or len(rest) < 39:
        raise ValueError(f"/proc/PID/stat with {len(rest)} fields after the name; 39 or more expected")
    threads, vsize = int(rest[17]), int(rest[20])
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
        threads=threads,
        start_ticks=int(rest[19]),
        vsize=vsize,
        policy=int(rest[38]),
        exec_id=zlib.crc32(b" ".join(rest[23:26])),
        exit_code=int(rest[49]) if len(rest) > 49 else None,
        main_ended=vsize == 0 and threads > 1,
    )


def read_stat(pid: int) -> Stat | None:
    """The stat of the process that has this PID now; None where there is none, or it is not readable.

    Where its main thread has ended, as ``of_live_thread`` has it.
    """
    try:
        stat = parse_stat(read(f"/proc/{pid}/stat", 1024))
        return of_live_thread(pid, stat) if stat.main_ended else stat
    except (OSError, ValueError):
        return None


def live_threads(pid: int) -> Iterator[tuple[str, Stat]]:
    """The threads of a process that have not ended: their folders and stats, in the order of /proc/PID/task.

    That is the kernel's list of them, the main thread first. Raises OSError where the process is gone.
    """
    with os.scandir(f"/proc/{pid}/task") as threads:
        for thread in threads:
            try:
                stat = parse_stat(read(f"{thread.path}/stat", 1024))
            except (OSError, ValueError):
                continue
            if stat.vsize:
                yield thread.path, stat


def of_live_thread(pid: int, main: Stat) -> Stat:
    """What a process does whose main thread has ended: state, priority and program of its first live thread.

    Unchanged where none lives any more. Raises OSError where the process is gone.
    """
    for _, thread in live_threads(pid):
        return replace(
            main,
            state=thread.state,
            nice=thread.nice,
            # The kernel counts the main thread for as long as the process is there.
            threads=main.threads - 1,
            vsize=thread.vsize,
            policy=thread.policy,
            exec_id=thread.exec_id,
        )
    return main


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
    """The status of the process that has this PID now; None where there is none, or it is not readable.

    Where its main thread has ended, as ``status_of_live_thread`` has it.
    """
    try:
        content = read(f"/proc/{pid}/status")
        main = parse_status(content)
        if _VM_SIZE in content or b"\nThreads:\t1\n" in content:
            return main
        return status_of_live_thread(pid, main)
    except (OSError, ValueError):
        return None


def status_of_live_thread(pid: int, main: Status) -> Status:
    """Owner and memory of a process whose main thread has ended; context switches stay the main thread's.

    Raises OSError where the process is gone.
    """
    for folder, _ in live_threads(pid):
        try:
            content = read(f"{folder}/status")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if _VM_SIZE in content:
            thread = parse_status(content)
            return replace(thread, ns_pid=main.ns_pid, nvcsw=main.nvcsw, nivcsw=main.nivcsw)
    return main


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


def read_cgroup_file(pid: int, *, main_ended: bool) -> bytes:
    """The /proc/PID/cgroup of a process. Raises OSError.

    `main_ended`: as in ``Stat``. Such a thread is at the root of a v1 hierarchy; in v2 it stays where it was.
    """
    for folder, _ in live_threads(pid) if main_ended else ():
        # One that ends meanwhile has none.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            return read(f"{folder}/cgroup")
    return read(f"/proc/{pid}/cgroup")


def read_cgroup(pid: int, *, main_ended: bool = False) -> str:
    """The cgroup path of a process, as ``parse_cgroup``; empty where it is not readable."""
    try:
        return parse_cgroup(read_cgroup_file(pid, main_ended=main_ended))
    except OSError:
        return ""
