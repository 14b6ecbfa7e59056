"""`tukur store` on records of real bytes, whole and damaged."""

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.store.test_merging import minutes
from tests.support import mariadb
from tests.support.hub import HOST, KEYS
from tests.support.record import WALL, Machine
from tukur.cli.errors import Exit
from tukur.hub.store.backends.sqlite import DATABASE
from tukur.hub.store.store import Store
from tukur.protocol import auth


def tukur(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tukur", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **environment},
    )


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """A data directory with twelve minutes of a host that has a few hundred processes."""
    store = await Store.open(tmp_path)
    await store.control.enrolments.enrol(HOST, auth.public_key(KEYS[HOST]), "owl", WALL)
    machine = Machine()
    for pid in range(300, 700):
        machine.start(pid, f"process-{pid}", "process", "-x" * (pid % 50))
    blocks = minutes(12, machine=machine)
    assert await store.facts.blocks.put([(HOST, block) for block in blocks]) == [None] * 72
    await store.close()
    return tmp_path


def test_a_whole_record_is_told_to_be_whole(folder: Path) -> None:
    done = tukur("store", "verify", "--data", str(folder))
    assert (done.returncode, done.stdout) == (0, "72 blocks read, all intact\n")
    found = json.loads(tukur("store", "verify", "--json", "--data", str(folder)).stdout)
    assert found == {"blocks": 72, "structure": [], "damaged": []}


def test_status_says_what_it_takes(folder: Path) -> None:
    done = tukur("store", "status", "--data", str(folder))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].endswith(" used")
    assert lines[2].startswith("seconds since 2023-11-14 22:14:")
    assert lines[-1] == "its growth is estimated once an hour has been recorded"
    assert (
        json.loads(tukur("store", "status", "--json", "--data", str(folder)).stdout)["used_bytes"] > 100_000
    )


def test_compact_puts_blocks_together_and_nothing_is_lost(folder: Path) -> None:
    before = (folder / DATABASE).stat().st_size
    done = tukur("store", "compact", "--data", str(folder))
    assert done.stdout.startswith("72 blocks were merged; "), done.stderr
    assert (folder / DATABASE).stat().st_size < before
    done = tukur("store", "verify", "--data", str(folder))
    assert done.stdout == "12 blocks read, all intact\n"


def flip(folder: Path, first_ns: int) -> None:
    """One bit of one block's columns."""
    with sqlite3.connect(folder / DATABASE) as database:
        (content,) = database.execute("select tasks from block where first_ns = ?", (first_ns,)).fetchone()
        at = len(content) // 2
        torn = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
        database.execute("update block set tasks = ? where first_ns = ?", (torn, first_ns))
    database.close()


def test_a_flipped_bit_is_found_and_taken_out_and_the_rest_stays(folder: Path) -> None:
    with sqlite3.connect(folder / DATABASE) as database:
        starts = [row[0] for row in database.execute("select first_ns from block order by first_ns")]
    database.close()
    flip(folder, starts[30])
    done = tukur("store", "verify", "--data", str(folder))
    assert done.returncode == Exit.DATABASE_DAMAGED
    assert "the block of 2023-11-14 22:19:" in done.stdout
    assert "72 blocks read, 1 faults" in done.stdout
    done = tukur("store", "repair", "--data", str(folder))
    assert done.returncode == 0, done.stderr
    assert "71 blocks are intact, 1 were removed" in done.stdout
    assert [path.name for path in (folder / "damaged").iterdir()] == [f"block-1-{starts[30]}"]
    assert tukur("store", "verify", "--data", str(folder)).returncode == 0


def test_of_a_torn_file_what_can_be_read_is_saved(folder: Path) -> None:
    path = folder / DATABASE
    with contextlib.closing(sqlite3.connect(path)) as database:
        # Among the blocks, and not among the definitions of the tables.
        wanted = "select pageno from dbstat where name = 'block' and pagetype != 'internal' order by pageno"
        pages = [page for (page,) in database.execute(wanted)]
    with path.open("r+b") as file:
        file.seek((pages[len(pages) // 2] - 1) * 4096)
        file.write(b"\xff" * 3 * 4096)
    assert tukur("store", "verify", "--data", str(folder)).returncode == Exit.DATABASE_DAMAGED
    done = tukur("store", "repair", "--data", str(folder))
    assert done.returncode == 0, done.stderr
    assert "the damaged file is kept beside the new one" in done.stdout
    whole = json.loads(tukur("store", "verify", "--json", "--data", str(folder)).stdout)
    assert (whole["structure"], whole["damaged"]) == ([], [])
    assert whole["blocks"] >= 40
    assert len(list(folder.glob(f"{DATABASE}.damaged-*"))) >= 1


def test_of_a_file_without_its_head_it_is_said_that_a_backup_is_needed(folder: Path) -> None:
    path = folder / DATABASE
    with path.open("r+b") as file:
        file.write(b"\x00" * 8192)
    before = path.read_bytes()
    done = tukur("store", "repair", "--data", str(folder))
    assert done.returncode == Exit.DATABASE_DAMAGED
    assert "Traceback" not in done.stderr
    assert path.read_bytes() == before


def test_repair_and_compact_keep_away_from_a_running_hub(folder: Path) -> None:
    holder = "import sys,time; from pathlib import Path; from tukur.cli.options.data import DataLock\n"
    holder += "with DataLock(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", holder, str(folder)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        for action in ("repair", "compact"):
            done = tukur("store", action, "--data", str(folder))
            assert done.returncode == Exit.DATA_IN_USE
            assert f"in use by a hub (PID {process.pid})" in done.stderr
        process.kill()


def test_copy_asks_where_to(folder: Path) -> None:
    done = tukur("store", "copy", "--data", str(folder))
    assert done.returncode == Exit.USAGE
    assert "--database mysql://USER@HOST/DATABASE expected" in done.stderr


def test_copy_moves_a_record_to_a_server_and_says_when_nothing_differs(folder: Path) -> None:
    if reason := mariadb.why_not():
        pytest.skip(f"copying to MariaDB is NOT tested: {reason}")
    with mariadb.running_mariadb() as server:
        environment = {"TUKUR_DATABASE": mariadb.url_of(server.new_database())}
        first = tukur("store", "copy", "--data", str(folder), **environment)
        assert first.returncode == 0, first.stderr
        assert "block: 72 rows, 72 written, 0 deleted" in first.stdout
        assert "repeat it until" in first.stdout
        again = tukur("store", "copy", "--data", str(folder), **environment)
        assert "nothing differs: both hold the same rows" in again.stdout
        done = tukur("store", "verify", "--data", str(folder), **environment)
        assert done.stdout == "72 blocks read, all intact\n"
