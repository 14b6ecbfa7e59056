"""What can go wrong at the start: one clear line each, and an exit code of its own."""

import os
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.running import free_port, running, tukur
from tukur.cli.errors import Exit

DATABASE = "tukur.db"


def start(data: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return tukur("up", "--data", str(data), "--port", str(free_port()), "--log-level", "warning", *arguments)


def complains(found: "subprocess.CompletedProcess[str]", exit_code: Exit, words: str) -> None:
    assert found.returncode == exit_code, found.stderr
    assert words in found.stderr
    assert "Traceback" not in found.stderr
    assert len(found.stderr.strip().splitlines()) == 1, found.stderr


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A data directory that a hub has used."""
    data = tmp_path / "data"
    with running(data):
        pass
    return data


def test_the_port_is_busy(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        complains(tukur("up", "--data", str(tmp_path / "d"), "--port", port), Exit.PORT_BUSY, f"port {port}")


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        tmp_path.chmod(0o500)
        yield tmp_path
        tmp_path.chmod(0o700)
        return
    # Root writes whatever the mode says: only a read-only mount stops it.
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", tmp_path], check=True)
    yield tmp_path
    subprocess.run(["umount", "-l", tmp_path], check=True)


def test_the_data_directory_is_not_writable(read_only: Path) -> None:
    complains(start(read_only / "data"), Exit.DATA_NOT_WRITABLE, "not writable")


def test_the_disk_is_full(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs needs root")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=60k", "tmpfs", tmp_path], check=True)
    try:
        complains(start(tmp_path / "data"), Exit.DISK_FULL, "no space left")
    finally:
        subprocess.run(["umount", "-l", tmp_path], check=True)


def test_the_database_file_is_no_database(recorded: Path) -> None:
    (recorded / DATABASE).write_bytes(b"this was a database once" * 1000)
    complains(start(recorded), Exit.DATABASE_DAMAGED, DATABASE)


def test_the_database_file_is_torn(recorded: Path) -> None:
    content = (recorded / DATABASE).read_bytes()
    (recorded / DATABASE).write_bytes(content[: len(content) // 2])
    for extra in ("-wal", "-shm"):
        (recorded / (DATABASE + extra)).unlink(missing_ok=True)
    complains(start(recorded), Exit.DATABASE_DAMAGED, DATABASE)


def test_the_database_is_from_a_newer_version(recorded: Path) -> None:
    with sqlite3.connect(recorded / DATABASE) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    complains(start(recorded), Exit.DATABASE_NEWER, "9999")


def test_the_data_directory_is_in_use(tmp_path: Path) -> None:
    with running(tmp_path / "data"):
        complains(start(tmp_path / "data"), Exit.DATA_IN_USE, "in use by a hub")


def test_a_source_that_is_not_there_is_named(tmp_path: Path) -> None:
    complains(start(tmp_path / "data", "--source", "crystal-ball"), Exit.USAGE, "crystal-ball")


def test_wrong_usage_is_explained() -> None:
    found = tukur("up", "--port", "many")
    assert found.returncode == Exit.USAGE
    assert found.stderr == "tukur up: --port 'many'; 1 to 65535 expected\n"
