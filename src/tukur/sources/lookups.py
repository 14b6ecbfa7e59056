"""Calls that may hang, made in threads of their own: to a directory service, to a process that is stuck."""

import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

STUCK_S = 0.1
"""A call that takes longer no longer keeps the next ones waiting: another thread makes them."""


class Lookups(Generic[K, V]):
    """Makes one kind of call for many keys, never in the caller's thread.

    One thread makes one call after the other; while one hangs, others take over, up to `threads` in all. The
    threads end when there is nothing to ask, and none of them keeps the program from ending.
    """

    def __init__(self, call: Callable[[K], V], threads: int = 4, max_waiting: int = 1 << 22) -> None:
        """`call`: may block for ever; what it raises is logged, and its key then has no answer."""
        self._call = call
        self._threads = threads
        self._max_waiting = max_waiting
        self._waiting: OrderedDict[K, None] = OrderedDict()
        self._running: dict[K, float] = {}
        """Key to when its call began, monotonic seconds."""
        self._answers: deque[tuple[K, V]] = deque()
        self._awaited: list[set[K]] = []
        """What each thread in :meth:`wait` still waits for."""
        self._ended_s = 0.0
        """When the last call ended, monotonic seconds."""
        self._workers = 0
        self._changed = threading.Condition()

    def ask(self, keys: Iterable[K], *, first: bool = False) -> None:
        """Asks in the background; a key that is being asked already is not asked twice.

        `first`: before those that wait. Keys beyond `max_waiting` are dropped: they may be asked again later.
        """
        with self._changed:
            for key in keys:
                if key in self._running:
                    continue
                if key not in self._waiting:
                    if len(self._waiting) >= self._max_waiting:
                        break
                    self._waiting[key] = None
                if first:
                    self._waiting.move_to_end(key, last=False)
            self._staff()

    def wait(self, keys: Iterable[K], timeout_s: float, stall_s: float = float("inf")) -> bool:
        """Waits until all these keys have been answered; False: they have not, and it is given up.

        After `timeout_s` seconds, or when no call ended for `stall_s` seconds, or when all threads hang.
        """
        until = time.monotonic() + timeout_s
        self._ended_s = time.monotonic()
        with self._changed:
            left = {key for key in keys if key in self._running or key in self._waiting}
            self._awaited.append(left)
            try:
                while left and (remaining := min(until, self._ended_s + stall_s) - time.monotonic()) > 0:
                    if self._all_stuck() and left <= self._waiting.keys():
                        break
                    self._changed.wait(min(remaining, STUCK_S))
                    self._staff()
            finally:
                self._awaited = [other for other in self._awaited if other is not left]
        return not left

    def answers(self) -> list[tuple[K, V]]:
        """The answers that have come since the last time, in their order."""
        taken = []
        while self._answers:
            taken.append(self._answers.popleft())
        if self._waiting:
            with self._changed:
                self._staff()
        return taken

    def asking(self, key: K) -> bool:
        """Whether the answer of this key is still to come."""
        return key in self._running or key in self._waiting

    def slow(self, seconds: float) -> int:
        """How many calls are being made for longer than so many seconds."""
        before = time.monotonic() - seconds
        with self._changed:
            return sum(began < before for began in self._running.values())

    def _all_stuck(self) -> bool:
        before = time.monotonic() - STUCK_S
        return len(self._running) >= self._threads and all(began < before for began in self._running.values())

    def _staff(self) -> None:
        """Starts a thread where keys wait and every thread there is hangs. The lock is held."""
        before = time.monotonic() - STUCK_S
        stuck = sum(began < before for began in self._running.values())
        if self._waiting and self._workers == stuck and self._workers < self._threads:
            self._workers += 1
            threading.Thread(target=self._work, name="lookups", daemon=True).start()

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._waiting:
                    self._workers -= 1
                    return
                key, _ = self._waiting.popitem(last=False)
                self._running[key] = time.monotonic()
            try:
                self._answers.append((key, self._call(key)))
            except Exception:
                log.exception("lookup of %r", key)
            with self._changed:
                del self._running[key]
                self._ended_s = time.monotonic()
                for left in self._awaited:
                    left.discard(key)
                if not all(self._awaited):
                    self._changed.notify_all()
