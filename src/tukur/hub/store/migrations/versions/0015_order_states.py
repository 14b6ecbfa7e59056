"""Orders as a state machine: where each is, when it was sent, and when its state ends by itself."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_APPROVAL_MS = 600_000
_OUTCOME_MS = 18_000
"""What the versions before this one waited for."""


def upgrade() -> None:
    """Forward only: a record is never migrated back."""
    op.add_column("orders", sa.Column("state", sa.String(16), nullable=False, server_default="final"))
    op.add_column("orders", sa.Column("sent_ms", sa.BigInteger(), nullable=True))
    op.add_column("orders", sa.Column("deadline_ms", sa.BigInteger(), nullable=True))
    op.create_index("ix_orders_deadline_ms", "orders", ["deadline_ms"])
    orders = sa.table(
        "orders",
        *(sa.column(name) for name in ("outcome", "code", "state", "issued_ms", "deadline_ms")),
        sa.column("final", sa.Boolean()),
    )
    unfinished = orders.c.final.is_(False)
    waiting = orders.c.outcome == "waiting"
    steps = (
        (unfinished & waiting, "waiting", orders.c.issued_ms + _APPROVAL_MS),
        (unfinished & (orders.c.outcome == "pending"), "sent", orders.c.issued_ms + _OUTCOME_MS),
        (
            unfinished & ~orders.c.outcome.in_(["waiting", "pending"]),
            "delivered",
            orders.c.issued_ms + _OUTCOME_MS,
        ),
        (~unfinished & (orders.c.outcome == "no_answer") & (orders.c.code == ""), "unknown", None),
    )
    for which, state, deadline_ms in steps:
        op.execute(orders.update().where(which).values(state=state, deadline_ms=deadline_ms))
