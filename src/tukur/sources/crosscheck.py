"""Compares what sources say of the same processes, for ``tukur doctor --cross-check`` and the tests.

A process goes on while the sources are read one after the other. So each is read again and again in turn:
what the second says must lie between what the first said before and after. Pure, but for take().
"""

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tukur.records import KTHREAD, TASK, TaskArray, comm_text, take_rows
from tukur.sources.base import Source

TICK_NS = 10_000_000
"""What /proc counts CPU time and starts in."""
_WORST = 3
_LAG = 10
"""Readings by which some fields of some sources may be late; see their blind spots."""
MIN_READINGS = 2 * _LAG + 3
"""Before and after a reading of which every field can be judged, where both sources may be late."""

Kind = Literal["same", "counter", "level", "flicker", "part", "name"]
"""What a field does between two readings of the first source, and so what the second may say:

- same: it changes seldom: one of the values that the first said;
- counter: it only grows: not less than before, not more than after;
- level: it goes up and down: between those, or anything while the process was running in between;
- flicker: as `same`, or anything while the process was running in between;
- part: the second source sees a part of it: not more than after;
- name: as `same`; a kernel thread's may go on where the first source's ends.
"""


@dataclass(frozen=True, slots=True)
class Rule:
    """How one field is compared."""

    field: str
    kind: Kind
    slack: int = 0
    """By how much a value may lie outside, in the field's unit."""
    sampled: bool = False
    """Whether ticks share out the CPU time: then the slack grows with the root of their number."""
    unknown: int | None = None
    """The value by which the second source says that it does not know."""
    of_kthreads: bool = False
    """Whether `unknown` is said of kernel threads alone."""
    why: str = ""
    """Of the kind where it is not plain, and of the slack."""


NOT_COMPARED = {
    "exec_id": "opaque, of one source",
    "pad0": "always zero",
}
_MASKS = {"flags": KTHREAD}
_LATE = {
    "procfs": frozenset(
        [
            *("rss_anon", "rss_file", "rss_shmem", "swap", "read_bytes", "write_bytes", "nvcsw", "nivcsw"),
            *("cgroup_id", "uid", "gid", "ns_pid", "oom_score_adj"),
        ]
    ),
    "bpf": frozenset(
        ["rss_anon", "rss_file", "rss_shmem", "swap", "nice", "policy", "oom_score_adj", "cgroup_id"]
    ),
    "module": frozenset[str](),
}
"""Fields that a source may report up to _LAG readings late for a sleeping process."""
_SUMMED = frozenset(
    [
        *("cpu_ns", "utime_ns", "stime_ns", "minflt", "majflt"),
        *("read_bytes", "write_bytes", "nvcsw", "nivcsw"),
    ]
)
"""Added up over threads: one that ends during a reading is missed there, or counted twice."""
_BRIEF = frozenset(["state"])
"""May last so short that the scheduler counts no time for it: seen by one source, and by no other."""
_RACED = 500
"""Of so many values of such a field one may be off. A source that is wrong is wrong about far more."""
_SPLIT = "ticks sample the mode; who began to read when decides what may not go back"


