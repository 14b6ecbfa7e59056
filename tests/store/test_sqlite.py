"""The embedded database's file, and each way in which a disk or a file fails."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.hub import HOST, KEYS
from tests.support.record import WALL, Machine
from tukur.hub.store import errors
from tukur.hub.store.backends.engine import store_errors
from tukur.hub.store.backends.sqlite import DATABASE, SqliteFile
from tukur.hub.store.store import Store
from tukur.protocol import auth
from tukur.protocol.messages import Block


async def opened_and_closed(folder: Path) -> None:
    store = await Store.open(folder)
    try:
        await store.hosts()
    finally:
        await store.close()


async def enrolled(folder: Path) -> Store:
    store = await Store.open(folder)
    await store.control.enrolments.enrol(HOST, auth.public_key(KEYS[HOST]), "owl", WALL)
    return store


def blocks(count: int) -> list[Block]:
    machine = Machine()
    machine.start(10, "worker")
    return [machine.block(2) for _ in range(count)]


# --- the schema


async def test_an_empty_file_is_brought_to_the_schema_that_the_program_knows(tmp_path: Path) -> None:
    (tmp_path / DATABASE).touch()
    await opened_and_closed(tmp_path)


async def test_to_prepare_again_changes_nothing(tmp_path: Path) -> None:
    store = await enrolled(tmp_path)
    await store.facts.blocks.put([(HOST, block) for block in blocks(3)])
    await store.close()
    for _ in range(2):
        await SqliteFile(tmp_path / DATABASE).prepare()
    store = await Store.open(tmp_path)
    (row,) = await store.hosts()
    assert row.last_ms == WALL // 1_000_000 + 5000
    await store.close()


async def test_what_was_committed_and_not_checkpointed_survives_a_crash(tmp_path: Path) -> None:
    store = await enrolled(tmp_path)
    await store.facts.blocks.put([(HOST, block) for block in blocks(3)])
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for path in tmp_path.glob("tukur.db*"):
        if not path.name.endswith("-shm"):
            shutil.copy(path, crashed)
    await store.close()
    store = await Store.open(crashed)
    (row,) = await store.hosts()
    assert row.last_ms == WALL // 1_000_000 + 5000
    await store.close()


# --- a bad file


async def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / DATABASE).write_bytes(b"<html>not found</html>" * 100)
    with pytest.raises(errors.DamagedError, match=r"not a SQLite database: it begins with b'<html>"):
        await opened_and_closed(tmp_path)


async def test_a_file_that_is_cut_off_is_told_with_both_sizes(tmp_path: Path) -> None:
    await opened_and_closed(tmp_path)
    path = tmp_path / DATABASE
    size = path.stat().st_size
    os.truncate(path, size - 5000)
    with pytest.raises(errors.DamagedError, match=rf"truncated: {size - 5000} bytes, {size} expected"):
        await opened_and_closed(tmp_path)


@pytest.mark.parametrize("size", [1, 16, 31])
async def test_a_file_of_a_few_bytes_is_told(tmp_path: Path, size: int) -> None:
    (tmp_path / DATABASE).write_bytes(b"SQLite format 3\0"[:size].ljust(size, b"\0"))
    with pytest.raises(errors.DamagedError):
        await opened_and_closed(tmp_path)


async def test_pages_that_were_overwritten_are_told(tmp_path: Path) -> None:
    await opened_and_closed(tmp_path)
    path = tmp_path / DATABASE
    content = path.read_bytes()
    path.write_bytes(content[:100] + b"\xa5" * (len(content) - 100))
    with pytest.raises(errors.DamagedError):
        await opened_and_closed(tmp_path)


async def test_a_database_of_a_newer_program_is_left_alone(tmp_path: Path) -> None:
    await opened_and_closed(tmp_path)
    path = tmp_path / DATABASE
    database = sqlite3.connect(path)
    database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.commit()
    database.close()
    before = path.read_bytes()
    with pytest.raises(errors.NewerVersionError, match="revision 9999"):
        await opened_and_closed(tmp_path)
    assert path.read_bytes() == before


async def test_another_programs_database_is_not_taken_over(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / DATABASE)
    database.execute("CREATE TABLE host (something TEXT)")
    database.commit()
    database.close()
    with pytest.raises(errors.DamagedError, match=r"not tukur's \(host\)"):
        await opened_and_closed(tmp_path)


async def test_a_database_that_another_program_holds_is_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tukur.hub.store.backends.sqlite.BUSY_MS", 50)
    store = await enrolled(tmp_path)
    holder = sqlite3.connect(tmp_path / DATABASE, isolation_level=None)
    try:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(errors.BusyError) as raised:
            await store.facts.blocks.put([(HOST, block) for block in blocks(1)])
        assert raised.value.transient
        assert [row.name for row in await store.hosts()] == ["owl"], "readers do not wait for it"
        holder.execute("ROLLBACK")
        assert await store.facts.blocks.put([(HOST, block) for block in blocks(1)]) == [None]
    finally:
        holder.close()
        await store.close()


# --- a bad disk


def mount(folder: Path, *options: str) -> None:
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", folder], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of four MiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    folder = tmp_path / "disk"
    mount(folder, "size=4m")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(folder: Path) -> Path:
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    return ballast


async def test_a_full_disk_is_told_loses_nothing_and_recovers(small_disk: Path) -> None:
    store = await enrolled(small_disk)
    made = blocks(200)
    await store.facts.blocks.put([(HOST, made[0])])
    ballast = fill(small_disk)
    pending, failed = made[1:], None
    while pending and failed is None:
        try:
            await store.facts.blocks.put([(HOST, pending[0])])
            pending.pop(0)
        except errors.StoreError as error:
            failed = error
    assert isinstance(failed, errors.DiskFullError), failed
    assert failed.transient
    assert "no space left" in str(failed)
    assert (await store.hosts())[0].last_ms is not None, "what is recorded can be read all the while"
    ballast.unlink()
    assert await store.facts.blocks.put([(HOST, block) for block in pending]) == [None] * len(pending)
    (row,) = await store.hosts()
    stored = await store.facts.blocks.between(row.number, 0, 2**45, tasks=False)
    assert len(stored) == len(made)
    await store.close()


async def test_a_disk_that_is_full_from_the_start_is_told(small_disk: Path) -> None:
    fill(small_disk)
    with pytest.raises(errors.DiskFullError):
        await opened_and_closed(small_disk)


async def test_a_disk_that_is_read_only_is_told(small_disk: Path) -> None:
    await opened_and_closed(small_disk)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(errors.NotWritableError, match="not writable"):
        store = await Store.open(small_disk)
        try:
            await store.facts.blocks.put([(HOST, block) for block in blocks(1)])
        finally:
            await store.close()


async def test_a_folder_that_does_not_exist_is_told(tmp_path: Path) -> None:
    with pytest.raises(errors.NotWritableError):
        await opened_and_closed(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("raised", "kind", "code"),
    [
        (OSError(28, "No space left on device"), errors.DiskFullError, "disk_full"),
        (OSError(122, "Disk quota exceeded"), errors.DiskFullError, "disk_full"),
        (PermissionError(13, "Permission denied"), errors.NotWritableError, "store_not_writable"),
        (sqlite3.OperationalError("disk I/O error"), errors.InputOutputError, "store_io"),
        (sqlite3.DatabaseError("database disk image is malformed"), errors.DamagedError, "store_damaged"),
        (sqlite3.OperationalError("something new"), errors.StoreError, "store_failed"),
    ],
)
def test_each_failure_has_its_kind_and_a_stable_code(
    tmp_path: Path, raised: Any, kind: type[errors.StoreError], code: str
) -> None:
    with pytest.raises(errors.StoreError) as found, store_errors(SqliteFile(tmp_path / DATABASE)):
        raise raised
    assert type(found.value) is kind
    assert found.value.code == code
    assert "\n" not in str(found.value)
