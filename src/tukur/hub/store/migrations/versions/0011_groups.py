"""Groups of hosts, roles on them, and orders that a second person approves."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward only: a record is never migrated back."""
    op.add_column("host", sa.Column("group_names", sa.String(1000), nullable=False, server_default=""))
    op.add_column(
        "host", sa.Column("needs_approval", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    for table in ("user", "token"):
        op.add_column(table, sa.Column("grants", sa.String(2000), nullable=False, server_default=""))
    op.add_column("orders", sa.Column("approver", sa.String(255), nullable=False, server_default=""))
