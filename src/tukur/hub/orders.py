"""Orders: signed here, carried out at the host, followed to what was observed."""

import asyncio
import logging
import os
import time
import uuid

import msgspec
from litestar.exceptions import WebSocketDisconnect

from tukur.hub.api.keys import process_key
from tukur.hub.api.models import Order, OrderRequest
from tukur.hub.audit.log import AuditLog
from tukur.hub.auth.identity import Identity
from tukur.hub.bus import ORDER_RESULTS, Bus, NobodyThereError, agent_of, news_of
from tukur.hub.errors import ProblemError
from tukur.hub.order_key import OrderKey
from tukur.hub.presence import Presence
from tukur.hub.store.store import Store
from tukur.protocol import auth, messages
from tukur.protocol.messages import OrderBody, OrderResult, ProcessKey

log = logging.getLogger(__name__)

EXPIRES_S = 10
"""A signed order is good for this long."""
OBSERVED_S = 8
"""How long after its expiry an agent may still tell the outcome."""


class Orders:
    """Issues orders and keeps what becomes of them."""

    def __init__(self, store: Store, bus: Bus, presence: Presence, audit: AuditLog, key: OrderKey) -> None:
        self._audit = audit
        self._store = store
        self._bus = bus
        self._presence = presence
        self._key = key
        self._deadlines: set[asyncio.Task[None]] = set()

    async def issue(self, host_id: str, request: OrderRequest, actor: str, origin: str) -> Order:
        """Stores, signs and sends an order; `origin`: the address that it came from.

        Raises ProblemError: 400, 404 unknown host, 409 offline.
        """
        target = process_key(request.boot_id, request.pid, request.start_ns)
        if await self._store.enrolments.key(host_id) is None:
            raise ProblemError(404, "host_unknown", f"there is no host {host_id!r}")
        if not self._presence.online(host_id):
            raise _offline(host_id)
        issued = time.time_ns()
        order = Order(
            order_id=str(uuid.uuid4()),
            host_id=host_id,
            boot_id=request.boot_id,
            pid=request.pid,
            start_ns=request.start_ns,
            name=await self._store.process_name(host_id, request.boot_id, request.pid, target.start_ns),
            signal=request.signal,
            actor=actor,
            reason=request.reason,
            issued_ms=issued // 1_000_000,
            final=False,
            outcome="pending",
        )
        # Before it is sent: whatever an order did, it is in the record.
        await self._store.create_order(order)
        signed = self._sign(order, issued)
        await self._audit.add(
            actor,
            "order.issue",
            host_id,
            origin=origin,
            signal=order.signal,
            pid=order.pid,
            name=order.name,
            reason=order.reason,
            order_id=order.order_id,
            boot_id=order.boot_id,
            start_ns=order.start_ns,
            body=signed.body.hex(),
            signature=signed.signature.hex(),
        )
        log.info(
            "order %s by %s: %s to PID %d on %s", order.order_id, actor, order.signal, order.pid, host_id
        )
        try:
            await self._bus.request(agent_of(host_id), signed, seconds=EXPIRES_S)
        except (NobodyThereError, TimeoutError, WebSocketDisconnect, RuntimeError) as error:
            await self._settle(order, outcome="no_answer", final=True, code="host_offline")
            raise _offline(host_id) from error
        self._limit(order.order_id)
        return order

    def _limit(self, order_id: str) -> None:
        """Sees to it that the order gets a last word, if only that there is none."""
        deadline = asyncio.create_task(self._give_up(order_id))
        self._deadlines.add(deadline)
        deadline.add_done_callback(self._deadlines.discard)

    def _sign(self, order: Order, issued: int) -> messages.Order:
        # By the clock that the agent will hold them against.
        issued -= self._presence.shift_ns(order.host_id)
        body = msgspec.msgpack.encode(
            OrderBody(
                order_id=order.order_id,
                host_id=order.host_id,
                target=ProcessKey(order.boot_id, order.pid, int(order.start_ns)),
                signal=order.signal,
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
            if order is None or not identity.sees(await self._store.enrolments.groups(order.host_id)):
                raise ProblemError(404, "order_unknown", f"there is no order {order_id[:100]!r}")
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
                self._limit(order_id)
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
            for name in ("code", "detail", "after_ms", "exit_code", "exit_signal", "respawned_pid")
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

    async def _give_up(self, order_id: str) -> None:
        await asyncio.sleep(EXPIRES_S + OBSERVED_S)
        order = await self._store.get_order(order_id)
        if order is not None and not order.final:
            await self._settle(
                order, outcome="no_answer", final=True, detail="the host has not told what happened"
            )


def _offline(host_id: str) -> ProblemError:
    return ProblemError(409, "host_offline", f"host {host_id} is not connected; an order needs its agent")
