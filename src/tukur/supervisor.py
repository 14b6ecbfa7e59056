"""Runs background tasks so that none ends unnoticed: a crash is logged, counted and followed by a restart."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

import stamina

log = logging.getLogger(__name__)

WAIT_S = (0.25, 30.0)
"""The first and the longest pause before a restart."""
STEADY_S = 60.0
"""A task that ran so long before it crashed starts again at once, and its pauses begin anew."""

State = Literal["running", "restarting", "ended"]


class TaskEndedError(Exception):
    """A task returned, or was cancelled from within, that should run until the supervisor closes."""


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """One supervised task, as it is shown."""

    name: str
    state: State
    crashes: int
    """Since the supervisor was made."""
    last_error: str
    """Type and first line of the last crash; empty: none."""
    since_s: float
    """Since when it is in this state: seconds since the epoch."""


class _Supervised:
    def __init__(self, name: str) -> None:
        self.name = name
        self.crashes = 0
        self.last_error = ""
        self._paused_s = 0.0
        self.enter("running")

    def enter(self, state: State) -> None:
        self.state: State = state
        self.since_s = time.time()
        now = time.monotonic()
        if state == "running":
            self._proven_at = now + self._paused_s
        else:
            self._stopped_at = now

    def restart(self) -> None:
        """It runs again, and is taken for healthy once it has run for as long as it was not running."""
        self._paused_s = time.monotonic() - self._stopped_at
        self.enter("running")

    @property
    def failing(self) -> bool:
        return self.state != "running" or time.monotonic() < self._proven_at

    def status(self) -> TaskStatus:
        return TaskStatus(self.name, self.state, self.crashes, self.last_error, self.since_s)


class Supervisor:
    """Owns background tasks: those that :meth:`run` for ever and those that are :meth:`spawn`-ed once."""

    def __init__(self, wait_s: tuple[float, float] = WAIT_S, steady_s: float = STEADY_S) -> None:
        self._wait_s = wait_s
        self._steady_s = steady_s
        self._supervised: dict[str, _Supervised] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._spawned_crashes: Counter[str] = Counter()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def run(self, name: str, work: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        """Starts `work`, and starts it again with backoff whenever it raises or returns."""
        supervised = self._supervised[name] = _Supervised(name)
        return self._start(self._keep_running(supervised, work), name)

    def spawn(self, name: str, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Starts a task that runs once. Its crash is logged and counted; the task itself never raises it."""
        task = self._start(self._run_once(name, work), name)
        # One that is cancelled before it began never awaits `work`, and Python would warn of that.
        task.add_done_callback(lambda _: work.close())
        return task

    def status(self) -> list[TaskStatus]:
        """All tasks that should run for ever."""
        return [supervised.status() for supervised in self._supervised.values()]

    def failing(self) -> list[str]:
        """Names of the tasks that should run and do not, or that run only from one crash to the next."""
        return [one.name for one in self._supervised.values() if one.failing]

    def crashes(self) -> dict[str, int]:
        """How often each task crashed, by name; without those that never did."""
        crashed = {one.name: one.crashes for one in self._supervised.values() if one.crashes}
        return dict(Counter(crashed) + self._spawned_crashes)

    async def close(self) -> None:
        """Cancels all tasks and waits for their end."""
        while self._tasks:
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._tasks.difference_update(tasks)

    def _start(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _keep_running(self, supervised: _Supervised, work: Callable[[], Awaitable[None]]) -> None:
        try:
            while True:
                await self._run_until_steady(supervised, work)
        finally:
            supervised.enter("ended")

    async def _run_until_steady(self, supervised: _Supervised, work: Callable[[], Awaitable[None]]) -> None:
        """Restarts `work` with growing pauses; returns after the crash of one that had run long enough."""
        first_s, longest_s = self._wait_s
        attempts = stamina.retry_context(
            on=Exception,
            attempts=None,
            timeout=None,
            wait_initial=first_s,
            wait_max=longest_s,
            wait_jitter=first_s,
        )
        async for attempt in attempts:
            with attempt:
                if supervised.state != "running":
                    supervised.restart()
                started_s = time.monotonic()
                error = await _crash_of(work)
                supervised.crashes += 1
                supervised.last_error = _first_line(error)
                log.error("task %s crashed (%d times)", supervised.name, supervised.crashes, exc_info=error)
                supervised.enter("restarting")
                if time.monotonic() - started_s >= self._steady_s:
                    return
                raise error

    async def _run_once(self, name: str, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except Exception as error:
            self._spawned_crashes[name] += 1
            log.error("task %s crashed", name, exc_info=error)


async def _crash_of(work: Callable[[], Awaitable[None]]) -> Exception:
    """Runs `work`; why it does not run any more. Raises CancelledError where this task was cancelled."""
    try:
        await work()
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # Something that it awaited was cancelled: nobody asked this task to end.
        return TaskEndedError("was cancelled from within")
    except Exception as error:
        return error
    return TaskEndedError("returned, but should run until it is cancelled")


def _first_line(error: Exception) -> str:
    text = str(error).partition("\n")[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
