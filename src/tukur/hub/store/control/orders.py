"""Orders as they are kept."""

from collections.abc import Collection
from typing import Any

import msgspec
from sqlalchemy import insert, select, update

from tukur.hub.models.order import Order, OrderMember
from tukur.hub.store.backends.database import Database, retry_on_conflict
from tukur.hub.store.schema import orders


def _row(order: Order) -> dict[str, Any]:
    row = msgspec.structs.asdict(order)
    row["start_ns"] = int(order.start_ns)
    row["set_of"] = row.pop("of")
    row["members"] = msgspec.json.encode(order.members).decode() if order.members else None
    return row


def _order(row: Any) -> Order:
    content = dict(row._mapping)  # noqa: SLF001 - a public name of SQLAlchemy's, in spite of its look
    content["start_ns"] = str(content["start_ns"])
    content["of"] = content.pop("set_of")
    content["members"] = msgspec.json.decode(content["members"] or b"[]", type=list[OrderMember])
    return Order(**content)


class OrderTable:
    """All methods raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @retry_on_conflict
    async def create_order(self, order: Order) -> None:
        """Keeps a new order."""
        async with self._database.write() as connection:
            await connection.execute(insert(orders), _row(order))

    @retry_on_conflict
    async def update_order(self, order: Order) -> None:
        """Keeps what is newly known of it."""
        async with self._database.write() as connection:
            changed = {name: value for name, value in _row(order).items() if name != "order_id"}
            await connection.execute(
                update(orders).where(orders.c.order_id == order.order_id).values(changed)
            )

    @retry_on_conflict
    async def decide(self, order_id: str, approver: str, outcome: str) -> bool:
        """Ends the waiting of an order; False: it does not wait, or somebody else has decided."""
        async with self._database.write() as connection:
            waiting = (orders.c.order_id == order_id) & (orders.c.outcome == "waiting")
            values = {"approver": approver, "outcome": outcome, "final": outcome == "declined"}
            return bool((await connection.execute(update(orders).where(waiting).values(values))).rowcount)

    async def get_order(self, order_id: str) -> Order | None:
        """One order."""
        async with self._database.read() as connection:
            row = (
                await connection.execute(select(orders).where(orders.c.order_id == order_id))
            ).one_or_none()
        return None if row is None else _order(row)

    async def list_orders(self, limit: int, hosts: Collection[str] | None = None) -> list[Order]:
        """The newest first, of all hosts or of these."""
        async with self._database.read() as connection:
            wanted = select(orders).order_by(orders.c.issued_ms.desc()).limit(limit)
            found = await connection.execute(
                wanted if hosts is None else wanted.where(orders.c.host_id.in_(hosts))
            )
            return [_order(row) for row in found]

    async def unfinished(self) -> list[str]:
        """The orders whose last word is not known yet."""
        async with self._database.read() as connection:
            found = await connection.execute(select(orders.c.order_id).where(orders.c.final.is_(False)))
            return [row.order_id for row in found]
