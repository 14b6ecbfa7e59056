"""Titles: what a process writes over its own arguments while it runs, as postgres, sshd and celery do.

The kernel reports no such writing, so that the arguments are read again of those that ran, within a budget.
"""

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tukur.protocol.messages import Image
from tukur.sources.lookups import Lookups
from tukur.sources.proc import parse_cmdline, read_arguments

READS = 50
"""Command lines read again in a second at most, some 20 µs of CPU each; those due for longest first."""
STEADY_READS = 10
"""Of these about so many are of processes that have never written another one."""
PAUSES_S = (4, 60)
"""Such a process is read again after one second, then two, and so on up to a pause between these, which grows
with the number of processes that run."""
REWRITER_PAUSE_S = 2
"""The same of a process that did write a new one."""

_PACE = ((1, 0), (3, 10), (20, 60))
"""(titles, seconds): with fewer of a life recorded, the next one waits so long after the last."""
_SLOWEST_S = 600

Life = tuple[int, int]
"""(pid, start_ns)"""


def _digest(argv: list[bytes]) -> int:
    return hash(b"\0".join(argv))


def _arguments(pid: int) -> bytes:
    """As they are in its memory now; empty where it has ended."""
    try:
        return read_arguments(f"/proc/{pid}")
    except OSError:
        return b""


@dataclass(slots=True)
class _Title:
    start_ns: int
    digest: int
    due_s: float
    pause_s: int
    rewrites: bool = False


class Titles:
    """Finds the processes whose arguments are no longer what they were."""

    def __init__(self, reader: Callable[[int], bytes] = _arguments) -> None:
        self._lookups: Lookups[Life, bytes] = Lookups(lambda life: reader(life[0]), threads=2)
        self._titles: dict[int, _Title] = {}
        self._longest_s = PAUSES_S[0]
        self._ran: set[int] = set()
        """Those that ran since they were read."""

    def known(self, pid: int, start_ns: int, argv: list[bytes], now_s: float) -> None:
        """These arguments have just been read."""
        self._titles[pid] = _Title(start_ns, _digest(argv), now_s + 1, 1)

    def forget(self, pids: Iterable[int]) -> None:
        """These have ended."""
        for pid in pids:
            self._titles.pop(pid, None)
            self._ran.discard(pid)

    def look(self, ran: Iterable[int], now_s: float) -> None:
        """Begins to read what is due, in the background. `ran`: PIDs of those that ran meanwhile."""
        self._ran.update(ran)
        titles = self._titles
        due = [pid for pid in self._ran if (title := titles.get(pid)) is not None and title.due_s <= now_s]
        self._longest_s = min(max(len(self._ran) // STEADY_READS, PAUSES_S[0]), PAUSES_S[1])
        if len(due) > READS:
            due = heapq.nsmallest(READS, due, key=lambda pid: titles[pid].due_s)
        for pid in due:
            # Not again before it is answered, which one that is stuck may never be.
            titles[pid].due_s = float("inf")
        self._ran.difference_update(due)
        if due:
            self._lookups.ask([(pid, titles[pid].start_ns) for pid in due])

    def changed(self, now_s: float) -> list[tuple[int, list[bytes]]]:
        """The new arguments, by PID, of those that were read since the last time and had others before."""
        found = []
        for (pid, start_ns), content in self._lookups.answers():
            title = self._titles.get(pid)
            if title is None or title.start_ns != start_ns:
                continue
            argv = parse_cmdline(content)
            digest = _digest(argv)
            # None at all: it is ending.
            if content and digest != title.digest:
                title.digest, title.rewrites = digest, True
                found.append((pid, argv))
            title.pause_s = REWRITER_PAUSE_S if title.rewrites else min(2 * title.pause_s, self._longest_s)
            title.due_s = now_s + title.pause_s
        return found

    def slow(self, seconds: float) -> int:
        """How many are being read for longer than so many seconds."""
        return self._lookups.slow(seconds)


@dataclass(slots=True)
class _Paced:
    recorded: int = 0
    recorded_s: float = float("-inf")
    held: Image | None = None
    """The newest, while it may not be recorded yet."""


class Pace:
    """How often a new title or name of one life goes into the record: a bound, whatever the process does."""

    def __init__(self) -> None:
        self._lives: dict[int, _Paced] = {}
        self._held: set[int] = set()

    def hold(self, image: Image) -> None:
        """A new title or name; the one before that was not recorded is dropped."""
        self._lives.setdefault(image.pid, _Paced()).held = image
        self._held.add(image.pid)

    def superseded(self, pid: int) -> None:
        """An image of this process was recorded for another reason, and says its title too."""
        if pid in self._held:
            self._held.discard(pid)
            self._lives[pid].held = None

    def due(self, now_s: float) -> list[Image]:
        """What may be recorded now."""
        found = []
        for pid in sorted(self._held):
            paced = self._lives[pid]
            wait_s = next((wait for below, wait in _PACE if paced.recorded < below), _SLOWEST_S)
            if paced.held is not None and now_s - paced.recorded_s >= wait_s:
                found.append(paced.held)
                self._lives[pid] = _Paced(paced.recorded + 1, now_s)
        self._held.difference_update(image.pid for image in found)
        return found

    def ended(self, pid: int) -> Image | None:
        """Forgets a process; its last title or name, where that is not recorded yet."""
        self._held.discard(pid)
        paced = self._lives.pop(pid, None)
        return None if paced is None else paced.held
