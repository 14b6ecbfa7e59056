"""Passwords, second factors, and sessions that tell where they are."""

import sqlalchemy as sa
from alembic import op

from tukur.hub.store.types import HASH

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward only: a record is never migrated back."""
    op.add_column("user", sa.Column("disabled", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("user", sa.Column("password", sa.String(255), nullable=True))
    op.add_column("user", sa.Column("totp", sa.String(255), nullable=True))
    op.add_column("user", sa.Column("totp_step", sa.BigInteger(), nullable=True))
    op.create_table(
        "recovery_code",
        sa.Column("user_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("hash", HASH, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_recovery_code_user_id_user")),
        sa.PrimaryKeyConstraint("user_id", "hash", name=op.f("pk_recovery_code")),
        sqlite_with_rowid=False,
    )
    op.add_column("session", sa.Column("used_ms", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("session", sa.Column("via", sa.String(16), nullable=False, server_default="link"))
    op.add_column("session", sa.Column("address", sa.String(64), nullable=False, server_default=""))
    op.add_column("session", sa.Column("browser", sa.String(100), nullable=False, server_default=""))
    op.execute("UPDATE session SET used_ms = created_ms")
