"""How lives ended; lives told together; kills for want of memory; pods and slices."""

import sqlalchemy as sa
from alembic import op

from tukur.hub.store.types import LONG_TEXT

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward only: a record is never migrated back."""
    for name in ("lost_execs", "lost_lives", "lost_cpu_ns", "lost_finals"):
        op.add_column("block", sa.Column(name, sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("process", sa.Column("exact", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("process", sa.Column("exit_code", sa.SmallInteger(), nullable=True))
    op.add_column("process", sa.Column("exit_signal", sa.SmallInteger(), nullable=True))
    op.add_column("process", sa.Column("cause", sa.String(length=16), server_default="", nullable=False))
    op.create_index("ix_process_boot_last_ms", "process", ["boot", "last_ms"], unique=False)
    for name in ("pod", "slice"):
        op.add_column("image", sa.Column(name, sa.String(length=255), server_default="", nullable=False))
    op.create_table(
        "life_group",
        sa.Column("boot", sa.Integer(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("parent_start_ns", sa.BigInteger(), nullable=False),
        sa.Column("ppid", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("uid", sa.BigInteger(), nullable=False),
        sa.Column("lives", sa.BigInteger(), nullable=False),
        sa.Column("cpu_ns", sa.BigInteger(), nullable=False),
        sa.Column("rss_peak", sa.BigInteger(), nullable=False),
        sa.Column("read_bytes", sa.BigInteger(), nullable=False),
        sa.Column("write_bytes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["boot"], ["boot.id"], name=op.f("fk_life_group_boot_boot")),
        sa.PrimaryKeyConstraint(
            "boot", "at_ms", "parent_start_ns", "ppid", "name", "uid", name=op.f("pk_life_group")
        ),
    )
    op.create_table(
        "oom_kill",
        sa.Column("boot", sa.Integer(), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("start_ns", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("uid", sa.BigInteger(), nullable=False),
        sa.Column("constraint", sa.String(length=32), nullable=False),
        sa.Column("memcg", LONG_TEXT, nullable=False),
        sa.Column("task_memcg", LONG_TEXT, nullable=False),
        sa.Column("trigger", sa.String(length=255), nullable=False),
        sa.Column("rss", sa.BigInteger(), nullable=False),
        sa.Column("text", LONG_TEXT, nullable=False),
        sa.ForeignKeyConstraint(["boot"], ["boot.id"], name=op.f("fk_oom_kill_boot_boot")),
        sa.PrimaryKeyConstraint("boot", "at_ns", "pid", name=op.f("pk_oom_kill")),
    )
    op.create_index("ix_oom_kill_boot_at_ms", "oom_kill", ["boot", "at_ms"], unique=False)