def rules_for(first: str, second: str, cpus: int) -> tuple[Rule, ...]:
    """The rules for two sources, by their names, on a machine of so many CPUs: one for each field."""
    plain = "procfs" in (first, second)
    # percpu_counter_batch pages for each CPU are not yet in the sum that /proc reads.
    held_back = cpus * max(32, 2 * cpus) * 4096
    memory = Rule("", "level", held_back, why="each CPU holds back some pages of the count")
    cpu_slack = 3 * TICK_NS if plain else TICK_NS
    rules = [
        Rule(
            "start_ns", "same", TICK_NS if plain else 0, why="/proc counts starts in ticks" if plain else ""
        ),
        Rule("cpu_ns", "counter", cpu_slack, why="a running process's time counts at each tick"),
        Rule("utime_ns", "counter", 8 * TICK_NS, sampled=True, why=_SPLIT),
        Rule("stime_ns", "counter", 8 * TICK_NS, sampled=True, why=_SPLIT),
        *(Rule(name, "level", memory.slack, why=memory.why) for name in _MEMORY),
        Rule("vsz", "level"),
        *(Rule(name, "counter") for name in ("minflt", "majflt")),
        *(_storage(name, plain=plain) for name in ("read_bytes", "write_bytes")),
        *(_switches(name, plain=plain) for name in ("nvcsw", "nivcsw")),
        Rule("cgroup_id", "same", unknown=0 if plain else None, why="/proc has a path that may be gone"),
        *(Rule(name, "same") for name in ("pid", "ppid", "uid", "gid", "ns_pid")),
        Rule("threads", "level"),
        Rule("flags", "same", why="kernel thread or not; the others are of one source"),
        *(Rule(name, "same") for name in ("nice", "oom_score_adj")),
        Rule("state", "flicker"),
        Rule("policy", "same"),
        Rule("comm", "name", why="/proc adds to a kernel worker's name what it works on" if plain else ""),
    ]
    return tuple(rules)


_MEMORY = ("rss_anon", "rss_file", "rss_shmem", "swap")


def _storage(name: str, *, plain: bool) -> Rule:
    if plain:
        return Rule(name, "counter", unknown=0, of_kthreads=True, why="procfs reads no kernel thread's")
    return Rule(name, "counter")


def _switches(name: str, *, plain: bool) -> Rule:
    if plain:
        return Rule(name, "part", why="/proc counts the main thread's only")
    return Rule(name, "counter")


@dataclass(frozen=True, slots=True)
class Offender:
    """A value that no rule allows."""

    pid: int
    name: str
    found: str
    """What the second source said."""
    expected: str
    """What the first one said before and after."""


@dataclass(slots=True)
class Agreement:
    """How two sources agree about one field."""

    field: str
    compared: int = 0
    equal: int = 0
    within: int = 0
    """Not equal, but as the rule allows."""
    moved: int = 0
    """Not to be judged: it changed meanwhile, or one of them does not know it."""
    off: int = 0
    agrees: bool = True
    """Nothing is off, or so little as a race leaves that no source can win."""
    why: str = ""
    """Of the tolerance."""
    worst: list[Offender] = dataclasses.field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of two sources' readings."""

    first: str
    second: str
    readings: int
    processes: int
    """In the last reading of both."""
    fields: list[Agreement]

    @property
    def agree(self) -> bool:
        """Whether they agree about every field."""
        return all(agreement.agrees for agreement in self.fields)


def take(
    sources: Sequence[Source],
    seconds: float,
    pause_s: float = 0.2,
    sleep: Callable[[float], None] = time.sleep,
) -> list[list[TaskArray]]:
    """Reads all of them in turn for so long; the readings of each. Raises OSError.

    As often at least as it takes to judge what comes late.
    """
    readings: list[list[TaskArray]] = [[] for _ in sources]
    until = time.monotonic() + seconds
    while len(readings[0]) < MIN_READINGS or time.monotonic() < until:
        for source, tables in zip(sources, readings, strict=True):
            tables.append(source.read().copy())
        sleep(pause_s)
    return readings


def compare_all(names: Sequence[str], readings: Sequence[Sequence[TaskArray]], cpus: int) -> list[Comparison]:
    """Every source with every one behind it; `names`: best first."""
    return [
        compare_readings(names[one], names[other], readings[one], readings[other], cpus)
        for one in range(len(names))
        for other in range(one + 1, len(names))
    ]


