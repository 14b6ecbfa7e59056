"""Processes killed by the kernel's OOM killer, from its log (/dev/kmsg).

The kernel says so in up to four lines (mm/oom_kill.c and mm/memcontrol.c, alike from 5.15 to 6.18)::

    python invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0
    oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,
        oom_memcg=/a,task_memcg=/a/b,task=python,pid=123,uid=0
    Tasks in /a/b are going to be killed due to memory.oom.group set
    Memory cgroup out of memory: Killed process 123 (python) total-vm:35224kB, anon-rss:24296kB,
        file-rss:4404kB, shmem-rss:0kB, UID:0 pgtables:104kB oom_score_adj:1000

Only the last one is always there: the first two are rate-limited (ten in five seconds). Names and cgroup
paths are whatever somebody chose, so what stands between them is looked for from the sides that nobody
chooses.
"""

import errno
import os
import re
import time
from dataclasses import dataclass, field, replace

from tukur.sources import boot_clock
from tukur.text import readable

KMSG = "/dev/kmsg"
_RECORD_BYTES = 8192
"""No record is longer: PRINTK_MESSAGE_MAX is 2,048."""
_AT_ONCE = 20_000
"""Records in one reading: a program that floods the log must not hold up the sample."""
_GROUP_US = 1_000_000
"""Kills within this time of the line that announces a group belong to it: the kernel does them in one go."""


@dataclass(frozen=True, slots=True)
class Kill:
    """A process that was killed by the OOM killer."""

    at_ns: int
    """When, CLOCK_BOOTTIME; see :meth:`OomReader.read` for how exact."""
    at_wall_ns: int
    pid: int
    """In the first PID namespace."""
    name: str
    """comm."""
    uid: int
    constraint: str
    """``none`` (the machine), ``memcg`` (a cgroup's limit), ``cpuset``, ``memory_policy``; empty: unknown."""
    memcg: str
    """The cgroup whose limit was reached, a path in the hierarchy that has the memory controller."""
    task_memcg: str
    """The victim's cgroup."""
    trigger: str
    """Name of the process whose allocation failed; empty: not known."""
    rss: int
    """Bytes resident: anonymous, of files and shared."""
    text: str
    """The kernel's own line."""


@dataclass(frozen=True, slots=True)
class Line:
    """One record of the log."""

    seq: int
    at_us: int
    """local_clock(): since boot, without the time suspended."""
    text: str
    """As the kernel escaped it: printable ASCII, the rest as ``\\xNN``."""


def parse_record(record: bytes) -> Line | None:
    """One record of /dev/kmsg; None: it is not the kernel's own, or no record.

    What a program wrote to /dev/kmsg has the facility that it chose, never 0: it cannot report kills.
    """
    head, semicolon, body = record.partition(b";")
    fields = head.split(b",")
    if not semicolon or len(fields) < 3 or not all(part.isdigit() for part in fields[:3]):
        return None
    priority, seq, at_us = (int(part[:20]) for part in fields[:3])
    if priority >> 3:
        return None
    return Line(seq, at_us, readable(body.partition(b"\n")[0]))


_INVOKED = re.compile(r"(?P<name>.{0,64}) invoked oom-killer: gfp_mask=0x[0-9a-f]+\(.*\), .*order=-?\d+, .*")
_SUMMARY = re.compile(r"oom-kill:constraint=CONSTRAINT_(?P<constraint>[A-Z_]+),(?P<rest>.*)")
_GROUP = re.compile(r"Tasks in (?P<memcg>.*) are going to be killed due to memory\.oom\.group set")
_KILLED = re.compile(
    r"(?P<message>Out of memory|Memory cgroup out of memory|Out of memory \(oom_kill_allocating_task\)): "
    # Greedy, and of a form that comm's 15 bytes cannot hold: a process may be called ") total-vm:".
    r"Killed process (?P<pid>\d{1,10}) \((?P<name>.*)\) total-vm:\d+kB, anon-rss:(?P<anon>\d{1,16})kB, "
    r"file-rss:(?P<file>\d{1,16})kB(?:, shmem-rss:(?P<shmem>\d{1,16})kB)?"
    r"(?:, UID:(?P<uid>\d{1,10}) pgtables:\d+kB oom_score_adj:-?\d+)?"
)
_ESCAPED = re.compile(rb"\\x([0-9a-f]{2})")
_TAIL = re.compile(r",pid=(?P<pid>\d{1,10}),uid=(?P<uid>\d{1,10})")


def unescape(text: str) -> str:
    """What the kernel meant: its log escapes all but printable ASCII, the backslash too."""
    raw = _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), text.encode("ascii", "replace"))
    return readable(raw)


@dataclass(frozen=True, slots=True)
class Why:
    """What the lines before a kill say of it."""

    constraint: str = ""
    memcg: str = ""
    task_memcg: str = ""


def parse_summary(text: str, pid: int, name: str) -> Why | None:
    """The ``oom-kill:`` line of the victim `pid` whose name is `name`, as escaped; None: it is another's."""
    found = _SUMMARY.fullmatch(text)
    if not found:
        return None
    # From the end: the name is known, and pid and uid are numbers.
    rest, tail = found["rest"], text[text.rfind(",pid=") :]
    ending = _TAIL.fullmatch(tail)
    if not ending or int(ending["pid"]) != pid or not rest.endswith(f",task={name}{tail}"):
        return None
    rest = rest.removesuffix(f",task={name}{tail}")
    oom_memcg, task_memcg = _memcgs(rest)
    return Why(found["constraint"].lower(), unescape(oom_memcg), unescape(task_memcg))


