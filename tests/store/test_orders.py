"""Orders in the store: a change is made where the order is as it was read, together with its audit entry."""

import asyncio
from dataclasses import replace
from pathlib import Path

import msgspec

from tests.support.hub import HOST
from tests.support.record import BOOT
from tukur.hub.audit.log import AuditLog
from tukur.hub.models.order import Order
from tukur.hub.store.control.audit import AuditQuery
from tukur.hub.store.control.orders import OrderRow, insertion, replacement
from tukur.hub.store.store import Store
from tukur.protocol import auth


def new_row(order_id: str = "o1", deadline_ms: int | None = 2000) -> OrderRow:
    order = Order(
        order_id=order_id,
        host_id=HOST,
        boot_id=BOOT,
        pid=10,
        start_ns="1234",
        name="web",
        signal="TERM",
        actor="ada",
        reason="",
        issued_ms=1000,
        final=False,
        outcome="pending",
        members=[],
    )
    return OrderRow(order, "sent", 1000, deadline_ms)


def ended(row: OrderRow, outcome: str) -> OrderRow:
    order = msgspec.structs.replace(row.order, outcome=outcome, final=True)
    return replace(row, order=order, state="final", deadline_ms=None)


async def test_of_two_changes_of_the_same_row_one_is_made_and_has_its_entry(
    store: Store, tmp_path: Path
) -> None:
    audit = AuditLog(store.control.audit, tmp_path, auth.new_key())
    row = new_row()
    assert await audit.add_with(insertion(row), "ada", "order.issue", HOST)
    assert await store.control.orders.order_row("o1") == row
    changes = [(outcome, replacement(row, ended(row, outcome))) for outcome in ("exited", "alive", "gone")]
    made = await asyncio.gather(
        *(audit.add_with(change, "hub", "order.outcome", HOST, outcome) for outcome, change in changes)
    )
    assert sum(made) == 1
    (entry,) = await audit.find(AuditQuery(action="order.outcome"), 10)
    found = await store.control.orders.order_row("o1")
    assert found is not None
    assert found.order.outcome == entry.result == changes[made.index(True)][0]


async def test_due_orders_come_by_their_deadline_and_ended_ones_never(store: Store) -> None:
    rows = [new_row("a", 3000), new_row("b", 1000), new_row("c", None), new_row("d", 2000)]
    for row in rows:
        assert await store.control.orders.apply(insertion(row))
    assert await store.control.orders.next_deadline_ms() == 1000
    assert [row.order.order_id for row in await store.control.orders.due_orders(2000)] == ["b", "d"]
    assert not await store.control.orders.apply(replacement(ended(rows[1], "gone"), rows[1])), (
        "it is not as in `before`"
    )
    assert await store.control.orders.apply(replacement(rows[1], ended(rows[1], "gone")))
    assert [row.order.order_id for row in await store.control.orders.due_orders(2000)] == ["d"]
