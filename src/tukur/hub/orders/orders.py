"""Orders: signed here, carried out at the host, followed until the outcome is known or overdue."""

import asyncio
import logging
import os
import time
import uuid
from collections.abc import Callable, Collection
from typing import Any

import msgspec

from tukur.hub.audit.log import DONE, AuditLog
from tukur.hub.auth.identity import Identity, Role
from tukur.hub.bus import ORDER_RESULTS, Bus, DeliveryUnknownError, NobodyThereError, agent_of, news_of
from tukur.hub.errors import ProblemError
from tukur.hub.hosts.presence import Presence
from tukur.hub.models.keys import process_key
from tukur.hub.models.order import Order, OrderRequest
from tukur.hub.orders import machine
from tukur.hub.orders.key import OrderKey
from tukur.hub.orders.machine import Limits, State
from tukur.hub.orders.requests import check, outcome_detail, request_detail, summary
from tukur.hub.store.control.change import Change
from tukur.hub.store.control.orders import OrderRow, insertion, replacement
from tukur.hub.store.errors import StoreError
from tukur.hub.store.store import Store
from tukur.protocol import auth, messages
from tukur.protocol.messages import Action, OrderBody, OrderResult, ProcessKey

log = logging.getLogger(__name__)

RETRY_S = 1.0
"""Between two attempts to store what the database did not take."""
_MIN_SLEEP_S = 0.02
_MAX_SLEEP_S = 60.0
"""Deadlines are wall times: after a step of the clock they are looked at within this time."""

Step = Callable[[OrderRow], OrderRow | None]
"""The row that follows; None: this state has no such transition."""


