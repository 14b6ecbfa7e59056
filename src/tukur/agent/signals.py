"""Carries one order out: check it, hold the process, compare its start, signal it, watch what happens."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Literal

import msgspec

from tukur.agent import services
from tukur.agent.pidfd import CLOCK_TICK_NS, Held, read_stat, same_start
from tukur.agent.policy import Policy
from tukur.protocol import auth, messages
from tukur.protocol.messages import OrderBody, OrderResult
from tukur.records import KTHREAD

OBSERVE_S = 5.0
"""How long an outcome is waited for."""
_PF_KTHREAD = 0x00200000
_SKEW_NS = 5_000_000_000
"""An order from further in the future than this was not made by a hub whose clock can be trusted."""


class RefusedError(Exception):
    """The order will not be carried out. `code` is stable, `detail` a sentence."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class OrderGate:
    """Lets an order through once, while it is fresh, when it is for this host and rightly signed."""

    def __init__(self, host_id: str, boot_id: str, order_key: bytes) -> None:
        self._host_id = host_id
        self._boot_id = boot_id
        self._order_key = order_key
        self._since_wall_ns = time.time_ns()
        self._used: dict[bytes, int] = {}

    def follow(self, order_key: bytes) -> None:
        """Takes orders of this key from now on, and of no other."""
        self._order_key = order_key

    def check(self, order: messages.Order, wall_ns: int) -> OrderBody:
        """The body of a good order. Raises RefusedError; nothing is decoded before the signature fits."""
        if not auth.verify(self._order_key, auth.order_text(order.body), order.signature):
            raise RefusedError("bad_signature", "the signature is not of this hub's order key")
        try:
            body: OrderBody = messages.order_body.decode(order.body)
        except msgspec.DecodeError as error:
            raise RefusedError("bad_order", str(error)) from error
        if body.host_id != self._host_id:
            raise RefusedError("other_host", f"the order is for host {body.host_id}")
        if body.target.boot_id != self._boot_id:
            raise RefusedError("other_boot", f"the process ran in boot {body.target.boot_id}")
        self._check_time(body, wall_ns)
        self._use(body, wall_ns)
        return body

    def _check_time(self, body: OrderBody, wall_ns: int) -> None:
        if wall_ns > body.expires_wall_ns:
            late = (wall_ns - body.expires_wall_ns) / 1e9
            raise RefusedError("expired", f"the order expired {late:.1f} s ago by this host's clock")
        if body.issued_wall_ns > wall_ns + _SKEW_NS:
            raise RefusedError("from_the_future", "the order was issued later than now by this host's clock")
        # What was used before this agent began is not known any more: such an order is not taken.
        if body.issued_wall_ns < self._since_wall_ns - _SKEW_NS:
            raise RefusedError("stale", "the order was issued before this agent began")

    def _use(self, body: OrderBody, wall_ns: int) -> None:
        self._used = {nonce: expires for nonce, expires in self._used.items() if expires >= wall_ns}
        if body.nonce in self._used:
            raise RefusedError("repeated", "the order was carried out already")
        self._used[body.nonce] = body.expires_wall_ns


