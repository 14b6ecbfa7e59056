"""Small rows of the embedded database lie in the order of their key, without a second copy of it."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_TABLES = ("process", "command_word", "process_minute", "process_hour", "life_group")


def upgrade() -> None:
    """Forward only: a record is never migrated back."""
    # Servers keep rows so anyway.
    if op.get_bind().dialect.name == "sqlite":
        for table in _TABLES:
            with op.batch_alter_table(table, recreate="always", table_kwargs={"sqlite_with_rowid": False}):
                pass
