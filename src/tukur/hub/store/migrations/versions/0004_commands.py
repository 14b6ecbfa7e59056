"""What lives run, each once; its words."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from tukur.hub.store.search_tokens import command_hash, search_tokens
from tukur.hub.store.types import DIGEST, LONG_TEXT

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TEXTS = ("name", "uid", "user", "exe", "cmdline", "cgroup", "unit", "container", "pod", "slice")
_KEY = ("boot", "start_ns", "pid", "since_ns")
_READ = 1000


def upgrade() -> None:
    """Forward only: a record is never migrated back."""
    op.create_table(
        "command",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("hash", DIGEST, nullable=False),
        sa.Column("used_ms", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("uid", sa.BigInteger(), nullable=False),
        sa.Column("user", sa.String(length=255), nullable=False),
        sa.Column("exe", LONG_TEXT, nullable=False),
        sa.Column("cmdline", LONG_TEXT, nullable=False),
        sa.Column("cgroup", LONG_TEXT, nullable=False),
        sa.Column("unit", sa.String(length=255), nullable=False),
        sa.Column("container", sa.String(length=255), nullable=False),
        sa.Column("pod", sa.String(length=255), nullable=False),
        sa.Column("slice", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_command")),
        sa.UniqueConstraint("hash", name=op.f("uq_command_hash")),
    )
    for name in ("user", "unit", "used_ms"):
        op.create_index(f"ix_command_{name}", "command", [name], unique=False)
    op.create_table(
        "command_word",
        sa.Column("word", sa.String(length=32), nullable=False),
        sa.Column("command", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["command"], ["command.id"], name=op.f("fk_command_word_command_command")),
        sa.PrimaryKeyConstraint("word", "command", name=op.f("pk_command_word")),
    )
    op.create_index("ix_command_word_command", "command_word", ["command"], unique=False)
    # Each of these may have been the last that was done, where a change of the schema is committed at once.
    inspector = sa.inspect(op.get_bind())
    if "image" in inspector.get_table_names() and "cmdline" in _names(inspector.get_columns("image")):
        _make_images()
        _move()
        op.drop_table("image")
    if "image_of_command" in sa.inspect(op.get_bind()).get_table_names():
        op.rename_table("image_of_command", "image")
    op.create_index("ix_image_command_since_ms", "image", ["command", "since_ms"], unique=False)
    op.create_index("ix_image_boot_since_ms", "image", ["boot", "since_ms"], unique=False)


def _names(columns: Sequence[Mapping[str, Any]]) -> set[str]:
    return {column["name"] for column in columns}


def _make_images() -> None:
    # A server knows a foreign key by its name alone, and the old table has these.
    prefix = "fk_image" if op.get_bind().dialect.name == "sqlite" else "fk_image_of_command"
    op.create_table(
        "image_of_command",
        sa.Column("boot", sa.Integer(), nullable=False),
        sa.Column("start_ns", sa.BigInteger(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("since_ns", sa.BigInteger(), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("command", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["boot"], ["boot.id"], name=op.f(f"{prefix}_boot_boot")),
        sa.ForeignKeyConstraint(["command"], ["command.id"], name=op.f(f"{prefix}_command_command")),
        sa.PrimaryKeyConstraint("boot", "start_ns", "pid", "since_ns", name=op.f("pk_image")),
    )


def _move() -> None:
    connection = op.get_bind()
    tables = sa.MetaData()
    tables.reflect(connection, only=["image", "image_of_command", "command", "command_word"])
    # Rows of a run before this one that came no further.
    for name in ("image_of_command", "command_word", "command"):
        connection.execute(tables.tables[name].delete())
    known: dict[bytes, int] = {}
    for rows in _rows(connection, tables.tables["image"]):
        images = []
        for row in rows:
            texts = {name: row[name] for name in _TEXTS}
            digest = command_hash(texts)
            if digest not in known:
                known[digest] = _command(
                    connection, tables, {**texts, "hash": digest, "used_ms": row["since_ms"]}
                )
            images.append({**{name: row[name] for name in (*_KEY, "since_ms")}, "command": known[digest]})
        connection.execute(tables.tables["image_of_command"].insert(), images)


def _command(connection: sa.Connection, tables: sa.MetaData, values: dict[str, Any]) -> int:
    command = tables.tables["command"]
    connection.execute(command.insert().values(values))
    found = connection.execute(sa.select(command.c.id).where(command.c.hash == values["hash"]))
    number = int(found.scalar_one())
    words = search_tokens(values)
    if words:
        rows = [{"word": word, "command": number} for word in words]
        connection.execute(tables.tables["command_word"].insert(), rows)
    return number


def _rows(connection: sa.Connection, image: sa.Table) -> Iterator[Sequence[Mapping[str, Any]]]:
    """All rows in the order of the key, some at a time."""
    key = [image.c[name] for name in _KEY]
    after: tuple[int, ...] = (-1, -1, -1, -1)
    while True:
        wanted = sa.select(image).where(sa.tuple_(*key) > sa.tuple_(*after)).order_by(*key).limit(_READ)
        rows: Sequence[Mapping[str, Any]] = connection.execute(wanted).mappings().all()  # type: ignore[assignment]
        if not rows:
            return
        yield rows
        after = tuple(rows[-1][name] for name in _KEY)
