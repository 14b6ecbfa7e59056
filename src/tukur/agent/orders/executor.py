"""Carries one order out: hold the process, compare its start, ask the policy, act, watch what happens."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from tukur.agent.orders import services
from tukur.agent.orders.group_order import GroupOrder
from tukur.agent.orders.process_handle import ProcessHandle, same_start
from tukur.agent.orders.results import exit_result, failure, result
from tukur.agent.policy.policy import PolicySource
from tukur.agent.policy.subject import Subject, subject_of
from tukur.protocol.messages import Action, OrderBody, OrderResult
from tukur.sources.proc import CLOCK_TICK_NS, Stat, read_stat

OBSERVE_S = 5.0
"""How long an outcome is waited for."""


@dataclass(frozen=True, slots=True)
class Executor:
    """Carries orders out on this host."""

    policy: PolicySource
    exact_start: Callable[[int], int | None]
    """PID to start_ns as the source gives it right now; None where it has no such process."""
    observe_s: float = OBSERVE_S

    async def execute(self, body: OrderBody) -> AsyncIterator[OrderResult]:
        """Carries the order out; yields what happens, the last with ``final``."""
        action = body.action or Action(signal=body.signal)
        code, detail = self.policy.current().forbids(action.verb, action.signal)
        if code:
            yield result(body, "refused", code=code, detail=detail)
            return
        try:
            held = ProcessHandle(body.target.pid)
        except ProcessLookupError:
            yield result(body, "gone", detail="no process has this PID")
            return
        except OSError as error:
            yield failure(body, error)
            return
        try:
            stat = read_stat(held.pid)
            other = self._other(body, stat)
            if other is not None or stat is None:
                yield other or result(body, "gone", detail="it ended just now")
            elif action.verb == "signal" and action.scope == "process":
                async for told in self._signal(body, action.signal, held, subject_of(held.pid, stat)):
                    yield told
            else:
                subject = subject_of(held.pid, stat)
                together = GroupOrder(self.policy.current(), body, action, subject, self.observe_s)
                async for told in together.carry_out():
                    yield told
        finally:
            held.close()

    def _other(self, body: OrderBody, stat: Stat | None) -> OrderResult | None:
        """Compares the start while the pidfd holds the process; None: it is the one that was meant."""
        pid, start_ns = body.target.pid, body.target.start_ns
        if stat is None:
            return result(body, "gone", detail="it ended just now")
        reused = not same_start(start_ns, stat.start_ticks)
        if not reused and start_ns % CLOCK_TICK_NS:
            # The record is exact to the nanosecond, /proc to the clock tick: ask the source as well,
            # for under a fork storm a PID can come round within a tick.
            try:
                exact = self.exact_start(pid)
            except (OSError, LookupError, ValueError) as error:
                detail = f"the start of PID {pid} could not be compared, nothing was sent: {error}"
                return result(body, "failed", code="source_failed", detail=detail)
            reused = exact is not None and exact != start_ns
        if reused:
            return result(body, "reused", code="reused", detail=f"PID {pid} belongs to another process now")
        return None

    async def _signal(
        self, body: OrderBody, signal: str, held: ProcessHandle, subject: Subject
    ) -> AsyncIterator[OrderResult]:
        code, detail = self.policy.current().refuses(subject, "signal", signal)
        if code:
            yield result(body, "refused", code=code, detail=detail)
            return
        unit = services.unit_of_pid(held.pid)
        began = time.monotonic()
        try:
            held.send(signal)
        except ProcessLookupError:
            yield result(body, "gone", detail="it ended just before the signal")
            return
        except OSError as error:
            yield failure(body, error)
            return
        yield OrderResult(order_id=body.order_id, outcome="delivered", final=False)
        if signal in ("STOP", "CONT"):
            yield await self._observe_state(body, signal, held, began)
            return
        async for told in self._observe_end(body, held, began, unit):
            yield (
                msgspec.structs.replace(told, freed=subject.own_memory) if told.outcome == "exited" else told
            )

    async def _observe_end(
        self, body: OrderBody, held: ProcessHandle, began: float, unit: str
    ) -> AsyncIterator[OrderResult]:
        if not await held.exited(self.observe_s):
            code, detail = why_alive(held.pid)
            yield result(body, "alive", code=code, detail=detail, after_ms=_since(began))
            return
        after_ms = _since(began)
        status = await _settled_status(held)
        exited = exit_result(body, status, after_ms, final=not unit)
        if not unit:
            yield _with_zombie(exited, held.pid)
            return
        yield exited
        respawned = await services.respawned(unit, body.target.pid)
        final = _with_zombie(msgspec.structs.replace(exited, final=True, respawned_pid=respawned), held.pid)
        yield msgspec.structs.replace(final, respawned_unit=unit if respawned else "")

    async def _observe_state(
        self, body: OrderBody, signal: str, held: ProcessHandle, began: float
    ) -> OrderResult:
        """STOP and CONT end nothing: watch the state instead."""
        wanted: Literal["stopped", "running"] = "stopped" if signal == "STOP" else "running"
        while time.monotonic() - began < self.observe_s:
            if await held.exited(0.002):
                return exit_result(body, held.wait_status(), _since(began), final=True)
            stat = read_stat(held.pid)
            if stat is not None and (stat.state in "Tt") == (wanted == "stopped"):
                return result(body, wanted, after_ms=_since(began))
        return result(body, "alive", after_ms=_since(began))


def why_alive(pid: int) -> tuple[str, str]:
    """(code, sentence) for a process that did not end after a signal; both empty: it just ignores it."""
    stat = read_stat(pid)
    if stat is not None and stat.state in "Tt":
        return "stopped", "it is stopped: signals but KILL wait until it is continued"
    if stat is None or stat.state != "D":
        return "", ""
    try:
        where = Path(f"/proc/{pid}/wchan").read_text().strip()
    except OSError:
        where = ""
    waits = f"it waits in the kernel ({where})" if where not in ("", "0") else "it waits in the kernel"
    return "uninterruptible", f"{waits} and cannot be interrupted (state D)"


def _with_zombie(exited: OrderResult, pid: int) -> OrderResult:
    """Says whose work it is to collect what has ended."""
    stat = read_stat(pid)
    if stat is None or stat.state != "Z":
        return exited
    parent = read_stat(stat.ppid)
    who = f"{parent.name} (PID {stat.ppid})" if parent is not None else f"PID {stat.ppid}"
    detail = f"it is a zombie until {who} collects it: it holds nothing but its PID"
    return msgspec.structs.replace(exited, code="zombie", detail=detail)


async def _settled_status(held: ProcessHandle) -> int | None:
    """The wait status, given a moment: between exit and its collection the kernel may not tell it."""
    for _ in range(20):
        status = held.wait_status()
        if status is not None:
            return status
        await asyncio.sleep(0.005)
    return None


def _since(began: float) -> float:
    return (time.monotonic() - began) * 1000