class Orders:
    """Issues orders and records what becomes of them.

    Every transition is made in the database, on the condition of the state before it and together with its
    audit entry; nothing but the agents' unread results is kept in memory.
    """

    def __init__(
        self,
        store: Store,
        bus: Bus,
        presence: Presence,
        audit: AuditLog,
        key: OrderKey,
        *,
        reason_needed: bool = False,
        limits: Limits | None = None,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.limits = limits or Limits()
        self._clock_ns = clock_ns
        self.reason_needed = reason_needed
        self._audit = audit
        self._store = store
        self._bus = bus
        self._presence = presence
        self._key = key
        # From now on and not just while run() runs: what comes before it, or between two runs, is kept.
        self._results = bus.attach(ORDER_RESULTS)
        self._unstored: tuple[str, OrderResult] | None = None
        self._new_deadline = asyncio.Event()

    # --- what people do

    async def issue(self, host_id: str, request: OrderRequest, actor: str, origin: str) -> Order:
        """Stores, signs and sends an order, or has it wait for a second person; `origin`: from which address.

        Raises ProblemError: 400, 404 unknown host, 409 offline.
        """
        target = process_key(request.boot_id, request.pid, request.start_ns)
        check(request, reason_needed=self.reason_needed)
        hosts = await self._store.hosts(host_id)
        if not hosts:
            raise ProblemError(404, "host_unknown", f"there is no host {host_id!r}")
        if not self._presence.online(host_id):
            raise _offline(host_id)
        now_ns = self._clock_ns()
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
            issued_ms=now_ns // 1_000_000,
            final=False,
            outcome="pending",
            members=[],
        )
        if not hosts[0].needs_approval:
            row = machine.issue(order, order.issued_ms, self.limits)
            await self._send(row, insertion(row), origin, now_ns)
            return row.order
        row = machine.request(order, order.issued_ms, self.limits)
        detail = request_detail(row.order)
        await self._audit.add_with(insertion(row), actor, "order.request", host_id, origin=origin, **detail)
        self._new_deadline.set()
        return row.order

    async def decide(self, order_id: str, identity: Identity, origin: str, *, approve: bool) -> Order:
        """A second person approves, and the order is sent, or declines. Raises ProblemError."""
        row = await self._store.control.orders.order_row(order_id)
        groups = await self._store.control.enrolments.groups(row.order.host_id) if row else ()
        if row is None or not identity.sees(groups):
            raise _unknown(order_id)
        host_id = row.order.host_id
        refusal = _may_not_decide(row.order, identity, groups)
        if refusal is not None:
            await self._audit.add(
                identity.user, "order.decide", host_id, refusal.code, origin, order_id=order_id
            )
            raise refusal
        if approve and not self._presence.online(host_id):
            raise _offline(host_id)
        decided = machine.decide(row, identity.user, self._now_ms(), self.limits, approve=approve)
        result = "approved" if approve else "declined"
        if decided is None or not await self._audit.add_with(
            replacement(row, decided),
            identity.user,
            "order.decide",
            host_id,
            result,
            origin,
            order_id=order_id,
        ):
            raise ProblemError(409, "not_waiting", "this order no longer waits for a decision")
        self._new_deadline.set()
        self._publish(decided)
        if not approve:
            return decided.order
        now_ns = self._clock_ns()
        sent = machine.send(decided, now_ns // 1_000_000, self.limits)
        if sent is None or not await self._send(sent, replacement(decided, sent), origin, now_ns):
            raise ProblemError(409, "not_waiting", "this order expired before it could be sent")
        return sent.order

    async def get(self, order_id: str, wait_s: float, identity: Identity) -> Order:
        """One order; with `wait_s` once it is final, or as it is after that time. Raises ProblemError."""
        async with self._bus.subscribe(news_of(order_id)) as news:
            row = await self._store.control.orders.order_row(order_id)
            if row is None or not identity.sees(
                await self._store.control.enrolments.groups(row.order.host_id)
            ):
                raise _unknown(order_id)
            order = row.order
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
        """The newest orders of the hosts that the caller may see."""
        hosts = None if identity.sees(()) else await self._visible(identity)
        return await self._store.control.orders.list_orders(limit, hosts)

    async def _visible(self, identity: Identity) -> list[str]:
        return [host.host_id for host in await self._store.hosts() if identity.sees(host.groups)]

    # --- sending

    async def _send(self, row: OrderRow, change: Change, origin: str, now_ns: int) -> bool:
        """Stores the order as sent, then sends it; False: the change's condition does not hold.

        Raises ProblemError (409) where nothing was sent.
        """
        order = row.order
        signed = self._sign(order, now_ns)
        content = {"body": signed.body.hex(), "signature": signed.signature.hex()}
        detail = {**request_detail(order), **content}
        # Before it is sent: whatever an order does, it is on record.
        if not await self._audit.add_with(
            change, order.actor, "order.issue", order.host_id, DONE, origin, **detail
        ):
            return False
        self._new_deadline.set()
        log.info("order %s by %s: %s", order.order_id, order.actor, summary(order))
        try:
            await self._bus.request(agent_of(order.host_id), signed, seconds=self.limits.expires_s)
        except (DeliveryUnknownError, TimeoutError) as error:
            # It may have arrived: the agent's report or the deadline says what became of it.
            log.warning("order %s: whether it reached the host is not known: %r", order.order_id, error)
        except NobodyThereError as error:
            await self._step(order.order_id, machine.not_sent, "hub")
            raise _offline(order.host_id) from error
        return True

    def _sign(self, order: Order, issued_ns: int) -> messages.Order:
        # By the clock that the agent will compare them with.
        issued_ns -= self._presence.shift_ns(order.host_id)
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
                issued_wall_ns=issued_ns,
                expires_wall_ns=issued_ns + round(self.limits.expires_s * 1_000_000_000),
                actor=order.actor,
                reason=order.reason,
            )
        )
        return messages.Order(body=body, signature=auth.sign(self._key.secret, auth.order_text(body)))

    # --- what agents report, and deadlines

    async def run(self) -> None:
        """Records what agents report and what passes its deadline, for ever.

        After an exception it may be called again: nothing that was received or stored is lost.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self._record_results(), name="order results")
            group.create_task(self._watch_deadlines(), name="order deadlines")

    async def _record_results(self) -> None:
        while True:
            # Kept until it is stored, so that a cancelled or failed run leaves it to the next one.
            if self._unstored is None:
                self._unstored = await self._results.get()
            host_id, result = self._unstored
            try:
                await self.report(host_id, result)
            except StoreError as error:
                if error.transient:
                    log.warning("order %s: its result is not stored yet: %s", result.order_id[:100], error)
                    await asyncio.sleep(RETRY_S)
                    continue
                log.exception("order %s: its result cannot be stored", result.order_id[:100])
            except Exception:
                # One bad result must not keep those behind it from being recorded.
                log.exception("order %s: its result cannot be stored", result.order_id[:100])
            self._unstored = None

    async def _watch_deadlines(self) -> None:
        while True:
            self._new_deadline.clear()
            try:
                await self.sweep()
                next_ms = await self._store.control.orders.next_deadline_ms()
            except StoreError as error:
                log.warning("the deadlines of orders are not checked: %s", error)
                sleep_s = RETRY_S
            else:
                left_s = _MAX_SLEEP_S if next_ms is None else (next_ms - self._now_ms()) / 1000
                sleep_s = min(max(left_s, _MIN_SLEEP_S), _MAX_SLEEP_S)
            try:
                async with asyncio.timeout(sleep_s):
                    await self._new_deadline.wait()
            except TimeoutError:
                pass

    async def sweep(self) -> None:
        """Ends the state of every order whose deadline has passed. Raises StoreError."""
        now_ms = self._now_ms()
        for row in await self._store.control.orders.due_orders(now_ms):
            await self._step(row.order.order_id, lambda due: machine.expire(due, now_ms), "hub")

    async def report(self, host_id: str, result: OrderResult) -> None:
        """Records what a host's agent reports of an order. Raises StoreError."""
        row = await self._store.control.orders.order_row(result.order_id)
        if row is None or row.order.host_id != host_id:
            # An agent reports for its own host only.
            log.warning("host %s reports on order %r, which is not its own", host_id, result.order_id[:100])
        elif not await self._step(
            result.order_id, lambda now: machine.report(now, result), f"host:{host_id}"
        ):
            log.info("order %s: %s is reported again, or too late", result.order_id, result.outcome)

    async def _step(self, order_id: str, step: Step, actor: str) -> bool:
        """Makes a transition, computed again where another one came first; False: there is none."""
        while True:
            before = await self._store.control.orders.order_row(order_id)
            after = None if before is None else step(before)
            if before is None or after is None:
                return False
            if await self._record(before, after, actor):
                self._publish(after)
                return True

    async def _record(self, before: OrderRow, after: OrderRow, actor: str) -> bool:
        change, order = replacement(before, after), after.order
        if after.state == before.state:
            # It says more of the state, and is no transition.
            return await self._store.control.orders.apply(change)
        action = "order.delivered" if after.state == State.DELIVERED else "order.outcome"
        detail: dict[str, Any] = outcome_detail(order)
        return await self._audit.add_with(change, actor, action, order.host_id, order.outcome, **detail)

    def _publish(self, row: OrderRow) -> None:
        order = row.order
        self._bus.publish(news_of(order.order_id), order)
        if order.final:
            log.info("order %s: %s %s", order.order_id, order.outcome, order.detail)

    def _now_ms(self) -> int:
        return self._clock_ns() // 1_000_000


def _may_not_decide(order: Order, identity: Identity, groups: Collection[str]) -> ProblemError | None:
    if identity.rights.on(groups) < Role.OPERATOR:
        return ProblemError(403, "role_too_low", f"{identity.user} may not send orders to this host")
    if identity.user == order.actor:
        return ProblemError(403, "own_order", "you cannot approve an order that you asked for yourself")
    if identity.via != "cookie":
        return ProblemError(403, "person_needed", "a token cannot approve orders; sign in as a person")
    return None


def _unknown(order_id: str) -> ProblemError:
    return ProblemError(404, "order_unknown", f"there is no order {order_id[:100]!r}")


def _offline(host_id: str) -> ProblemError:
    return ProblemError(409, "host_offline", f"host {host_id} is not connected; an order needs its agent")
