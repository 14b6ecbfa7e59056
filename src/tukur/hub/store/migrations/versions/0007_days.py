"""Days as partitions, on MariaDB and MySQL. SQLite has none."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TABLES = (("block", "first_ms"), ("host_minute", "minute_ms"), ("process_minute", "minute_ms"))


def upgrade() -> None:
    """Forward only. One partition for all: the hub divides it, without which it would work just as well."""
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        return
    for table, time in _TABLES:
        inspector = sa.inspect(connection)
        # The server takes no foreign keys where there are partitions.
        for key in inspector.get_foreign_keys(table):
            op.drop_constraint(str(key["name"]), table, type_="foreignkey")
        key_columns = inspector.get_pk_constraint(table)["constrained_columns"]
        if time not in key_columns:
            # Whose blocks are stored once is seen to by who stores them: one writer, who looks first.
            columns = ", ".join([*key_columns, time])
            _change(connection, f"ALTER TABLE {table} DROP PRIMARY KEY, ADD PRIMARY KEY ({columns})")
        if not _is_partitioned(connection, table):
            _change(
                connection,
                f"ALTER TABLE {table} PARTITION BY RANGE ({time}) "
                "(PARTITION later VALUES LESS THAN MAXVALUE)",
            )


def _change(connection: sa.Connection, statement: str) -> None:
    connection.execute(sa.DDL(statement))  # type: ignore[no-untyped-call]


def _is_partitioned(connection: sa.Connection, table: str) -> bool:
    count = sa.text(
        "SELECT COUNT(partition_name) FROM information_schema.partitions "
        "WHERE table_schema = DATABASE() AND table_name = :name"
    )
    return bool(connection.execute(count, {"name": table}).scalar_one())
