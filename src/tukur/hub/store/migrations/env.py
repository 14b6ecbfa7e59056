"""Alembic's entry: runs on the connection that ``migrate.migrate`` hands over."""

from alembic import context
from sqlalchemy import Table, event

from tukur.hub.store.migrations.mysql import as_ours
from tukur.hub.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite changes a column only by copying its table.
    render_as_batch=True,
    transaction_per_migration=True,
)
event.listen(Table, "before_create", as_ours)
try:
    with context.begin_transaction():
        context.run_migrations()
finally:
    event.remove(Table, "before_create", as_ours)
