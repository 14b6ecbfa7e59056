"""Orders beyond a signal to one process."""

import sqlalchemy as sa
from alembic import op

from tukur.hub.store.types import LONG_TEXT

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward only: a record is never migrated back."""
    for name, length, default in (
        ("verb", 16, "signal"),
        ("scope", 16, "process"),
        ("value", 32, ""),
        ("set_of", 1000, ""),
        ("respawned_unit", 255, ""),
    ):
        op.add_column("orders", sa.Column(name, sa.String(length), nullable=False, server_default=default))
    op.add_column("orders", sa.Column("freed", sa.BigInteger(), nullable=True))
    op.add_column("orders", sa.Column("members", LONG_TEXT, nullable=True))
    op.add_column("orders", sa.Column("more", sa.Integer(), nullable=False, server_default="0"))
