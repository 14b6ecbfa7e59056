"""A record of an older version is brought forward, with all that is in it, on each database."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from tests.support.hub import HOST, KEYS
from tests.support.mariadb import MariaDb
from tests.support.record import BOOT, WALL, Machine
from tukur.hub.store import migrate
from tukur.hub.store.backends.address import ServerAddress
from tukur.hub.store.backends.database import Database
from tukur.hub.store.backends.engine import Backend
from tukur.hub.store.backends.mysql import MysqlServer
from tukur.hub.store.backends.sqlite import DATABASE, SqliteFile
from tukur.hub.store.errors import DamagedError, NewerVersionError
from tukur.hub.store.maintenance.partitions import PARTITIONED
from tukur.hub.store.record.rollups import HOUR_MS
from tukur.hub.store.schema import metadata
from tukur.hub.store.store import Store
from tukur.protocol import auth

CONFIG = Config()
CONFIG.set_main_option("script_location", str(migrate._MIGRATIONS))
REVISIONS = [script.revision for script in ScriptDirectory.from_config(CONFIG).walk_revisions()][::-1]

FIRST_ROWS = f"""
    insert into host (id, host_id, public_key, name, created_ms) values (1, '{HOST}', x'00', 'owl', 0);
    insert into boot (id, host, boot_id, booted_ms) values (1, 1, '{BOOT}', 1000);
    insert into process (boot, start_ns, pid, ppid, kthread, first_ms, last_ms, ended, cpu_ns, rss_peak,
        read_bytes, write_bytes) values (1, 500, 7, 1, 0, 1000, 2000, 1, 5, 6, 7, 8);
    insert into process (boot, start_ns, pid, ppid, kthread, first_ms, ended, cpu_ns, rss_peak, read_bytes,
        write_bytes) values (1, 600, 8, 1, 0, 1000, 0, 0, 0, 0, 0);
    {{image}}
    insert into block (boot, first_ns, last_ns, host, first_ms, last_ms, samples, lives, missed,
        host_columns, tasks) values (1, 100, 900, 1, 1000, 2000, 9, 2, 0, x'00', x'00');
    {{minute}}
    insert into process_minute values (1, 0, 500, 7, 5, 6, 7, 8);
