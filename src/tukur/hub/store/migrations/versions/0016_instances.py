"""Hosts that are virtual machines of an instance group: which they are, and whether the group has them."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward only: a record is never migrated back."""
    op.create_table(
        "instance",
        sa.Column("host", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("instance_id", sa.String(length=20), nullable=False),
        sa.Column("instance_name", sa.String(length=63), nullable=False),
        sa.Column("instance_group", sa.String(length=255), nullable=False),
        sa.Column("zone", sa.String(length=63), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False, server_default=""),
        sa.Column("reason", sa.String(length=32), nullable=False, server_default=""),
        sa.Column("asked_ms", sa.BigInteger(), nullable=False, server_default="0"),
        sa.ForeignKeyConstraint(["host"], ["host.id"], name=op.f("fk_instance_host_host")),
        sa.PrimaryKeyConstraint("host", name=op.f("pk_instance")),
        sa.UniqueConstraint("instance_id", name=op.f("uq_instance_instance_id")),
    )