def compare_readings(
    first: str, second: str, firsts: Sequence[TaskArray], seconds: Sequence[TaskArray], cpus: int
) -> Comparison:
    """Compares two sources; reading `k` of the second happened between `k` and `k + 1` of the first."""
    rules = rules_for(first, second, cpus)
    presence = Agreement("(presence)", why="who is there before and after is there in between")
    agreements = [Agreement(rule.field, why=rule.why) for rule in rules]
    rounds = min(len(firsts) - 1, len(seconds))
    both = 0
    for number in range(rounds):
        one = _Round(firsts, number, seconds[number])
        one.judge_presence(presence)
        both = len(one.middle)
        for rule, agreement in zip(rules, agreements, strict=True):
            begin = number - (_LAG if rule.field in _LATE[second] else 0)
            end = number + 2 + (_LAG if rule.field in _LATE[first] else 0)
            one.judge(rule, agreement, begin, end)
    for agreement in (presence, *agreements):
        rare = agreement.off * _RACED <= agreement.compared
        agreement.agrees = agreement.off == 0 or (agreement.field in _SUMMED | _BRIEF and rare)
    return Comparison(first, second, rounds, both, [presence, *agreements])


class _Round:
    """One reading of the second source, among the readings of the first."""

    def __init__(self, firsts: Sequence[TaskArray], number: int, table: TaskArray) -> None:
        self._firsts = firsts
        self._number = number
        self._table = table
        before, after = firsts[number], firsts[number + 1]
        self.middle: TaskArray = take_rows(table, _find(before, table)[1] & _find(after, table)[1])
        """The second source's rows of the processes that were there before and after."""
        self._places: dict[int, tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]] = {}

    def judge_presence(self, presence: Agreement) -> None:
        """Whether it has everybody."""
        before, after = self._firsts[self._number], self._firsts[self._number + 1]
        stayed = take_rows(before, _find(after, before)[1])
        lacking = take_rows(stayed, ~_find(self._table, stayed)[1])
        presence.compared += len(stayed)
        presence.equal += len(stayed) - len(lacking)
        presence.off += len(lacking)
        for row in lacking[: max(0, _WORST - len(presence.worst))]:
            name = comm_text(bytes(row["comm"]))
            presence.worst.append(Offender(int(row["pid"]), name, "not there", "there"))

    def judge(self, rule: Rule, agreement: Agreement, begin: int, end: int) -> None:
        """Adds what a rule says of it; `begin`, `end`: which readings of the first source count."""
        window = range(max(begin, 0), min(end, len(self._firsts)))
        found = _column(self.middle, rule.field)
        equal, low, high = self._bounds(rule.field, found, window)
        if rule.kind == "name":
            fine = equal | (self._goes_on(found) if rule.why else False)
        else:
            fine = equal | _allowed(rule, found, low, high, self.middle)
        if begin < 0 or end > len(self._firsts):
            # A late value cannot be distinguished from a wrong one.
            excused = ~fine
        else:
            excused = ~fine & self._excused(rule, found, low != high, window)
        if rule.sampled:
            # A kernel thread that no tick ever found running has all its time as the user's, by the kernel's
            # own rule, for a source that read it before the first tick, and as the system's for one that read
            # it later.
            excused |= ~fine & ((self.middle["flags"] & KTHREAD) != 0)
        off = ~fine & ~excused
        agreement.compared += len(found)
        agreement.equal += int(np.count_nonzero(equal))
        agreement.within += int(np.count_nonzero(fine & ~equal))
        agreement.moved += int(np.count_nonzero(excused))
        agreement.off += int(np.count_nonzero(off))
        self._add_worst(rule, agreement, (found, low, high), off)

    def _values(self, name: str, number: int) -> tuple[Any, npt.NDArray[np.bool_]]:
        """What reading `number` of the first source has for these processes, and whether it has them."""
        table = self._firsts[number]
        if number not in self._places:
            self._places[number] = _find(table, self.middle)
        index, known = self._places[number]
        return _column(table, name)[index], known

    def _bounds(self, name: str, found: Any, window: range) -> tuple[Any, Any, Any]:
        """Whether a value was said so by any reading of the window, the least and the greatest of these."""
        low = high = self._values(name, self._number)[0]
        equal = np.zeros(len(found), dtype=bool)
        for number in window:
            values, known = self._values(name, number)
            equal |= known & (values == found)
            low = np.where(known & (values < low), values, low)
            high = np.where(known & (values > high), values, high)
        return equal, low, high

    def _goes_on(self, found: Any) -> Any:
        """Which names of kernel threads begin with what the first source said."""
        said, _ = self._values("comm", self._number)
        return (self.middle["flags"] & KTHREAD).astype(bool) & np.strings.startswith(found, said)

    def _excused(self, rule: Rule, found: Any, changed: Any, window: range) -> Any:
        """Which values cannot be judged."""
        excused = np.zeros(len(found), dtype=bool)
        if rule.kind in ("same", "name", "flicker", "level"):
            excused |= changed
        if rule.unknown is not None:
            concerned = (self.middle["flags"] & KTHREAD).astype(bool) | (not rule.of_kthreads)
            excused |= concerned & (found == rule.unknown)
        if rule.kind in ("level", "flicker"):
            excused |= self._ran(window)
        return excused

    def _ran(self, window: range) -> npt.NDArray[np.bool_]:
        """Which of them ran meanwhile."""
        ran: npt.NDArray[np.bool_] = self.middle["state"] == ord("R")
        for name in ("cpu_ns", "nvcsw", "nivcsw", "minflt"):
            base, _ = self._values(name, self._number)
            for number in window:
                values, known = self._values(name, number)
                ran = ran | (known & (values != base))
        return ran

    def _add_worst(self, rule: Rule, agreement: Agreement, values: Any, off: Any) -> None:
        found, low, high = values
        for row in np.flatnonzero(off)[: max(0, _WORST - len(agreement.worst))]:
            expected = _text(rule, low[row])
            if low[row] != high[row]:
                expected += f" to {_text(rule, high[row])}"
            name = comm_text(bytes(self.middle["comm"][row]))
            pid = int(self.middle["pid"][row])
            agreement.worst.append(Offender(pid, name, _text(rule, found[row]), expected))


