"""The ``bpf`` source: a program in the kernel writes a record for each process."""

import logging
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np

from tukur.records import TASK, Departed, TaskArray, row_bytes, take_rows
from tukur.sources.base import SourceUnavailableError
from tukur.sources.bpf.iterator import Iterator, sorted_rows
from tukur.sources.bpf.lives import LifeEvents
from tukur.sources.bpf.walk import Walk
from tukur.sources.lives.events import parse_events
from tukur.sources.lives.tracker import LifeTracker
from tukur.sources.proc import list_pids
from tukur.sources.procfs.source import ProcfsSource

_NO_TASKS: TaskArray = np.empty(0, dtype=TASK)

log = logging.getLogger(__name__)

_MAX_EXACT_CPUS = 32
"""MAX_EXACT_CPUS of record.h."""


class Form(Protocol):
    """A program in the kernel with what reads it."""

    @property
    def name(self) -> str:
        """walk or iterator."""
        ...

    def read(self, front: TaskArray) -> TaskArray:
        """Every process now that the kernel shows to programs, sorted by pid, behind the rows `front`."""
        ...

    def close(self) -> None:
        """Unloads the program."""
        ...


FORMS: dict[str, Callable[[bytes], Form]] = {"walk": Walk, "iterator": Iterator}
"""Best first, made of the settings of record.h. `walk` needs Linux 6.7, and costs half."""

BLIND_SPOTS = (
    "What others do to a process that sleeps (memory taken back, nice, cgroup) shows within 10 samples.",
)
UNSEEN_LIVES = "A process that lived between two samples is not seen: {why}."
HIDDEN = "This kernel hides from eBPF what these PIDs are: {numbers}. It is read from /proc."
COUNTER_SLACK = "Memory of one process may be off by some hundred KiB for each CPU: {why}."


def parse_cpu_list(text: str) -> int:
    """How many CPUs a list such as ``0-3`` names where it has no gaps and begins at 0; else 0."""
    first, _, last = text.strip().partition("-")
    if first != "0" or not (last or "0").isdecimal():
        return 0
    return int(last or "0") + 1


def symbol_address(kallsyms: str, name: str) -> int | None:
    """The address of a symbol in a /proc/kallsyms; 0 where it is hidden from us, None: not there."""
    end = kallsyms.find(f" {name}\n")
    if end < 0:
        return None
    begin = kallsyms.rfind("\n", 0, end) + 1
    return int(kallsyms[begin:end].split(maxsplit=1)[0], 16)


class BpfSource:
    """Reads all tasks in one pass over the kernel's table, in nanoseconds and without /proc."""

    name = "bpf"

    def __init__(self, form: str | None = None) -> None:
        """`form`: one of FORMS; None: the best that this kernel takes. Raises SourceUnavailableError."""
        exact, why = _exact_cpus()
        self.blind_spots: tuple[str, ...] = BLIND_SPOTS
        if why:
            self.blind_spots += (COUNTER_SLACK.format(why=why),)
        self._rest: ProcfsSource | None = None
        page_shift = os.sysconf("SC_PAGE_SIZE").bit_length() - 1
        self.settings = struct.pack("=II", page_shift, exact)
        """Those of record.h."""
        self._form = _load(form, self.settings)
        self._tracker = LifeTracker()
        self._lives: LifeEvents | None = None
        try:
            self._lives = LifeEvents(page_shift)
        except SourceUnavailableError as error:
            self.blind_spots += (UNSEEN_LIVES.format(why=error),)
        hidden = self._hidden()
        if hidden:
            self._rest = ProcfsSource(hidden)
            numbers = ", ".join(map(str, sorted(hidden)))
            self.blind_spots += (HIDDEN.format(numbers=numbers),)

    @property
    def form(self) -> str:
        """Which of FORMS is at work."""
        return self._form.name

    def read(self) -> TaskArray:
        """Every process now; see Source. Raises OSError where the kernel fails."""
        if self._rest is None:
            return self._form.read(_NO_TASKS)
        rest = self._rest.read()
        if len(rest) == 1 and rest["pid"][0] == 1:
            return self._form.read(rest)
        tasks = self._form.read(_NO_TASKS)
        # A number of theirs may be an ordinary process's by now.
        rest = take_rows(rest, ~np.isin(rest["pid"], tasks["pid"]))
        return sorted_rows(np.concatenate([row_bytes(rest), row_bytes(tasks)]).view(TASK), "pid")

    def collect(self) -> None:
        """Reads the ring; see Source. Raises OSError where the kernel fails."""
        if self._lives is not None:
            self._tracker.feed(parse_events(self._lives.read()))

    def departed(self, living: TaskArray) -> Departed:
        """What ended meanwhile; see Source. Raises OSError where the kernel fails."""
        self.collect()
        return self._tracker.departed(living)

    def close(self) -> None:
        """Unloads the program."""
        self._form.close()
        if self._lives is not None:
            self._lives.close()
        if self._rest is not None:
            self._rest.close()

    def _hidden(self) -> frozenset[int]:
        """Processes that the kernel shows in /proc, but not to eBPF: some sandboxes guard their first one."""
        before = _listed()
        seen = set(self.read()["pid"].tolist())
        # What began or ended meanwhile is not hidden.
        return frozenset((before & _listed()) - seen)


def _load(name: str | None, settings: bytes) -> Form:
    """The form of that name, or the best that the kernel takes. Raises SourceUnavailableError."""
    if name is not None:
        return FORMS[name](settings)
    try:
        return Walk(settings)
    except SourceUnavailableError as error:
        # Before Linux 6.7 it has not what that calls.
        log.info("the kernel does not take the program that walks over all tasks itself: %s", error)
        return Iterator(settings)


def _listed() -> set[int]:
    """The PIDs in /proc; none where that /proc is not of this PID namespace."""
    try:
        if Path("/proc/self").readlink().name != str(os.getpid()):
            return set()
        return list_pids()
    except OSError:
        return set()


def _exact_cpus() -> tuple[int, str]:
    """CPUs whose held-back memory counts are added, and why none are (empty: they are)."""
    try:
        cpus = parse_cpu_list(Path("/sys/devices/system/cpu/possible").read_text())
        symbols = Path("/proc/kallsyms").read_text()
    except OSError:
        return 0, "the list of CPUs or of kernel symbols is not readable"
    address = symbol_address(symbols, "__per_cpu_offset")
    if address is None:
        return 0, "this kernel's table of symbols has no data (CONFIG_KALLSYMS_ALL)"
    if address == 0:
        return 0, "kernel addresses are hidden from this user (CAP_SYSLOG shows them)"
    if not 0 < cpus <= _MAX_EXACT_CPUS:
        return 0, f"the machine has more than {_MAX_EXACT_CPUS} CPUs"
    return cpus, ""
