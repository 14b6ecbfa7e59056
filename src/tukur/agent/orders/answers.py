"""Answers what the hub asks: every order and every inspection gets its result, whatever fails."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec

from tukur.agent.orders.executor import Executor
from tukur.agent.orders.gate import OrderGate, RefusedError
from tukur.agent.orders.process_handle import same_start
from tukur.protocol import messages
from tukur.protocol.errors import UNREADABLE
from tukur.protocol.messages import Inspect, Inspection, OrderBody, OrderResult
from tukur.sources.proc import read_stat

log = logging.getLogger(__name__)


async def order_results(
    order: messages.Order, wall_ns: int, gate: OrderGate, executor: Executor
) -> AsyncIterator[OrderResult]:
    """Checks an order and carries it out; the last result is final, also after an unexpected error."""
    try:
        body = gate.check(order, wall_ns)
    except RefusedError as error:
        log.warning("an order is refused: %s (%s)", error.detail, error.code)
        yield OrderResult(
            order_id=_order_id(order), outcome="refused", final=True, code=error.code, detail=error.detail
        )
        return
    what = body.signal if body.action is None else f"{body.action.verb} ({body.action.scope})"
    log.info("order %s by %s: %s to PID %d", body.order_id, body.actor, what, body.target.pid)
    async for result in _guarded(body, executor):
        if result.final:
            log.info("order %s: %s %s", body.order_id, result.outcome, result.detail)
        yield result


async def _guarded(body: OrderBody, executor: Executor) -> AsyncIterator[OrderResult]:
    reported: OrderResult | None = None
    try:
        async for result in executor.execute(body):
            yield result
            reported = result
    except Exception as error:
        log.exception("order %s: unexpected error", body.order_id)
        if reported is None or not reported.final:
            yield _unexpected(body, reported, error)


def _unexpected(body: OrderBody, reported: OrderResult | None, error: Exception) -> OrderResult:
    said = f"{type(error).__name__}: {error}"[:500]
    if reported is None:
        detail = f"unexpected error before anything was reported: {said}"
        return OrderResult(
            order_id=body.order_id, outcome="failed", final=True, code="unexpected", detail=detail
        )
    if reported.outcome == "delivered":
        detail = f"the signal was sent, but what became of the process was not observed: {said}"
        return OrderResult(
            order_id=body.order_id, outcome="failed", final=True, code="not_observed", detail=detail
        )
    # What was observed stays true; just what follows it is missing.
    return msgspec.structs.replace(reported, final=True, detail=f"the observation ended early: {said}")


async def inspection(
    request: Inspect, boot_id: str, inspect: Callable[[], Awaitable[Inspection]]
) -> Inspection:
    """The answer of `inspect`; after an unexpected error, what /proc says: whether the process lives."""
    try:
        return await inspect()
    except Exception:
        log.exception("the inspection of PID %d failed", request.target.pid)
    stat = read_stat(request.target.pid) if request.target.boot_id == boot_id else None
    if stat is None or not same_start(request.target.start_ns, stat):
        return Inspection(request_id=request.request_id, alive=False)
    return Inspection(request_id=request.request_id, alive=True, state=stat.state)


def _order_id(order: messages.Order) -> str:
    """Which order a refusal is about, where it can be read; its signature may be wrong."""
    try:
        body: OrderBody = messages.order_body.decode(order.body)
    except UNREADABLE:
        return ""
    return body.order_id