def _find(table: TaskArray, rows: TaskArray) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """For each of the rows where in the table its life stands (or any place), and whether it does."""
    if not len(table):
        return np.zeros(len(rows), dtype=np.int64), np.zeros(len(rows), dtype=bool)
    index = np.minimum(np.searchsorted(table["pid"], rows["pid"]), len(table) - 1)
    apart = np.abs(table["start_ns"][index].astype(np.int64) - rows["start_ns"].astype(np.int64))
    return index, (table["pid"][index] == rows["pid"]) & (apart <= TICK_NS)


def _column(table: TaskArray, name: str) -> Any:
    """A field as numbers that can be subtracted; a name as the bytes that it is."""
    if TASK[name].kind == "S":
        return np.ascontiguousarray(table[name])
    values = table[name].astype(np.int64)
    return values & _MASKS[name] if name in _MASKS else values


def _allowed(rule: Rule, found: Any, low: Any, high: Any, middle: TaskArray) -> Any:
    """Which values the rule's slack allows."""
    if rule.kind == "flicker":
        return np.zeros(len(middle), dtype=bool)
    slack = np.full(len(middle), rule.slack, dtype=np.int64)
    if rule.sampled:
        ticks = middle["cpu_ns"].astype(np.float64) / TICK_NS
        slack += (8 * np.sqrt(ticks) * TICK_NS).astype(np.int64)
    if rule.kind == "part":
        return found <= high + slack
    if rule.kind == "same":
        return (np.abs(found - low) <= slack) | (np.abs(found - high) <= slack)
    return (found >= low - slack) & (found <= high + slack)


def _text(rule: Rule, value: Any) -> str:
    if rule.field == "comm":
        return comm_text(bytes(value))
    return chr(int(value)) if rule.field == "state" else str(int(value))