@dataclass(frozen=True, slots=True)
class Executor:
    """Delivers signals on this host."""

    policy: Policy
    exact_start: Callable[[int], int | None]
    """PID to start_ns as the source gives it right now; None where it has no such process."""
    observe_s: float = OBSERVE_S

    async def execute(self, body: OrderBody) -> AsyncIterator[OrderResult]:
        """Carries the order out; yields what happens, the last with ``final``."""
        try:
            held = Held(body.target.pid)
        except ProcessLookupError:
            yield _result(body, "gone", detail="no process has this PID")
            return
        except OSError as error:
            yield _failure(body, error)
            return
        try:
            refusal = self._refusal(body)
            if refusal is not None:
                yield refusal
                return
            unit = services.unit_of_pid(body.target.pid)
            began = time.monotonic()
            try:
                held.send(body.signal)
            except ProcessLookupError:
                yield _result(body, "gone", detail="it ended just before the signal")
                return
            except OSError as error:
                yield _failure(body, error)
                return
            yield OrderResult(order_id=body.order_id, outcome="delivered", final=False)
            async for result in self._observe(body, held, began, unit):
                yield result
        finally:
            held.close()

    def _refusal(self, body: OrderBody) -> OrderResult | None:
        """Compares the start while the pidfd holds the process, and asks the policy."""
        pid, start_ns = body.target.pid, body.target.start_ns
        stat = read_stat(pid)
        if stat is None:
            return _result(body, "gone", detail="it ended just now")
        reused = not same_start(start_ns, stat.start_ticks)
        if not reused and start_ns % CLOCK_TICK_NS:
            # The record is exact to the nanosecond, /proc to the clock tick: ask the source as well,
            # for under a fork storm a PID can come round within a tick.
            exact = self.exact_start(pid)
            reused = exact is not None and exact != start_ns
        if reused:
            return _result(body, "reused", code="reused", detail=f"PID {pid} belongs to another process now")
        flags = KTHREAD if stat.flags & _PF_KTHREAD else 0
        code, detail = self.policy.refuses(pid, stat.ppid, flags, body.signal)
        return _result(body, "refused", code=code, detail=detail) if code else None

    async def _observe(
        self, body: OrderBody, held: Held, began: float, unit: str
    ) -> AsyncIterator[OrderResult]:
        if body.signal in ("STOP", "CONT"):
            yield await self._observe_state(body, held, began)
            return
        if not await held.exited(self.observe_s):
            stat = read_stat(held.pid)
            waiting = stat is not None and stat.state == "D"
            detail = "it waits in the kernel and cannot be interrupted (state D)" if waiting else ""
            yield _result(body, "alive", detail=detail, after_ms=_since(began))
            return
        after_ms = _since(began)
        status = await _settled_status(held)
        exited = _exit_result(body, status, after_ms, final=not unit)
        yield exited
        if unit:
            respawned = await services.respawned(unit, body.target.pid)
            yield msgspec.structs.replace(exited, final=True, respawned_pid=respawned)

    async def _observe_state(self, body: OrderBody, held: Held, began: float) -> OrderResult:
        """STOP and CONT end nothing: watch the state instead."""
        wanted: Literal["stopped", "running"] = "stopped" if body.signal == "STOP" else "running"
        while time.monotonic() - began < self.observe_s:
            if await held.exited(0.002):
                return _exit_result(body, held.wait_status(), _since(began), final=True)
            stat = read_stat(held.pid)
            if stat is not None and (stat.state in "Tt") == (wanted == "stopped"):
                return _result(body, wanted, after_ms=_since(began))
        return _result(body, "alive", after_ms=_since(began))


async def _settled_status(held: Held) -> int | None:
    """The wait status, given a moment: between exit and its collection the kernel may not tell it."""
    for _ in range(20):
        status = held.wait_status()
        if status is not None:
            return status
        await asyncio.sleep(0.005)
    return None


def _exit_result(body: OrderBody, status: int | None, after_ms: float, *, final: bool) -> OrderResult:
    return OrderResult(
        order_id=body.order_id,
        outcome="exited",
        final=final,
        after_ms=after_ms,
        exit_code=os.WEXITSTATUS(status) if status is not None and os.WIFEXITED(status) else None,
        exit_signal=os.WTERMSIG(status) if status is not None and os.WIFSIGNALED(status) else None,
    )


def _result(
    body: OrderBody,
    outcome: Literal["gone", "reused", "refused", "alive", "stopped", "running"],
    *,
    code: str = "",
    detail: str = "",
    after_ms: float | None = None,
) -> OrderResult:
    return OrderResult(
        order_id=body.order_id, outcome=outcome, final=True, code=code, detail=detail, after_ms=after_ms
    )


def _failure(body: OrderBody, error: OSError) -> OrderResult:
    denied = isinstance(error, PermissionError)
    lack = "the agent lacks the right to signal this process (CAP_KILL)"
    return OrderResult(
        order_id=body.order_id,
        outcome="not_permitted" if denied else "failed",
        final=True,
        code="EPERM" if denied else str(error.errno),
        detail=lack if denied else str(error.strerror),
    )


def _since(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 3)
