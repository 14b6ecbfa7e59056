"""Join tokens; hosts that are revoked; whoever came with a key that another machine used."""

import sqlalchemy as sa
from alembic import op

from tukur.hub.store.types import HASH

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward only: a record is never migrated back."""
    op.create_table(
        "join_token",
        sa.Column("hash", HASH, nullable=False),
        sa.Column("label", sa.String(length=100), nullable=False),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("uses_left", sa.Integer(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_join_token")),
        sa.UniqueConstraint("label", name=op.f("uq_join_token_label")),
    )
    op.create_table(
        "held",
        sa.Column("host", sa.Integer(), nullable=False),
        sa.Column("boot_id", sa.String(length=36), nullable=False),
        sa.Column("hostname", sa.String(length=255), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("first_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["host"], ["host.id"], name=op.f("fk_held_host_host")),
        sa.PrimaryKeyConstraint("host", "boot_id", name=op.f("pk_held")),
    )
    op.add_column("host", sa.Column("revoked_ms", sa.BigInteger(), nullable=True))
    op.add_column("host", sa.Column("only_boot", sa.String(length=36), nullable=True))
