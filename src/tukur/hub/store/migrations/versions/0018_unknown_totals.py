"""Totals of a life that nobody read are NULL: 0 is a measurement."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_TOTALS = ("cpu_ns", "rss_peak", "read_bytes", "write_bytes")


def upgrade() -> None:
    """Forward only: a record is never migrated back."""
    with op.batch_alter_table("process", table_kwargs={"sqlite_with_rowid": False}) as batch:
        for name in _TOTALS:
            batch.alter_column(name, existing_type=sa.BigInteger(), nullable=True)
    process = sa.table(
        "process",
        *(sa.column(name) for name in _TOTALS),
        sa.column("ended", sa.Boolean()),
        sa.column("gone_ns", sa.BigInteger()),
    )
    unread = process.c.ended.is_(False) | (process.c.gone_ns > 0)
    op.execute(process.update().where(unread).values(dict.fromkeys(_TOTALS)))
