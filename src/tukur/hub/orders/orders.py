"""Orders: signed here, carried out at the host, followed to what was observed."""

import asyncio
import logging
import os
import re
import time
import uuid
from collections.abc import Collection
from typing import Any

import msgspec
from litestar.exceptions import WebSocketDisconnect

from tukur.hub.audit.log import AuditLog
from tukur.hub.auth.identity import Identity, Role
from tukur.hub.bus import ORDER_RESULTS, Bus, NobodyThereError, agent_of, news_of
from tukur.hub.errors import ProblemError
from tukur.hub.hosts.presence import Presence
from tukur.hub.models.keys import process_key
from tukur.hub.models.models import Order, OrderMember, OrderRequest
from tukur.hub.orders.key import OrderKey
from tukur.hub.store.store import Store
from tukur.protocol import auth, messages
from tukur.protocol.messages import Action, OrderBody, OrderResult, ProcessKey

log = logging.getLogger(__name__)

EXPIRES_S = 10
"""A signed order is good for this long."""
OBSERVED_S = 8
"""How long after its expiry an agent may still tell the outcome."""


DECIDE_S = 600
"""So long an order waits for a second person."""
_VALUES = {"renice": re.compile(r"-?\d{1,2}"), "ionice": re.compile(r"idle|best-effort:[0-7]")}
_EXPECTED = {"renice": "-20 to 19", "ionice": "idle or best-effort:0 to best-effort:7"}


