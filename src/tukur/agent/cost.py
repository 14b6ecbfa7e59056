"""What the agent itself costs: CPU time by part of its work."""

import time
from collections import defaultdict
from collections.abc import Coroutine, Generator
from types import TracebackType
from typing import Any, Generic, Literal, TypeVar

Part = Literal["read", "host", "collect", "account", "encode", "send", "spool"]
"""The processes, the host's figures, the events of lives; what follows from a sample; blocks, frames and
heartbeats; the connection; the files of the spool."""

T = TypeVar("T")


class Cost:
    """Adds up the CPU time of each part. A part is measured by the thread that works on it."""

    def __init__(self) -> None:
        self._ns: defaultdict[Part, int] = defaultdict(int)

    def part(self, name: Part) -> "_Measured":
        """A context manager: the thread's CPU time within it is that part's. Nothing is awaited in it."""
        return _Measured(self, name)

    def awaited(self, name: Part, work: Coroutine[Any, Any, T]) -> "_Awaited[T]":
        """The same coroutine, to be awaited; what others do while it waits is not counted."""
        return _Awaited(self, name, work)

    def add(self, name: Part, ns: int) -> None:
        """So many nanoseconds more. No two threads work on one part at a time."""
        self._ns[name] += ns

    def us(self) -> dict[str, int]:
        """Microseconds since the process began, by part; ``other`` is the rest: they add up to all."""
        parts: dict[str, int] = {name: ns // 1000 for name, ns in self._ns.items()}
        return {**parts, "other": max(time.process_time_ns() // 1000 - sum(parts.values()), 0)}


class _Measured:
    def __init__(self, cost: Cost, name: Part) -> None:
        self._cost, self._name, self._begin = cost, name, 0

    def __enter__(self) -> None:
        self._begin = time.thread_time_ns()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cost.add(self._name, time.thread_time_ns() - self._begin)


class _Awaited(Generic[T]):
    def __init__(self, cost: Cost, name: Part, work: Coroutine[Any, Any, T]) -> None:
        self._cost, self._name, self._work = cost, name, work

    def __await__(self) -> Generator[Any, Any, T]:
        steps = self._work.__await__()
        answer, error = None, None
        while True:
            try:
                with self._cost.part(self._name):
                    waited = steps.send(answer) if error is None else steps.throw(error)
            except StopIteration as stop:
                value: T = stop.value
                return value
            answer = error = None
            try:
                answer = yield waited
            # A cancellation, for one, is for the work itself.
            except BaseException as thrown:
                error = thrown
