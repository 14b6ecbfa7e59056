"""`tukur up` with its record on a MariaDB server."""

import contextlib
import random
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.mariadb import MariaDb, running_mariadb, why_not
from tests.support.running import Up, free_port, running, the_host, tukur
from tests.support.waiting import eventually
from tukur.blocks import decode_samples
from tukur.cli.errors import Exit
from tukur.hub.store.backends.address import ServerAddress

RIGHTS = "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, REFERENCES, DROP"


@pytest.fixture(scope="module")
def mariadb() -> Iterator[MariaDb]:
    if reason := why_not():
        pytest.skip(f"`tukur up` is NOT tested on MariaDB: {reason}")
    with running_mariadb() as server:
        yield server


@pytest.fixture
def address(mariadb: MariaDb) -> Iterator[ServerAddress]:
    made = mariadb.new_database(RIGHTS)
    yield made
    mariadb.drop(made)


def url(address: ServerAddress) -> str:
    return f"mysql://{address.user}@localhost/{address.database}?socket={address.socket}"


@pytest.fixture
def options(address: ServerAddress, tmp_path: Path) -> list[str]:
    secret = tmp_path / "password"
    secret.write_text(f"{address.password}\n")
    secret.chmod(0o600)
    return ["--database", url(address), "--database-password-file", str(secret)]


def test_what_an_agent_records_is_read_back_from_the_server(
    mariadb: MariaDb, address: ServerAddress, options: list[str], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    with running(data, *options) as up, contextlib.closing(up.sign_in()) as client:
        host = the_host(client)["host_id"]
        with subprocess.Popen(["sleep", "4.5"], executable="/usr/bin/sleep") as process:
            began_ms = int(time.time() * 1000)
            process.wait()
        at_ms = began_ms + 2500

        def recorded() -> bool:
            rows = mariadb.sql("SELECT MAX(last_ms) FROM block", database=address.database)
            return bool(rows[0][0] and rows[0][0] > at_ms + 3000)

        eventually(recorded, 30, "a block is stored")
        found = client.get(f"/api/hosts/{host}/processes", params={"at": at_ms}).json()
        assert process.pid in {row["pid"] for row in found["processes"]}
        top = client.get(
            f"/api/hosts/{host}/top", params={"from": at_ms - 2000, "to": at_ms + 2000, "by": "cpu"}
        )
        assert top.json()["processes"]
        token = tukur("token", "create", "--data", str(data), "--role", "viewer", *options)
        bearer = {"Authorization": f"Bearer {token.stdout.strip()}"}
        assert httpx.get(f"{up.url}/api/hosts", headers=bearer).status_code == 200
    status = tukur("store", "verify", "--data", str(data), *options)
    assert (status.returncode, status.stderr) == (0, "")
    assert "all intact" in status.stdout
    assert not (data / "tukur.db").exists()


def test_the_password_is_the_hubs_alone(
    address: ServerAddress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "pass%20w%25rd%2F"
    whole = url(address).replace("@localhost", f":{secret}{address.user}@localhost")
    monkeypatch.setenv("TUKUR_DATABASE", whole)
    with running(tmp_path / "data") as up, contextlib.closing(up.sign_in()) as client:
        the_host(client)
        for name in ("hub", "agent"):
            words = Path(f"/proc/{up.child(name)}/cmdline").read_text()
            assert secret not in words
            assert "pass w%rd" not in words
        assert secret.encode() in Path(f"/proc/{up.child('hub')}/environ").read_bytes()
        assert b"TUKUR_DATABASE" not in Path(f"/proc/{up.child('agent')}/environ").read_bytes()
        assert secret not in up.log()
        assert "pass w%rd" not in up.log()
    done = tukur("hub", "--data", str(tmp_path / "other"), "--database", whole)
    assert done.returncode == Exit.USAGE
    assert secret not in done.stderr


@pytest.mark.timeout(300)
def test_whoever_is_killed_no_flushed_sample_is_missing_and_none_is_there_twice(
    mariadb: MariaDb, address: ServerAddress, options: list[str], tmp_path: Path
) -> None:
    dice = random.Random(21)
    with running(tmp_path / "data", "--log-level", "debug", *options) as up:
        for _ in range(12):
            # The moments of the kills are what is tested.
            time.sleep(dice.uniform(0.3, 6.0))
            match dice.choice(["hub", "agent", "database", "stall"]):
                case "database":
                    mariadb.kill()
                    mariadb.start()
                case "stall":
                    with mariadb.stalled():
                        # For so long no statement is answered.
                        time.sleep(2)
                case name:
                    up.kill(name)
        before = len(spooled(up))
        eventually(lambda: len(spooled(up)) > before, 60, "another block is flushed")
        flushed = spooled(up)
        eventually(
            lambda: flushed <= stored(mariadb, address).keys(),
            60,
            f"{len(flushed)} flushed blocks are stored",
        )
    assert len(flushed) >= 3
    samples = [
        boot_ns for tasks in stored(mariadb, address).values() for _, boot_ns, _ in decode_samples(tasks)
    ]
    assert len(samples) == len(set(samples)), "a sample is there twice"
    counted = mariadb.sql("SELECT SUM(samples) FROM block", database=address.database)
    rolled_up = mariadb.sql("SELECT SUM(samples) FROM host_minute", database=address.database)
    assert counted == rolled_up == [(len(samples),)]


def spooled(up: Up) -> set[tuple[str, int]]:
    """(boot_id, first_ns) of every block whose flush the agent has reported."""
    found = re.findall(r"block ([0-9a-f-]{36})-(\d{20}) is in the spool", up.log())
    return {(boot, int(first)) for boot, first in found}


def stored(mariadb: MariaDb, address: ServerAddress) -> dict[tuple[str, int], bytes]:
    query = "SELECT boot.boot_id, block.first_ns, block.tasks FROM block JOIN boot ON boot.id = block.boot"
    return {(boot, first): tasks for boot, first, tasks in mariadb.sql(query, database=address.database)}


# --- what can be wrong at the start


@pytest.mark.parametrize(
    ("place", "exit_code", "told"),
    [
        ("{user}@localhost/{database}?host=x", Exit.USAGE, "option 'host'"),
        (
            "{user}@no-such-host.invalid/{database}?ssl-mode=disabled",
            Exit.DATABASE_UNREACHABLE,
            "not known",
        ),
        ("{user}@127.0.0.1:1/{database}", Exit.DATABASE_UNREACHABLE, "Errno 111"),
        ("somebody@localhost/{database}?socket={socket}", Exit.DATABASE_REFUSED, "Access denied"),
        ("{user}@localhost/mysql?socket={socket}", Exit.DATABASE_REFUSED, "too few rights"),
    ],
)
def test_a_server_that_cannot_be_used_is_told_in_one_line(
    address: ServerAddress, options: list[str], place: str, exit_code: Exit, told: str, tmp_path: Path
) -> None:
    where = place.format(user=address.user, database=address.database, socket=address.socket)
    words = ["--log-level", "warning", *options, "--database", f"mysql://{where}"]
    done = tukur("up", "--data", str(tmp_path / "data"), "--port", str(free_port()), *words)
    assert (done.returncode, len(done.stderr.strip().splitlines())) == (exit_code, 1), done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_second_hub_on_the_same_database_ends_with_one_line(options: list[str], tmp_path: Path) -> None:
    with running(tmp_path / "data", *options):
        port = str(free_port())
        done = tukur("hub", "--data", str(tmp_path / "other"), "--port", port, *options)
    assert done.returncode == Exit.DATA_IN_USE
    assert "another hub writes to the database" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
