"""Gaps that agents tell; runs of agents, so that blocks may come in any order."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward only: a record is never migrated back."""
    op.create_table(
        "gap",
        sa.Column("boot", sa.Integer(), nullable=False),
        sa.Column("first_ns", sa.BigInteger(), nullable=False),
        sa.Column("last_ns", sa.BigInteger(), nullable=False),
        sa.Column("first_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
        sa.Column("blocks", sa.BigInteger(), nullable=False),
        sa.Column("samples", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["boot"], ["boot.id"], name=op.f("fk_gap_boot_boot")),
        sa.PrimaryKeyConstraint("boot", "first_ns", name=op.f("pk_gap")),
    )
    op.create_index("ix_gap_boot_last_ms", "gap", ["boot", "last_ms"], unique=False)
    op.create_table(
        "run",
        sa.Column("boot", sa.Integer(), nullable=False),
        sa.Column("first_ns", sa.BigInteger(), nullable=False),
        sa.Column("first_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["boot"], ["boot.id"], name=op.f("fk_run_boot_boot")),
        sa.PrimaryKeyConstraint("boot", "first_ns", name=op.f("pk_run")),
    )
    op.add_column("process", sa.Column("run_ns", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("process", sa.Column("gone_ns", sa.BigInteger(), nullable=False, server_default="0"))
