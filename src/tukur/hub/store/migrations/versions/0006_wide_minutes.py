"""One row for each minute and hour of a host, in place of one for each figure."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_FIGURES = (
    *("cpu", "cpu_user", "cpu_system", "cpu_iowait", "cpu_steal"),
    *("mem_total", "mem_used", "mem_available", "mem_cached", "mem_free", "swap_total", "swap_used"),
    *("load1", "load5", "load15", "psi_cpu", "psi_memory", "psi_io"),
    *("disk_read", "disk_write", "net_rx", "net_tx", "uptime_s", "processes"),
)
_PARTS = ("low", "high", "total")


def upgrade() -> None:
    """Forward only: a record is never migrated back."""
    for table, time in (("host_minute", "minute_ms"), ("host_hour", "hour_ms")):
        wide = f"{table}_wide"
        # Each of these may have been the last that was done, where a change is committed at once.
        inspector = sa.inspect(op.get_bind())
        if table in inspector.get_table_names() and "figure" in {
            column["name"] for column in inspector.get_columns(table)
        }:
            _make(table, time)
            _move(table, wide, time)
            op.drop_table(table)
        if wide in sa.inspect(op.get_bind()).get_table_names():
            op.rename_table(wide, table)


def _make(table: str, time: str) -> None:
    op.create_table(
        f"{table}_wide",
        sa.Column("host", sa.Integer(), nullable=False),
        sa.Column(time, sa.BigInteger(), nullable=False),
        sa.Column("samples", sa.Integer(), nullable=False),
        *(
            sa.Column(f"{figure}_{part}", sa.Double(), nullable=True)
            for figure in _FIGURES
            for part in _PARTS
        ),
        # The name that the old table has is taken, where names belong to the whole database.
        sa.ForeignKeyConstraint(["host"], ["host.id"], name=op.f(f"fk_{table}_wide_host")),
        sa.PrimaryKeyConstraint("host", time, name=op.f(f"pk_{table}")),
    )


def _move(table: str, wide: str, time: str) -> None:
    names = ("figure", "samples", *_PARTS)
    old = sa.table(table, sa.column("host"), sa.column(time), *(sa.column(name) for name in names))
    new = sa.table(
        wide,
        *(sa.column(name) for name in ("host", time, "samples")),
        *(sa.column(f"{figure}_{part}") for figure in _FIGURES for part in _PARTS),
    )
    # Rows of a run before this one that came no further.
    op.execute(new.delete())
    told = [
        sa.func.max(sa.case((old.c.figure == figure, old.c[part]))) for figure in _FIGURES for part in _PARTS
    ]
    rows = sa.select(old.c.host, old.c[time], sa.func.max(old.c.samples), *told).group_by(
        old.c.host, old.c[time]
    )
    op.execute(new.insert().from_select([column.name for column in new.columns], rows))