class Orders:
    """Issues orders and keeps what becomes of them."""

    def __init__(
        self,
        store: Store,
        bus: Bus,
        presence: Presence,
        audit: AuditLog,
        key: OrderKey,
        *,
        reason_needed: bool = False,
    ) -> None:
        self._reason_needed = reason_needed
        self._audit = audit
        self._store = store
        self._bus = bus
        self._presence = presence
        self._key = key
        self._deadlines: set[asyncio.Task[None]] = set()

    async def issue(self, host_id: str, request: OrderRequest, actor: str, origin: str) -> Order:
        """Stores, signs and sends an order, or has it wait for a second person; `origin`: from which address.

        Raises ProblemError: 400, 404 unknown host, 409 offline.
        """
        target = process_key(request.boot_id, request.pid, request.start_ns)
        _check(request, reason_needed=self._reason_needed)
        hosts = await self._store.hosts(host_id)
        if not hosts:
            raise ProblemError(404, "host_unknown", f"there is no host {host_id!r}")
        if not self._presence.online(host_id):
            raise _offline(host_id)
        waits = hosts[0].needs_approval
        order = Order(
            order_id=str(uuid.uuid4()),
            host_id=host_id,
            boot_id=request.boot_id,
            pid=request.pid,
            start_ns=request.start_ns,
            name=await self._store.facts.images.name_of(
                host_id, request.boot_id, request.pid, target.start_ns
            ),
            signal=request.signal or "",
            verb=request.verb,
            scope=request.scope,
            value=request.value,
            of=request.of,
            actor=actor,
            reason=request.reason,
            issued_ms=time.time_ns() // 1_000_000,
            final=False,
            outcome="waiting" if waits else "pending",
            members=[],
        )
        # Before it is sent: whatever an order did, it is in the record.
        await self._store.create_order(order)
        if not waits:
            return await self._send(order, origin)
        await self._audit.add(actor, "order.request", host_id, origin=origin, **_told_of(order))
        self._limit(order.order_id, DECIDE_S)
        return order

    async def decide(self, order_id: str, identity: Identity, origin: str, *, approve: bool) -> Order:
        """A second person approves, and the order goes out, or declines. Raises ProblemError."""
        order = await self._store.get_order(order_id)
        groups = await self._store.control.enrolments.groups(order.host_id) if order else ()
        if order is None or not identity.sees(groups):
            raise _unknown(order_id)
        refusal = _may_not_decide(order, identity, groups)
        if refusal is not None:
            await self._audit.add(
                identity.user, "order.decide", order.host_id, refusal.code, origin, order_id=order_id
            )
            raise refusal
        if approve and not self._presence.online(order.host_id):
            raise _offline(order.host_id)
        outcome = "pending" if approve else "declined"
        if not await self._store.decide(order_id, identity.user, outcome):
            raise ProblemError(409, "not_waiting", "this order does not wait for anybody's decision any more")
        result = "approved" if approve else "declined"
        await self._audit.add(identity.user, "order.decide", order.host_id, result, origin, order_id=order_id)
        decided = msgspec.structs.replace(order, approver=identity.user, outcome=outcome, final=not approve)
        if approve:
            return await self._send(decided, origin)
        self._bus.publish(news_of(order_id), decided)
        return decided

    async def _send(self, order: Order, origin: str) -> Order:
        signed = self._sign(order, time.time_ns())
        await self._audit.add(
            order.actor,
            "order.issue",
            order.host_id,
            origin=origin,
            **_told_of(order),
            body=signed.body.hex(),
            signature=signed.signature.hex(),
        )
        log.info("order %s by %s: %s", order.order_id, order.actor, _words(order))
        try:
            await self._bus.request(agent_of(order.host_id), signed, seconds=EXPIRES_S)
        except (NobodyThereError, TimeoutError, WebSocketDisconnect, RuntimeError) as error:
            await self._settle(order, outcome="no_answer", final=True, code="host_offline")
            raise _offline(order.host_id) from error
        self._limit(order.order_id, EXPIRES_S + OBSERVED_S)
        return order

    def _limit(self, order_id: str, seconds: float) -> None:
        """Sees to it that the order gets a last word, if only that there is none."""
        deadline = asyncio.create_task(self._give_up(order_id, seconds))
        self._deadlines.add(deadline)
        deadline.add_done_callback(self._deadlines.discard)

    def _sign(self, order: Order, issued: int) -> messages.Order:
        # By the clock that the agent will hold them against.
        issued -= self._presence.shift_ns(order.host_id)
        action = None
        if order.verb != "signal" or order.scope != "process":
            action = Action(
                verb=order.verb, scope=order.scope, signal=order.signal, value=order.value, of=order.of
            )
        body = msgspec.msgpack.encode(
            OrderBody(
                order_id=order.order_id,
                host_id=order.host_id,
                target=ProcessKey(order.boot_id, order.pid, int(order.start_ns)),
                signal="" if action else order.signal,
                action=action,
                nonce=os.urandom(16),
                issued_wall_ns=issued,
                expires_wall_ns=issued + EXPIRES_S * 1_000_000_000,
                actor=order.actor,
                reason=order.reason,
            )
        )
        return messages.Order(body=body, signature=auth.sign(self._key.secret, auth.order_text(body)))

    async def get(self, order_id: str, wait_s: float, identity: Identity) -> Order:
        """One order; with `wait_s` after the next news of it, unless it is final. Raises ProblemError."""
        async with self._bus.subscribe(news_of(order_id)) as news:
            order = await self._store.get_order(order_id)
            if order is None or not identity.sees(await self._store.control.enrolments.groups(order.host_id)):
                raise _unknown(order_id)
            if order.final or wait_s <= 0:
                return order
            try:
                async with asyncio.timeout(wait_s):
                    while not order.final:
                        order = await news.get()
            except TimeoutError:
                pass
            return order

    async def newest(self, limit: int, identity: Identity) -> list[Order]:
        """The newest orders of the hosts that the asker sees."""
        hosts = None if identity.sees(()) else await self._visible(identity)
        return await self._store.list_orders(limit, hosts)

    async def _visible(self, identity: Identity) -> list[str]:
        return [host.host_id for host in await self._store.hosts() if identity.sees(host.groups)]

    async def run(self) -> None:
        """Follows what agents tell, for ever."""
        try:
            # Those that were under way when the hub ended: their agents may still tell.
            for order_id in await self._store.unfinished():
                self._limit(order_id, EXPIRES_S + OBSERVED_S)
            async with self._bus.subscribe(ORDER_RESULTS) as results:
                while True:
                    host_id, result = await results.get()
                    try:
                        await self._result(host_id, result)
                    except Exception:
                        # One result that cannot be kept must not end the following of all others.
                        log.exception("the result of order %s is lost", result.order_id)
        finally:
            for deadline in self._deadlines:
                deadline.cancel()

    async def _result(self, host_id: str, result: OrderResult) -> None:
        order = await self._store.get_order(result.order_id)
        # An agent speaks for its own host only, and a final word is the last.
        if order is None or order.host_id != host_id or order.final:
            log.warning("host %s tells of order %r, which is none of its own", host_id, result.order_id[:100])
            return
        await self._settle(
            order,
            outcome=result.outcome,
            final=result.final,
            code=result.code,
            detail=result.detail,
            after_ms=result.after_ms,
            exit_code=result.exit_code,
            exit_signal=result.exit_signal,
            respawned_pid=result.respawned_pid,
            respawned_unit=result.respawned_unit,
            freed=result.freed,
            more=result.more,
            members=[
                OrderMember(
                    pid=each.pid,
                    start_ns=str(each.start_ns),
                    name=each.name,
                    outcome=each.outcome,
                    detail=each.detail,
                )
                for each in result.members
            ],
        )

    async def _settle(self, order: Order, **news: object) -> None:
        known = msgspec.structs.replace(order, **news)
        await self._store.update_order(known)
        if known.final:
            await self._tell_outcome(known)
        self._bus.publish(news_of(order.order_id), known)
        if known.final:
            log.info("order %s: %s %s", known.order_id, known.outcome, known.detail)

    async def _tell_outcome(self, order: Order) -> None:
        told = {
            name: value
            for name in ("code", "detail", "after_ms", "exit_code", "exit_signal", "respawned_pid", "freed")
            if (value := getattr(order, name)) not in (None, "")
        }
        await self._audit.add(
            f"host:{order.host_id}",
            "order.outcome",
            order.host_id,
            order.outcome,
            signal=order.signal,
            pid=order.pid,
            name=order.name,
            order_id=order.order_id,
            **told,
        )

    async def _give_up(self, order_id: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        order = await self._store.get_order(order_id)
        if order is None or order.final:
            return
        if order.outcome != "waiting":
            await self._settle(
                order, outcome="no_answer", final=True, detail="the host has not told what happened"
            )
        elif await self._store.decide(order_id, "", "declined"):
            detail = f"nobody approved it within {DECIDE_S // 60} minutes"
            await self._settle(order, outcome="declined", final=True, detail=detail)


def _check(request: OrderRequest, *, reason_needed: bool) -> None:
    """Raises ProblemError (400)."""
    problem = ""
    if (request.verb == "signal") != (request.signal is not None):
        problem = (
            f"verb {request.verb} and signal {request.signal}; a signal with the verb signal alone expected"
        )
    elif (request.scope in ("cgroup", "unit")) != bool(request.of):
        problem = (
            f"scope {request.scope} of {request.of!r}; `of` names the cgroup or the unit, and nothing else"
        )
    elif request.verb in ("freeze", "thaw") and request.scope not in ("cgroup", "unit"):
        problem = f"{request.verb} of a {request.scope}; scope cgroup or unit expected"
    elif request.verb in ("renice", "ionice") and not _VALUES[request.verb].fullmatch(request.value):
        problem = f"{request.verb} {request.value!r}; {_EXPECTED[request.verb]} expected"
    if problem:
        raise ProblemError(400, "bad_order", problem)
    if reason_needed and not request.reason.strip():
        raise ProblemError(400, "reason_needed", "this hub sends no order without a reason")


def _may_not_decide(order: Order, identity: Identity, groups: Collection[str]) -> ProblemError | None:
    if identity.rights.on(groups) < Role.OPERATOR:
        return ProblemError(403, "role_too_low", f"{identity.user} may not send orders to this host")
    if identity.user == order.actor:
        return ProblemError(403, "own_order", "whoever asks for an order does not approve it")
    if identity.via != "cookie":
        return ProblemError(403, "person_needed", "a token is no second person; sign in")
    return None


def _words(order: Order) -> str:
    what = f"{order.verb} {order.signal or order.value}".strip()
    whom = (
        f"PID {order.pid}" if order.scope == "process" else f"the {order.scope} of PID {order.pid} {order.of}"
    )
    return f"{what} to {whom.strip()} on {order.host_id}"


def _told_of(order: Order) -> dict[str, Any]:
    """What the audit log says of an order."""
    told: dict[str, Any] = {
        "signal": order.signal,
        "pid": order.pid,
        "name": order.name,
        "reason": order.reason,
        "order_id": order.order_id,
        "boot_id": order.boot_id,
        "start_ns": order.start_ns,
    }
    if order.verb != "signal" or order.scope != "process":
        told |= {"verb": order.verb, "scope": order.scope, "value": order.value, "of": order.of}
    if order.approver:
        told["approver"] = order.approver
    return told


def _unknown(order_id: str) -> ProblemError:
    return ProblemError(404, "order_unknown", f"there is no order {order_id[:100]!r}")


def _offline(host_id: str) -> ProblemError:
    return ProblemError(409, "host_offline", f"host {host_id} is not connected; an order needs its agent")