"""
"""A row of each kind that the first version kept; whatever came later has its default."""
IMAGES = {
    "0001": """insert into image (boot, start_ns, pid, since_ns, since_ms, name, uid, user, exe, cmdline,
        cgroup, unit, container)
        values (1, 500, 7, 500, 1000, 'sh', 0, 'root', '/bin/sh', 'sh', '/', '', '');""",
    "0004": """insert into command (id, hash, used_ms, name, uid, user, exe, cmdline, cgroup, unit, container,
        pod, slice) values (1, x'01', 1000, 'sh', 0, 'root', '/bin/sh', 'sh', '/', '', '', '', '');
        insert into image (boot, start_ns, pid, since_ns, since_ms, command)
        values (1, 500, 7, 500, 1000, 1);""",
}
"""From which version on an image is kept how; likewise the next."""
MINUTES = {
    "0001": """insert into host_minute values (1, 0, 'load1', 1, 2, 3, 2);
        insert into host_minute values (1, 0, 'cpu', 0.25, 0.5, 0.75, 2);""",
    "0006": """insert into host_minute (host, minute_ms, samples, load1_low, load1_high, load1_total, cpu_low,
        cpu_high, cpu_total) values (1, 0, 2, 1, 2, 3, 0.25, 0.5, 0.75);""",
}


def backend_of(folder: Path, server: ServerAddress | None) -> Backend:
    return SqliteFile(folder / DATABASE) if server is None else MysqlServer(server)


async def run(backend: Backend, work: Any, *arguments: Any) -> Any:
    """Calls work(connection, *arguments) and commits."""
    database = Database(backend)
    try:
        async with database.write() as connection:
            return await connection.run_sync(work, *arguments)
    finally:
        await database.close()


def upgrade(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(migrate._MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def execute(connection: Connection, statements: Sequence[str]) -> None:
    for statement in statements:
        connection.execute(text(statement))


def first_rows(revision: str) -> list[str]:
    """Statements that a database of this version takes."""
    image = IMAGES[max(since for since in IMAGES if since <= revision)]
    minute = MINUTES[max(since for since in MINUTES if since <= revision)]
    rows = FIRST_ROWS.format(image=image, minute=minute)
    return [part.strip() for part in rows.split(";") if part.strip()]


@pytest.mark.parametrize("revision", REVISIONS)
async def test_a_record_of_each_version_is_brought_forward_with_its_rows(
    tmp_path: Path, server: ServerAddress | None, revision: str
) -> None:
    backend = backend_of(tmp_path, server)
    await run(backend, upgrade, revision)
    await run(backend, execute, first_rows(revision))
    for _ in range(2):
        store = await Store.open(tmp_path, server)
        try:
            assert [host.host_id for host in await store.hosts()] == [HOST]
            (row,) = await store.facts.exits.ended([1], 0, 10_000, "all", 10, None)
            assert (row.pid, row.exact, row.exit_code, row.exit_signal) == (7, False, None, None)
            image = (await store.facts.images.at(1, [500], 2**62))[(500, 7)]
            assert (image.name, image.user, image.pod, image.slice) == ("sh", "root", "", "")
            assert await store.facts.images.name_of(HOST, BOOT, 7, 500) == "sh"
            (minute,) = await store.facts.rollups.figures(1, 0, 60_000, coarse=False)
            assert (minute.samples, minute.load1_total, minute.cpu_low, minute.cpu_high) == (2, 3, 0.25, 0.5)
            assert [block.tasks for block in await store.facts.blocks.between(1, 0, 10_000, tasks=True)] == [
                b"\0"
            ]
            lost = await store.facts.exits.lost(1, 0, 10_000)
            assert (lost.lives, lost.cpu_ns) == (0, 0)
            (sums,) = await store.facts.rollups.process_sums(1, 0, HOUR_MS)
            assert tuple(sums) == (1, 500, 7, 5, 6, 7, 8)
        finally:
            await store.close()


async def test_orders_of_an_older_version_get_their_state_and_deadline(
    tmp_path: Path, server: ServerAddress | None
) -> None:
    backend = backend_of(tmp_path, server)
    await run(backend, upgrade, "0014")
    orders = [
        ("waiting", 0, "", "waiting", 600_000),
        ("pending", 0, "", "sent", 18_000),
        ("delivered", 0, "", "delivered", 18_000),
        ("exited", 1, "", "final", None),
        ("no_answer", 1, "", "unknown", None),
        ("no_answer", 1, "host_offline", "final", None),
    ]
    statements = [
        f"""insert into orders (order_id, host_id, boot_id, pid, start_ns, name, `signal`, actor, reason,
            issued_ms, final, outcome, code, detail)
            values ('{at}', '{HOST}', '{BOOT}', 7, 500, 'sh', 'TERM', 'ada', '', 1000, {final}, '{outcome}',
            '{code}', '')"""
        for at, (outcome, final, code, _, _) in enumerate(orders)
    ]
    await run(backend, execute, statements)
    store = await Store.open(tmp_path, server)
    try:
        for at, (outcome, _, _, state, left_ms) in enumerate(orders):
            row = await store.control.orders.order_row(str(at))
            assert row is not None
            deadline_ms = None if left_ms is None else 1000 + left_ms
            assert (row.order.outcome, row.state, row.deadline_ms) == (outcome, state, deadline_ms)
        assert await store.control.orders.next_deadline_ms() == 19_000
    finally:
        await store.close()


def differences(connection: Connection) -> list[Any]:
    """What the database has otherwise than the program takes it for."""
    partitioned = {table.name for table, _ in PARTITIONED} if connection.dialect.name == "mysql" else set()

    def counts(thing: Any, _: Any, kind: str, *__: Any) -> bool:
        # Where there are partitions the server takes no foreign keys.
        return kind != "foreign_key_constraint" or thing.table.name not in partitioned

    options = {"compare_type": True, "include_object": counts}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


async def test_the_schema_is_what_the_program_takes_it_for(store: Store) -> None:
    assert await run(store.database.backend, differences) == []


@pytest.mark.parametrize("revision", [None, "0006"])
async def test_a_file_keeps_the_key_once_where_the_schema_says_so(
    tmp_path: Path, revision: str | None
) -> None:
    backend = backend_of(tmp_path, None)
    if revision is not None:
        await run(backend, upgrade, revision)
        await run(backend, execute, first_rows(revision))
    await backend.prepare()
    told = await run(
        backend, lambda c: {row.name: row.wr for row in c.execute(text("PRAGMA main.table_list"))}
    )
    for table in metadata.sorted_tables:
        assert bool(told[table.name]) is (table.dialect_kwargs.get("sqlite_with_rowid") is False), table.name


@pytest.mark.parametrize("revision", REVISIONS)
async def test_a_migration_that_was_interrupted_anywhere_is_run_again(
    empty: ServerAddress, mariadb: MariaDb, revision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each change of the schema is committed at once there: a run may end after any of them."""
    backend = MysqlServer(empty)
    before = REVISIONS.index(revision)
    if before:
        await run(backend, upgrade, REVISIONS[before - 1])
        await run(backend, execute, first_rows(REVISIONS[before - 1]))
    real, steps = Connection.execute, 0

    class CrashError(Exception):
        pass

    for most in range(200):
        steps = 0

        def counted(self: Connection, statement: Any, *rest: Any, most: int = most, **options: Any) -> Any:
            nonlocal steps
            if type(statement).__name__ not in ("Select", "TextClause"):
                if steps == most:
                    raise CrashError
                steps += 1
            return real(self, statement, *rest, **options)

        monkeypatch.setattr(Connection, "execute", counted)
        try:
            await run(backend, upgrade, revision)
        except CrashError:
            continue
        finally:
            monkeypatch.setattr(Connection, "execute", real)
        break
    assert most > 0, "nothing was interrupted"
    await backend.prepare()
    assert await run(backend, differences) == []
    if before:
        counts = mariadb.sql(
            "select (select count(*) from process), (select count(*) from image)",
            database=empty.database,
        )
        assert counts == [(2, 1)]


