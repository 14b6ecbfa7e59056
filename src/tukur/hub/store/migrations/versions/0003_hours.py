"""Hours, added up of minutes; how far a boot's blocks are merged."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

HOUR_MS = 3_600_000


def upgrade() -> None:
    """Forward only: a record is never migrated back."""
    op.create_table(
        "host_hour",
        sa.Column("host", sa.Integer(), nullable=False),
        sa.Column("hour_ms", sa.BigInteger(), nullable=False),
        sa.Column("figure", sa.String(length=32), nullable=False),
        sa.Column("low", sa.Double(), nullable=False),
        sa.Column("high", sa.Double(), nullable=False),
        sa.Column("total", sa.Double(), nullable=False),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["host"], ["host.id"], name=op.f("fk_host_hour_host_host")),
        sa.PrimaryKeyConstraint("host", "hour_ms", "figure", name=op.f("pk_host_hour")),
    )
    op.create_table(
        "process_hour",
        sa.Column("boot", sa.Integer(), nullable=False),
        sa.Column("hour_ms", sa.BigInteger(), nullable=False),
        sa.Column("start_ns", sa.BigInteger(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("cpu_ns", sa.BigInteger(), nullable=False),
        sa.Column("rss_peak", sa.BigInteger(), nullable=False),
        sa.Column("read_bytes", sa.BigInteger(), nullable=False),
        sa.Column("write_bytes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["boot"], ["boot.id"], name=op.f("fk_process_hour_boot_boot")),
        sa.PrimaryKeyConstraint("boot", "hour_ms", "start_ns", "pid", name=op.f("pk_process_hour")),
    )
    hours = op.create_table(
        "recorded_hour",
        sa.Column("host", sa.Integer(), nullable=False),
        sa.Column("hour_ms", sa.BigInteger(), nullable=False),
        sa.Column("stale", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["host"], ["host.id"], name=op.f("fk_recorded_hour_host_host")),
        sa.PrimaryKeyConstraint("host", "hour_ms", name=op.f("pk_recorded_hour")),
    )
    op.create_index("ix_recorded_hour_stale_hour_ms", "recorded_hour", ["stale", "hour_ms"], unique=False)
    op.add_column("boot", sa.Column("merged_ns", sa.BigInteger(), server_default="-1", nullable=False))
    minute = sa.table("host_minute", sa.column("host"), sa.column("minute_ms"))
    hour = minute.c.minute_ms - minute.c.minute_ms % HOUR_MS
    recorded = sa.select(minute.c.host, hour, sa.true()).distinct()
    op.execute(hours.insert().from_select(["host", "hour_ms", "stale"], recorded))
