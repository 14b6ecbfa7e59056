"""A backup made while the hub writes, restored elsewhere: same record, same answers, or a clear refusal."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text

from tests.store.test_merging import minutes
from tests.support.hub import HOST, recorded, running_hub
from tests.support.mariadb import MariaDb, url_of
from tests.support.record import WALL
from tests.support.waiting import until
from tukur.hub.console.audit import AuditConsole
from tukur.hub.console.backup import KEPT, BackupConsole, Restored
from tukur.hub.store import schema
from tukur.hub.store.backends.address import ServerAddress
from tukur.hub.store.backends.sqlite import DATABASE
from tukur.hub.store.errors import NotEmptyError, StoreError
from tukur.hub.store.store import Store

SECOND_MS = 1000


async def tukur(*words: str | Path, server: ServerAddress | None = None) -> str:
    """What a command prints; it has to succeed. The test's own hub goes on meanwhile."""
    environment = {**os.environ, "TUKUR_DATABASE": "" if server is None else url_of(server)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tukur", *map(str, words), stdout=-1, stderr=-1, env=environment
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


def silent(*_: int) -> None:
    """No progress."""


async def restored(file: Path, data_dir: Path, server: ServerAddress | None) -> Restored:
    """A backup restored to a new data directory."""
    data_dir.mkdir()
    return await asyncio.to_thread(BackupConsole(data_dir, server).restore, file, silent)


async def tables(data_dir: Path, server: ServerAddress | None) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables."""
    store = await Store.open(data_dir, server)
    found = {}
    for table in schema.metadata.sorted_tables:
        async with store.database.read() as connection:
            rows = await connection.execute(select(table).order_by(*table.primary_key))
            found[table.name] = [tuple(row) for row in rows]
    await store.close()
    return found


async def answers(data_dir: Path, server: ServerAddress | None) -> dict[str, Any]:
    """What a hub on this data directory says about its record, to the token that came with it."""
    paths = [
        "/api/hosts",
        f"/api/hosts/{HOST}/processes?at={WALL // 10**6 + 30 * SECOND_MS}",
        f"/api/hosts/{HOST}/series?from={WALL // 10**6}&to={WALL // 10**6 + 120 * SECOND_MS}",
        "/api/users",
    ]
    token = (data_dir.parent / "token").read_text()
    found = {}
    async with running_hub(data_dir, database=server) as hub, hub.client(Authorization=token) as client:
        for path in paths:
            answer = await client.get(path)
            found[path] = (answer.status_code, answer.json() if answer.content else None)
    return found


async def test_a_backup_made_while_the_hub_writes_is_one_state_of_the_record(
    tmp_path: Path, server: ServerAddress | None
) -> None:
    blocks = minutes(14)
    done, enough = 0, False

    async def write() -> None:
        nonlocal done
        for block in blocks:
            if enough:
                break
            await recorded(hub, block)
            done += 1

    async with running_hub(tmp_path / "hub", database=server) as hub:
        writing = asyncio.create_task(write())
        await until(lambda: done > 2, 20)
        before = done
        await tukur("backup", tmp_path / "file", "--data", tmp_path / "hub", server=server)
        assert not writing.done(), "the hub was to write for longer than the backup takes"
        enough = True
        await writing
    await restored(tmp_path / "file", tmp_path / "else", None)
    store = await Store.open(tmp_path / "else")
    async with store.database.read() as connection:
        keys = list((await connection.execute(select(schema.block.c.first_ns))).scalars())
        counted = (await connection.execute(select(func.sum(schema.block.c.samples)))).scalar_one()
        added_up = (await connection.execute(select(func.sum(schema.host_minute.c.samples)))).scalar_one()
    await store.close()
    assert sorted(keys) == [block.first_ns for block in blocks[: len(keys)]]
    assert before <= len(keys) <= len(blocks)
    assert counted == added_up
    assert (await AuditConsole(tmp_path / "else").verify())[1] == []


async def test_a_hub_restored_to_the_other_kind_of_database_has_every_row_and_gives_the_same_answers(
    tmp_path: Path, server: ServerAddress | None, mariadb: MariaDb
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    # To the other kind: restoring to the same kind is in the test above.
    target = mariadb.new_database() if server is None else None
    async with running_hub(here, database=server) as hub:
        await recorded(hub, *minutes(2))
        (tmp_path / "token").write_text(f"Bearer {await hub.token('admin')}")
    await asyncio.to_thread(BackupConsole(here, server).backup, tmp_path / "file", silent)
    found = (await restored(tmp_path / "file", there, target)).findings
    assert (found.blocks, found.structure, found.damaged) == (12, [], [])
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
    kept = [name for name in KEPT if (here / name).exists()]
    assert {"audit.key", "audit.head", "accounts.key", "order.key"} <= {*kept}
    assert [(there / name).read_bytes() for name in kept] == [(here / name).read_bytes() for name in kept]
    assert (there / DATABASE).exists() == (target is None)
    assert await tables(there, target) == await tables(here, server)
    first, second = await answers(here, server), await answers(there, target)
    assert second == first
    assert [status for status, _ in first.values()] == [200] * len(first)
    if target is not None:
        mariadb.drop(target)


async def test_a_servers_database_of_an_older_version_is_refused_and_not_changed(
    tmp_path: Path, empty: ServerAddress
) -> None:
    store = await Store.open(tmp_path, empty)
    async with store.database.write() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '0014'"))
    backup = BackupConsole(tmp_path, empty).backup
    with pytest.raises(StoreError, match=r"is of revision 0014, \d+ expected: an older tukur made it"):
        await asyncio.to_thread(backup, tmp_path / "file", silent)
    async with store.database.read() as connection:
        found = await connection.execute(text("SELECT version_num FROM alembic_version"))
        assert found.scalar_one() == "0014"
    await store.close()
    assert [path.name for path in tmp_path.iterdir()] == []


async def test_a_server_that_holds_rows_is_left_alone(tmp_path: Path, empty: ServerAddress) -> None:
    (tmp_path / "embedded").mkdir()
    await (await Store.open(tmp_path / "embedded")).close()
    await asyncio.to_thread(BackupConsole(tmp_path / "embedded", None).backup, tmp_path / "file", silent)
    store = await Store.open(tmp_path, empty)
    await store.control.enrolments.enrol(HOST, b"k" * 32, "other", WALL)
    await store.close()
    with pytest.raises(NotEmptyError, match="an empty database expected"):
        await restored(tmp_path / "file", tmp_path / "data", empty)
    assert list((tmp_path / "data").iterdir()) == []