async def test_two_programs_that_start_at_once_make_one_schema(empty: ServerAddress) -> None:
    await asyncio.gather(*(MysqlServer(empty).prepare() for _ in range(4)))
    assert (
        await run(MysqlServer(empty), lambda connection: connection.scalar(text("select count(*) from host")))
        == 0
    )


async def test_a_database_of_a_newer_program_is_left_alone(
    tmp_path: Path, server: ServerAddress | None
) -> None:
    backend = backend_of(tmp_path, server)
    await backend.prepare()
    await run(backend, execute, ["update alembic_version set version_num = '9999'"])
    with pytest.raises(NewerVersionError, match="revision 9999"):
        await backend.prepare()


async def test_another_programs_tables_are_left_alone(tmp_path: Path, server: ServerAddress | None) -> None:
    backend = backend_of(tmp_path, server)
    await run(backend, execute, ["create table host (something int)"])
    with pytest.raises(DamagedError, match=r"not tukur's \(host\)"):
        await backend.prepare()
    with pytest.raises(DamagedError):
        await Store.open(tmp_path, server)


async def test_what_was_passed_over_is_said(
    empty: ServerAddress, mariadb: MariaDb, caplog: pytest.LogCaptureFixture
) -> None:
    backend = MysqlServer(empty)
    await run(backend, upgrade, REVISIONS[0])
    mariadb.sql("alter table block add column lost_execs bigint not null default 0", database=empty.database)
    with caplog.at_level(logging.WARNING):
        await backend.prepare()
    assert "interrupted" in caplog.text
    assert "lost_execs" in caplog.text
    store = Store(Database(backend))
    try:
        await store.control.enrolments.enrol(HOST, auth.public_key(KEYS[HOST]), "owl", WALL)
        machine = Machine()
        assert await store.facts.blocks.put([(HOST, machine.block(2))]) == [None]
    finally:
        await store.close()
