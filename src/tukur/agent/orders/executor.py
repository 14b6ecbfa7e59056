"""Carries out one order: opens a pidfd, compares the start, asks the policy, acts, observes the outcome."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec

from tukur.agent.orders import services
from tukur.agent.orders.frozen import FrozenCgroups
from tukur.agent.orders.group_order import GroupOrder
from tukur.agent.orders.process_handle import ProcessHandle, same_start
from tukur.agent.orders.results import ended_already, exit_result, failure, parent_name, result
from tukur.agent.policy.policy import PolicySource
from tukur.agent.policy.subject import Subject, subjects_of
from tukur.protocol.messages import Action, OrderBody, OrderResult
from tukur.sources import boot_clock
from tukur.sources.proc import (
    CLOCK_TICK_NS,
    Stat,
    is_exact,
    live_threads,
    read_stat,
)
from tukur.sources.users import Users

OBSERVE_S = 5.0
"""How long an outcome is observed."""


@dataclass(frozen=True, slots=True)
class Executor:
    """Carries orders out on this host."""

    policy: PolicySource
    exact_start: Callable[[int], int | None]
    """Returns the start_ns of a PID as the source reads it now; None: it has no such process."""
    observe_s: float = OBSERVE_S
    frozen: FrozenCgroups = field(default_factory=lambda: FrozenCgroups(None))
    users: Users = field(default_factory=Users)

    async def execute(self, body: OrderBody) -> AsyncIterator[OrderResult]:
        """Carries out the order; yields its results, the last one ``final``."""
        action = body.action or Action(signal=body.signal)
        code, detail = self.policy.current().forbids(action.verb, action.signal)
        if code:
            yield result(body, "refused", code=code, detail=detail)
            return
        try:
            handle = ProcessHandle(body.target.pid)
        except ProcessLookupError:
            yield result(body, "gone", detail="no process has this PID")
            return
        except OSError as error:
            yield failure(body, error)
            return
        try:
            stat = read_stat(handle.pid)
            mismatch = self._mismatch(body, stat)
            if mismatch is not None or stat is None:
                yield mismatch or result(body, "gone", detail="it ended just now")
            elif stat.ended and action.scope in ("process", "tree"):
                # Whatever was its tree has other parents by now. A cgroup may have other processes.
                yield _ended_already(body, handle, stat)
            elif action.verb == "signal" and action.scope == "process":
                async for update in self._signal(
                    body, action.signal, handle, await self._subject(handle, stat)
                ):
                    yield update
            else:
                subject = await self._subject(handle, stat)
                policy = self.policy.current()
                group_order = GroupOrder(
                    policy, body, action, subject, self.observe_s, self.frozen, self.users
                )
                async for update in group_order.carry_out():
                    yield update
        finally:
            handle.close()

    async def _subject(self, handle: ProcessHandle, stat: Stat) -> Subject:
        users = self.users if self.policy.current().names_users else None
        return (await asyncio.to_thread(subjects_of, [(handle.pid, stat)], users))[0]

    def _mismatch(self, body: OrderBody, stat: Stat | None) -> OrderResult | None:
        """Compares the start while the pidfd pins the process; None: it is the target."""
        pid, start_ns = body.target.pid, body.target.start_ns
        if stat is None:
            return result(body, "gone", detail="it ended just now")
        comparable = boot_clock.known()
        reused = comparable and not same_start(start_ns, stat)
        if not reused and (is_exact(start_ns) or not comparable):
            # The record is exact to the nanosecond, /proc to the clock tick: ask the source as well,
            # for in a fork storm a PID can be reused within a tick.
            try:
                exact = self.exact_start(pid)
            except (OSError, LookupError, ValueError) as error:
                return _not_compared(body, "source_failed", str(error))
            if exact != start_ns and not comparable:
                return _not_compared(body, "other_clock", boot_clock.UNKNOWN)
            reused = exact is not None and exact != start_ns
        if reused and boot_clock.ahead_ns() and start_ns // CLOCK_TICK_NS == stat.start_ticks:
            return _not_compared(body, "other_clock", _SHIFTED)
        if reused:
            return result(body, "reused", code="reused", detail=f"PID {pid} belongs to another process now")
        return None

    async def _signal(
        self, body: OrderBody, signal: str, handle: ProcessHandle, subject: Subject
    ) -> AsyncIterator[OrderResult]:
        code, detail = self.policy.current().refuses(subject, "signal", signal)
        if code:
            yield result(body, "refused", code=code, detail=detail)
            return
        unit = services.unit_of_pid(handle.pid)
        sent_at = time.monotonic()
        try:
            handle.send(signal)
        except ProcessLookupError:
            yield result(body, "gone", detail="it ended just before the signal")
            return
        except OSError as error:
            yield failure(body, error)
            return
        yield OrderResult(order_id=body.order_id, outcome="delivered", final=False)
        if signal in ("STOP", "CONT"):
            yield await self._observe_state(body, signal, handle, sent_at)
            return
        async for update in self._observe_end(body, handle, sent_at, unit):
            yield (
                msgspec.structs.replace(update, freed=subject.own_memory)
                if update.outcome == "exited"
                else update
            )

    async def _observe_end(
        self, body: OrderBody, handle: ProcessHandle, sent_at: float, unit: str
    ) -> AsyncIterator[OrderResult]:
        if not await handle.exited(self.observe_s):
            code, detail = why_alive(handle.pid)
            yield result(body, "alive", code=code, detail=detail, after_ms=_since(sent_at))
            return
        after_ms = _since(sent_at)
        status = await _exit_status(handle)
        exited = exit_result(body, status, after_ms, final=not unit)
        if not unit:
            yield _with_zombie(exited, handle.pid)
            return
        yield exited
        respawned = await services.respawned(unit, body.target.pid)
        final = _with_zombie(msgspec.structs.replace(exited, final=True, respawned_pid=respawned), handle.pid)
        yield msgspec.structs.replace(final, respawned_unit=unit if respawned else "")

    async def _observe_state(
        self, body: OrderBody, signal: str, handle: ProcessHandle, sent_at: float
    ) -> OrderResult:
        """After STOP and CONT: observes the state, as neither ends the process."""
        wanted: Literal["stopped", "running"] = "stopped" if signal == "STOP" else "running"
        while time.monotonic() - sent_at < self.observe_s:
            if await handle.exited(0.002):
                return exit_result(body, handle.wait_status(), _since(sent_at), final=True)
            stat = read_stat(handle.pid)
            if stat is not None and (stat.state in "Tt") == (wanted == "stopped"):
                return result(body, wanted, after_ms=_since(sent_at))
        return result(body, "alive", after_ms=_since(sent_at))


def why_alive(pid: int) -> tuple[str, str]:
    """(code, sentence) why a process did not end after a signal; both empty: no reason is known."""
    stat = read_stat(pid)
    if stat is not None and stat.state in "Tt":
        return "stopped", "it is stopped: all signals but KILL stay pending until it is continued"
    if stat is None or stat.state != "D":
        return "", ""
    where = _wait_channel(pid, stat)
    waits = f"it waits in the kernel ({where})" if where not in ("", "0") else "it waits in the kernel"
    return "uninterruptible", f"{waits} and cannot be interrupted (state D)"


def _wait_channel(pid: int, stat: Stat) -> str:
    """The function of the kernel in which the process waits; "0" or empty where that is not known."""
    try:
        folder = next(live_threads(pid))[0] if stat.main_ended else f"/proc/{pid}"
        return Path(f"{folder}/wchan").read_text().strip()
    except (OSError, StopIteration):
        return ""


def _ended_already(body: OrderBody, handle: ProcessHandle, stat: Stat) -> OrderResult:
    ended = exit_result(body, handle.wait_status(), 0, final=True)
    return msgspec.structs.replace(
        ended, outcome="gone", code="zombie", detail=ended_already(stat), after_ms=None
    )


_SHIFTED = (
    "it was recorded by the clock of the agent's time namespace (time_namespaces(7)), not by the machine's; "
    "the newest samples have the right one"
)


def _not_compared(body: OrderBody, code: str, why: str) -> OrderResult:
    detail = f"the start of PID {body.target.pid} could not be compared, nothing was sent: {why}"
    return result(body, "failed", code=code, detail=detail)


def _with_zombie(exited: OrderResult, pid: int) -> OrderResult:
    """Adds that the process is a zombie, and which parent has to reap it."""
    stat = read_stat(pid)
    if stat is None or stat.state != "Z":
        return exited
    detail = f"it is a zombie until {parent_name(stat)} reaps it: it uses nothing but its PID"
    return msgspec.structs.replace(exited, code="zombie", detail=detail)


async def _exit_status(handle: ProcessHandle) -> int | None:
    """The wait status, tried for 0.1 s: between exit and reaping the kernel may not give it."""
    for _ in range(20):
        status = handle.wait_status()
        if status is not None:
            return status
        await asyncio.sleep(0.005)
    return None


def _since(sent_at: float) -> float:
    return (time.monotonic() - sent_at) * 1000
