"""Backups of a hub with the embedded database: made, restored, or refused with one line."""

import asyncio
import contextlib
import hashlib
import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.store.test_merging import minutes
from tests.support.hub import HOST, KEYS, recorded, running_hub
from tests.support.record import WALL, Machine
from tests.support.waiting import eventually
from tukur import cli
from tukur.cli.errors import Exit
from tukur.hub.console.archive import MANIFEST
from tukur.hub.console.audit import AuditConsole
from tukur.hub.console.backup import KEPT, LEFT_OUT
from tukur.hub.store.backends.sqlite import DATABASE
from tukur.hub.store.store import Store
from tukur.protocol import auth


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


def test_a_backup_is_restored_with_all_that_it_holds(
    backup: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = signal.getsignal(signal.SIGTERM)
    assert cli.main(["restore", str(backup), "--data", str(tmp_path / "data")]) == 0
    signal.signal(signal.SIGTERM, handler)
    assert "6 blocks" in capsys.readouterr().out
    assert (tmp_path / "data" / "order.key").read_bytes() == b"k" * 32
    assert (tmp_path / "data" / DATABASE).stat().st_mode & 0o777 == 0o600


def audited(data: Path) -> list[tuple[str, str]]:
    """(action, target) of each entry; the chain is whole."""
    out = io.BytesIO()
    asyncio.run(AuditConsole(data).export(out))
    assert asyncio.run(AuditConsole(data).verify())[1] == []
    return [(entry["action"], entry["target"]) for entry in map(json.loads, out.getvalue().splitlines())]


def test_a_backup_is_in_the_audit_log_and_not_in_its_own_copy_of_it(backup: Path, tmp_path: Path) -> None:
    assert audited(backup.with_name("data")) == [("backup.create", str(backup))]
    handler = signal.getsignal(signal.SIGTERM)
    assert cli.main(["restore", str(backup), "--data", str(tmp_path / "data")]) == 0
    signal.signal(signal.SIGTERM, handler)
    assert audited(tmp_path / "data") == []


@pytest.fixture
def old(backup: Path, tmp_path: Path) -> Path:
    """A data directory whose database another version made."""
    data = tmp_path / "old"
    shutil.copytree(backup.with_name("data"), data)
    with contextlib.closing(sqlite3.connect(data / DATABASE)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
        connection.commit()
    return data


def test_a_database_of_another_version_is_backed_up_and_not_changed(
    old: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = signal.getsignal(signal.SIGTERM)
    assert cli.main(["backup", str(tmp_path / "file"), "--data", str(old)]) == 0
    signal.signal(signal.SIGTERM, handler)
    (line,) = capsys.readouterr().err.splitlines()
    assert "is not in the audit log: the hub's database is of revision 0001" in line
    with contextlib.closing(sqlite3.connect(old / DATABASE)) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == ("0001",)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give the directory to another user")
def test_a_backup_by_another_user_than_the_hubs_leaves_the_audit_log_alone(
    backup: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "others"
    shutil.copytree(backup.with_name("data"), data)
    before = (data / "audit.head").read_bytes()
    os.chown(data, 65534, 65534)
    handler = signal.getsignal(signal.SIGTERM)
    assert cli.main(["backup", str(tmp_path / "file"), "--data", str(data)]) == 0
    signal.signal(signal.SIGTERM, handler)
    assert "run the backup as the hub's user" in capsys.readouterr().err
    assert (data / "audit.head").read_bytes() == before


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
