"""Users whom an OpenID provider vouches for."""

import sqlalchemy as sa
from alembic import op

from tukur.hub.store.types import HASH

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward only: a record is never migrated back."""
    op.add_column("user", sa.Column("subject", HASH, nullable=True))
    op.create_index("ix_user_subject", "user", ["subject"], unique=True)