def _memcgs(rest: str) -> tuple[str, str]:
    """The cgroup at its limit and the victim's, which is the same or below it."""
    _, found, oom = rest.partition(",oom_memcg=")
    if not found:
        return "", rest.partition(",task_memcg=")[2]
    mark = ",task_memcg="
    offset = oom.find(mark)
    while offset >= 0:
        limit, victim = oom[:offset], oom[offset + len(mark) :]
        if limit in ("/", victim) or victim.startswith(f"{limit}/"):
            return limit, victim
        offset = oom.find(mark, offset + 1)
    return "", ""


@dataclass(slots=True)
class KillParser:
    """Puts lines together; keeps what the lines of a kill to come will need. Pure."""

    _trigger: str = ""
    _summary: str = ""
    _why: Why = field(default_factory=Why)
    """Of the kill before: it may have been the first of a group."""
    _first: int = 0
    """Its PID: the kernel lists the first of a group again among its members."""
    _group: tuple[int, Why] | None = None
    """(until which at_us, why) kills are a group's."""

    def add(self, line: Line) -> Kill | None:
        """The kill that this line reports, with times as in the log; None: it reports none."""
        text = line.text
        if text.startswith("oom-kill:constraint="):
            self._summary, self._group = text, None
        elif found := _INVOKED.fullmatch(text):
            self._trigger, self._summary, self._group = found["name"], "", None
        elif found := _GROUP.fullmatch(text):
            self._group = (line.at_us + _GROUP_US, replace(self._why, task_memcg=unescape(found["memcg"])))
        elif "Killed process" in text and (found := _KILLED.fullmatch(text)):
            return self._killed(line, found)
        return None

    def _killed(self, line: Line, found: re.Match[str]) -> Kill | None:
        pid, name = int(found["pid"]), found["name"]
        if self._group is not None and line.at_us > self._group[0]:
            self._group = None
        why = parse_summary(self._summary, pid, name)
        if why is None and self._group is not None:
            if pid == self._first:
                return None
            why = self._group[1]
        elif why is None:
            # The lines before it fell to the rate limit: what is known is of an earlier kill.
            why = Why("memcg" if found["message"].startswith("Memory cgroup") else "")
            self._trigger = ""
        if self._group is None:
            self._first = pid
        self._why, self._summary = why, ""
        kilobytes = sum(int(found[part] or 0) for part in ("anon", "file", "shmem"))
        return Kill(
            at_ns=line.at_us * 1000,
            at_wall_ns=0,
            pid=pid,
            name=unescape(name),
            uid=int(found["uid"] or 0),
            constraint=why.constraint,
            memcg=why.memcg,
            task_memcg=why.task_memcg,
            trigger=unescape(self._trigger),
            rss=kilobytes * 1024,
            text=line.text,
        )


class OomReader:
    """Follows the kernel's log from now on. Not thread-safe; one owner."""

    def __init__(self, path: str = KMSG) -> None:
        self.blind_spot = ""
        """A sentence for the page where kills cannot be reported; empty: they are."""
        self.overwritten = 0
        """Records that the kernel wrote over before they were read: a kill may be among them."""
        self._parser = KillParser()
        self._seq: int | None = None
        self._fd = -1
        self._read_ns = boot_clock.now_ns()
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            os.lseek(self._fd, 0, os.SEEK_END)
        except OSError as error:
            self._fail(error)

    def read(self) -> list[Kill]:
        """The kills since the call before. Never raises: where the log fails, ``blind_spot`` says so.

        The log's clock (local_clock) stands still while the machine is suspended, as CLOCK_MONOTONIC does,
        but is not steered by NTP: the two drift apart by up to 500 ppm. So a time is put right by the
        suspended time, and then held between the call before and now: with a call each second it is at most
        a second off.
        """
        found = [kill for line in self._lines() if (kill := self._parser.add(line)) is not None]
        boot_ns, wall_ns = boot_clock.now_ns(), time.time_ns()
        suspended_ns = boot_clock.suspended_ns()
        kills = []
        for kill in found:
            at_ns = min(max(kill.at_ns + suspended_ns, self._read_ns), boot_ns)
            kills.append(replace(kill, at_ns=at_ns, at_wall_ns=wall_ns - (boot_ns - at_ns)))
        self._read_ns = boot_ns
        return kills

    def close(self) -> None:
        """Gives the log free."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _lines(self) -> list[Line]:
        lines: list[Line] = []
        for _ in range(_AT_ONCE):
            if self._fd < 0:
                break
            try:
                record = os.read(self._fd, _RECORD_BYTES)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno == errno.EPIPE:
                    # Written over; the next reading begins at the oldest that is there, and counts.
                    continue
                self._fail(error)
                break
            if not record:
                break
            self._count(record)
            line = parse_record(record)
            if line is not None:
                lines.append(line)
        return lines

    def _count(self, record: bytes) -> None:
        number = record.split(b",", 2)[1:2]
        if not number or not number[0].isdigit():
            return
        seq = int(number[0][:20])
        if self._seq is not None and seq > self._seq + 1:
            self.overwritten += seq - self._seq - 1
        self._seq = seq

    def _fail(self, error: OSError) -> None:
        self.close()
        needed = "; CAP_SYSLOG is needed" if error.errno in (errno.EPERM, errno.EACCES) else ""
        self.blind_spot = (
            f"Kills by the OOM killer are not reported: {KMSG} cannot be read ({error.strerror}{needed})."
        )
