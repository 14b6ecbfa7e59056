"""Orders as they are stored: each change is made on the condition of what was there before it."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from tukur.hub.models.order import Order, OrderMember
from tukur.hub.store.backends.database import Database, retry_on_conflict
from tukur.hub.store.control.change import Change
from tukur.hub.store.schema import orders


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order with what only the hub needs to know of it."""

    order: Order
    """As it is shown."""
    state: str
    """See ``tukur.hub.orders.machine.State``."""
    sent_ms: int | None
    """When it was handed to the agent's connection; None: it was not."""
    deadline_ms: int | None
    """When this state ends by itself; None: never."""


def _values(row: OrderRow) -> dict[str, Any]:
    order = row.order
    values = msgspec.structs.asdict(order)
    values["start_ns"] = int(order.start_ns)
    values["set_of"] = values.pop("of")
    values["members"] = msgspec.json.encode(order.members).decode() if order.members else None
    return {**values, "state": str(row.state), "sent_ms": row.sent_ms, "deadline_ms": row.deadline_ms}


def _row(found: Any) -> OrderRow:
    content = dict(found._mapping)  # noqa: SLF001 - a public name of SQLAlchemy's, in spite of its look
    state, sent_ms, deadline_ms = (content.pop(name) for name in ("state", "sent_ms", "deadline_ms"))
    content["start_ns"] = str(content["start_ns"])
    content["of"] = content.pop("set_of")
    content["members"] = msgspec.json.decode(content["members"] or b"[]", type=list[OrderMember])
    return OrderRow(Order(**content), state, sent_ms, deadline_ms)


def insertion(row: OrderRow) -> Change:
    """Stores a new order."""

    async def change(connection: AsyncConnection) -> bool:
        await connection.execute(insert(orders), _values(row))
        return True

    return change


def replacement(before: OrderRow, after: OrderRow) -> Change:
    """Stores `after` where the order is still as it was in `before`; it matters who comes first."""
    changed = {name: value for name, value in _values(after).items() if name != "order_id"}
    # What any change changes at least one of.
    unchanged = (
        (orders.c.order_id == before.order.order_id)
        & (orders.c.state == str(before.state))
        & (orders.c.outcome == before.order.outcome)
        & (orders.c.code == before.order.code)
    )

    async def change(connection: AsyncConnection) -> bool:
        return bool((await connection.execute(update(orders).where(unchanged).values(changed))).rowcount)

    return change


class OrderTable:
    """All methods raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @retry_on_conflict
    async def apply(self, change: Change) -> bool:
        """Makes a change by itself; False: its condition did not hold, and nothing was changed."""
        async with self._database.write() as connection:
            return await change(connection)

    async def order_row(self, order_id: str) -> OrderRow | None:
        """One order."""
        async with self._database.read() as connection:
            row = (
                await connection.execute(select(orders).where(orders.c.order_id == order_id))
            ).one_or_none()
        return None if row is None else _row(row)

    async def list_orders(self, limit: int, hosts: Collection[str] | None = None) -> list[Order]:
        """The newest first, of all hosts or of these."""
        async with self._database.read() as connection:
            wanted = select(orders).order_by(orders.c.issued_ms.desc()).limit(limit)
            found = await connection.execute(
                wanted if hosts is None else wanted.where(orders.c.host_id.in_(hosts))
            )
            return [_row(row).order for row in found]

    async def due_orders(self, now_ms: int) -> list[OrderRow]:
        """The orders whose deadline has passed."""
        wanted = select(orders).where(orders.c.deadline_ms <= now_ms).order_by(orders.c.deadline_ms)
        async with self._database.read() as connection:
            return [_row(row) for row in await connection.execute(wanted)]

    async def next_deadline_ms(self) -> int | None:
        """The earliest deadline of all orders; None: no order has one."""
        async with self._database.read() as connection:
            found = (await connection.execute(select(func.min(orders.c.deadline_ms)))).scalar_one()
        return None if found is None else int(found)
