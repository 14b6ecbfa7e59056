"""The first tables."""

import sqlalchemy as sa
from alembic import op

from tukur.hub.store.types import BLOB, HASH, LONG_TEXT

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward only: a record is never migrated back."""
    op.create_table(
        "host",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("host_id", sa.String(length=36), nullable=False),
        sa.Column("public_key", HASH, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("facts", LONG_TEXT, nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("seen_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_host")),
        sa.UniqueConstraint("host_id", name=op.f("uq_host_host_id")),
    )
    op.create_table(
        "orders",
        sa.Column("order_id", sa.String(length=36), nullable=False),
        sa.Column("host_id", sa.String(length=36), nullable=False),
        sa.Column("boot_id", sa.String(length=36), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("start_ns", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("signal", sa.String(length=16), nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("issued_ms", sa.BigInteger(), nullable=False),
        sa.Column("final", sa.Boolean(), nullable=False),
        sa.Column("outcome", sa.String(length=32), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("detail", LONG_TEXT, nullable=False),
        sa.Column("after_ms", sa.Double(), nullable=True),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("exit_signal", sa.Integer(), nullable=True),
        sa.Column("respawned_pid", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_orders")),
    )
    op.create_index(op.f("ix_orders_issued_ms"), "orders", ["issued_ms"], unique=False)
    op.create_table(
        "token",
        sa.Column("hash", HASH, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_token")),
        sa.UniqueConstraint("name", name=op.f("uq_token_name")),
    )
    op.create_table(
        "user",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user")),
        sa.UniqueConstraint("name", name=op.f("uq_user_name")),
    )
    op.create_table(
        "boot",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("host", sa.Integer(), nullable=False),
        sa.Column("boot_id", sa.String(length=36), nullable=False),
        sa.Column("booted_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["host"], ["host.id"], name=op.f("fk_boot_host_host")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_boot")),
    )
    op.create_index("ix_boot_host_boot_id", "boot", ["host", "boot_id"], unique=True)
    op.create_table(
        "host_minute",
        sa.Column("host", sa.Integer(), nullable=False),
        sa.Column("minute_ms", sa.BigInteger(), nullable=False),
        sa.Column("figure", sa.String(length=32), nullable=False),
        sa.Column("low", sa.Double(), nullable=False),
        sa.Column("high", sa.Double(), nullable=False),
        sa.Column("total", sa.Double(), nullable=False),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["host"], ["host.id"], name=op.f("fk_host_minute_host_host")),
        sa.PrimaryKeyConstraint("host", "minute_ms", "figure", name=op.f("pk_host_minute")),
    )
    op.create_table(
        "session",
        sa.Column("hash", HASH, nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_session_user_id_user")),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_session")),
    )
    op.create_table(
        "sign_in_link",
        sa.Column("hash", HASH, nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_sign_in_link_user_id_user")),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_sign_in_link")),
    )
    op.create_table(
        "block",
        sa.Column("boot", sa.Integer(), nullable=False),
        sa.Column("first_ns", sa.BigInteger(), nullable=False),
        sa.Column("last_ns", sa.BigInteger(), nullable=False),
        sa.Column("host", sa.Integer(), nullable=False),
        sa.Column("first_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
        sa.Column("samples", sa.SmallInteger(), nullable=False),
        sa.Column("lives", sa.Integer(), nullable=False),
        sa.Column("missed", sa.Integer(), nullable=False),
        sa.Column("host_columns", BLOB, nullable=False),
        sa.Column("tasks", BLOB, nullable=False),
        sa.ForeignKeyConstraint(["boot"], ["boot.id"], name=op.f("fk_block_boot_boot")),
        sa.ForeignKeyConstraint(["host"], ["host.id"], name=op.f("fk_block_host_host")),
        sa.PrimaryKeyConstraint("boot", "first_ns", name=op.f("pk_block")),
    )
    op.create_index("ix_block_host_last_ms", "block", ["host", "last_ms"], unique=False)
    op.create_table(
        "image",
        sa.Column("boot", sa.Integer(), nullable=False),
        sa.Column("start_ns", sa.BigInteger(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("since_ns", sa.BigInteger(), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("uid", sa.BigInteger(), nullable=False),
        sa.Column("user", sa.String(length=255), nullable=False),
        sa.Column("exe", LONG_TEXT, nullable=False),
        sa.Column("cmdline", LONG_TEXT, nullable=False),
        sa.Column("cgroup", LONG_TEXT, nullable=False),
        sa.Column("unit", sa.String(length=255), nullable=False),
        sa.Column("container", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(["boot"], ["boot.id"], name=op.f("fk_image_boot_boot")),
        sa.PrimaryKeyConstraint("boot", "start_ns", "pid", "since_ns", name=op.f("pk_image")),
    )
    op.create_table(
        "process",
        sa.Column("boot", sa.Integer(), nullable=False),
        sa.Column("start_ns", sa.BigInteger(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("ppid", sa.Integer(), nullable=False),
        sa.Column("kthread", sa.Boolean(), nullable=False),
        sa.Column("first_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=True),
        sa.Column("ended", sa.Boolean(), nullable=False),
        sa.Column("cpu_ns", sa.BigInteger(), nullable=False),
        sa.Column("rss_peak", sa.BigInteger(), nullable=False),
        sa.Column("read_bytes", sa.BigInteger(), nullable=False),
        sa.Column("write_bytes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["boot"], ["boot.id"], name=op.f("fk_process_boot_boot")),
        sa.PrimaryKeyConstraint("boot", "start_ns", "pid", name=op.f("pk_process")),
    )
    op.create_table(
        "process_minute",
        sa.Column("boot", sa.Integer(), nullable=False),
        sa.Column("minute_ms", sa.BigInteger(), nullable=False),
        sa.Column("start_ns", sa.BigInteger(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("cpu_ns", sa.BigInteger(), nullable=False),
        sa.Column("rss_peak", sa.BigInteger(), nullable=False),
        sa.Column("read_bytes", sa.BigInteger(), nullable=False),
        sa.Column("write_bytes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["boot"], ["boot.id"], name=op.f("fk_process_minute_boot_boot")),
        sa.PrimaryKeyConstraint("boot", "minute_ms", "start_ns", "pid", name=op.f("pk_process_minute")),
    )
