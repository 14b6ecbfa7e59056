"""A backup made while the hub writes, restored elsewhere: same record, same answers, or a clear refusal."""

import asyncio
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.store.test_merging import minutes
from tests.support.hub import HOST, KEYS, recorded, running_hub
from tests.support.mariadb import MariaDb, url_of
from tests.support.record import WALL, Machine
from tests.support.waiting import eventually, until
from tukur import cli
from tukur.cli.errors import Exit
from tukur.hub.console.archive import MANIFEST
from tukur.hub.console.audit import AuditConsole
from tukur.hub.console.backup import KEPT, LEFT_OUT, BackupConsole, Restored
from tukur.hub.store import schema
from tukur.hub.store.backends.address import ServerAddress
from tukur.hub.store.backends.sqlite import DATABASE
from tukur.hub.store.store import Store
from tukur.protocol import auth

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


async def test_no_file_of_a_hub_is_forgotten(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub:
        await recorded(hub, *minutes(1))
        found = {
            str(path.relative_to(tmp_path))
            for path in tmp_path.rglob("*")
            if path.is_file() and not path.name.startswith(DATABASE)
        }
    assert found - {*KEPT, *LEFT_OUT} == set()


@pytest.fixture(scope="module")
def backup(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small backup, with its data directory beside it."""
    folder = tmp_path_factory.mktemp("backup")
    (folder / "data").mkdir()

    async def make() -> None:
        store = await Store.open(folder / "data")
        await store.control.enrolments.enrol(HOST, auth.public_key(KEYS[HOST]), "owl", WALL)
        await store.facts.blocks.put([(HOST, block) for block in minutes(1, machine=Machine())])
        await store.close()

    asyncio.run(make())
    (folder / "data" / "order.key").write_bytes(b"k" * 32)
    handler = signal.getsignal(signal.SIGTERM)
    assert cli.main(["backup", str(folder / "file"), "--data", str(folder / "data")]) == 0
    signal.signal(signal.SIGTERM, handler)
    return folder / "file"


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., tuple[int, str]]]:
    """Runs a command; (exit code, the one line that it prints)."""
    handler = signal.getsignal(signal.SIGTERM)

    def run(*words: str | Path) -> tuple[int, str]:
        capsys.readouterr()
        code = cli.main([str(word) for word in words])
        found = capsys.readouterr()
        assert found.out == ""
        assert found.err.count("\n") == 1, found.err
        return code, found.err

    yield run
    signal.signal(signal.SIGTERM, handler)


def changed_manifest(content: bytes, **fields: Any) -> bytes:
    """The backup with another manifest, whose checksum is right."""
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(content)) as old, tarfile.open(fileobj=out, mode="w") as new:
        head = b""
        for info in old:
            part = old.extractfile(info)
            assert part is not None
            data = part.read()
            if info.name == MANIFEST:
                head = data = json.dumps({**json.loads(data), **fields}).encode()
            elif info.name == "manifest.sha256":
                data = hashlib.sha256(head).hexdigest().encode()
            info.size = len(data)
            new.addfile(info, io.BytesIO(data))
    return out.getvalue()


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def foreign_tar(_: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("letter.txt"))
    return out.getvalue()


OUTSIDE = [{"name": "../../outside", "size": 0, "sha256": ""}]
BAD: dict[str, tuple[Callable[[bytes], bytes], Exit, str]] = {
    "truncated": (lambda content: content[: len(content) // 2], Exit.BACKUP_DAMAGED, "is truncated"),
    "truncated in its head": (lambda content: content[:700], Exit.BACKUP_DAMAGED, "not a backup"),
    "a flipped bit": (lambda content: flipped(content, len(content) // 2), Exit.BACKUP_DAMAGED, "checksum"),
    "a flipped bit in the manifest": (
        lambda content: flipped(content, content.index(b'"created"') + 14),
        Exit.BACKUP_DAMAGED,
        "checksum",
    ),
    "empty": (lambda _: b"", Exit.BACKUP_DAMAGED, "is not a backup of tukur"),
    "text": (lambda _: b"hello " * 1000, Exit.BACKUP_DAMAGED, "is not a backup of tukur"),
    "a foreign archive": (foreign_tar, Exit.BACKUP_DAMAGED, "is not a backup of tukur"),
    "a newer format": (lambda content: changed_manifest(content, format=2), Exit.DATABASE_NEWER, "format 2"),
    "a newer schema": (
        lambda content: changed_manifest(content, schema="9999"),
        Exit.DATABASE_NEWER,
        "revision 9999",
    ),
    "a name outside": (
        lambda content: changed_manifest(content, files=OUTSIDE),
        Exit.BACKUP_DAMAGED,
        "outside of the data directory",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_backup_is_refused_with_one_line_and_nothing_is_left(
    what: str, backup: Path, tmp_path: Path, refused: Callable[..., tuple[int, str]]
) -> None:
    damage, code, words = BAD[what]
    (tmp_path / "file").write_bytes(damage(backup.read_bytes()))
    found, line = refused("restore", tmp_path / "file", "--data", tmp_path / "data")
    assert (found, words in line) == (code, True), line
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["hub.lock"]


def test_what_is_already_there_is_not_overwritten(
    backup: Path, tmp_path: Path, refused: Callable[..., tuple[int, str]]
) -> None:
    data = backup.parent / "data"
    code, line = refused("restore", backup, "--data", data)
    assert (code, "an empty data directory expected" in line) == (Exit.TARGET_NOT_EMPTY, True)
    code, line = refused("backup", backup, "--data", data)
    assert (code, "a new file expected" in line) == (Exit.TARGET_NOT_EMPTY, True)


def test_a_server_that_holds_rows_is_left_alone(
    backup: Path,
    tmp_path: Path,
    empty: ServerAddress,
    refused: Callable[..., tuple[int, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fill() -> None:
        store = await Store.open(tmp_path, empty)
        await store.control.enrolments.enrol(HOST, b"k" * 32, "other", WALL)
        await store.close()

    asyncio.run(fill())
    monkeypatch.setenv("TUKUR_DATABASE", url_of(empty))
    code, line = refused("restore", backup, "--data", tmp_path / "data")
    assert (code, "an empty database expected" in line) == (Exit.TARGET_NOT_EMPTY, True), line
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["hub.lock"]


def test_a_backup_that_is_ended_leaves_nothing(backup: Path, tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    out.mkdir()
    (data / DATABASE).write_bytes((backup.parent / "data" / DATABASE).read_bytes())
    # Reading it waits until the backup is ended.
    os.mkfifo(data / "order.key")
    command = [sys.executable, "-m", "tukur", "backup", str(out / "file"), "--data", str(data)]
    with subprocess.Popen(command) as process:
        eventually(lambda: any(out.iterdir()), 20)
        process.terminate()
        assert process.wait(20) == 143
    assert list(out.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="a full disk is NOT tested: mounting one needs root")
def test_a_full_disk_is_told_and_nothing_is_left(
    backup: Path, tmp_path: Path, refused: Callable[..., tuple[int, str]]
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(small)], check=True)
    try:
        code, line = refused("backup", small / "file", "--data", backup.parent / "data")
        assert (code, "no space left" in line) == (Exit.DISK_FULL, True), line
        assert list(small.iterdir()) == []
        code, line = refused("restore", backup, "--data", small / "data")
        assert (code, "no space left" in line) == (Exit.DISK_FULL, True), line
        assert [path.name for path in (small / "data").iterdir()] == ["hub.lock"]
    finally:
        subprocess.run(["umount", str(small)], check=True)
