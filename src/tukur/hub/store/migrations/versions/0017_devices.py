"""What each disk and interface did, by minute and hour; the ARC of ZFS among the host's figures."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward only: a record is never migrated back."""
    for table in ("host_minute", "host_hour"):
        for part in ("low", "high", "total"):
            op.add_column(table, sa.Column(f"mem_arc_{part}", sa.Double(), nullable=True))
    for table, time in (("device_minute", "minute_ms"), ("device_hour", "hour_ms")):
        op.create_table(
            table,
            sa.Column("host", sa.Integer(), nullable=False),
            sa.Column(time, sa.BigInteger(), nullable=False),
            sa.Column("device", sa.String(length=100), nullable=False),
            sa.Column("samples", sa.Integer(), nullable=False),
            sa.Column("read_total", sa.Double(), nullable=False),
            sa.Column("read_high", sa.Double(), nullable=False),
            sa.Column("write_total", sa.Double(), nullable=False),
            sa.Column("write_high", sa.Double(), nullable=False),
            sa.Column("busy_total", sa.Double(), nullable=True),
            sa.Column("busy_high", sa.Double(), nullable=True),
            sa.ForeignKeyConstraint(["host"], ["host.id"], name=op.f(f"fk_{table}_host_host")),
            sa.PrimaryKeyConstraint("host", time, "device", name=op.f(f"pk_{table}")),
            sqlite_with_rowid=False,
        )
