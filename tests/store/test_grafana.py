"""The Grafana profile of the Compose file: views, user and the dashboard's questions, on a real server.

Grafana itself is not here: no image can be pulled where these tests run.
"""

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest

from tests.store.test_store import START, busy_machine, put
from tests.support.hub import HOST, KEYS
from tests.support.mariadb import MariaDb
from tests.support.record import SECOND, WALL
from tukur.hub.store.backends.address import ServerAddress
from tukur.hub.store.store import Store
from tukur.protocol import auth

GRAFANA = Path(__file__).resolve().parents[2] / "deploy" / "compose" / "grafana"
BOARD: dict[str, Any] = json.loads((GRAFANA / "dashboards" / "tukur.json").read_text())
PASSWORD = "1234abcd"


async def fill(database: ServerAddress, folder: Path) -> None:
    """Some minutes of one host."""
    store = await Store.open(folder, database)
    await store.control.enrolments.enrol(HOST, auth.public_key(KEYS[HOST]), "owl", WALL)
    machine = busy_machine()
    blocks = []
    for _ in range(3):
        machine.work(10, cpu_s=2, write_bytes=4096)
        blocks.append(machine.block(9, busy=0.5))
        machine.boot_ns += 60 * SECOND
        machine.wall_ns += 60 * SECOND
    await put(store, *blocks)
    await store.close()


@pytest.fixture(scope="module")
def record(mariadb: MariaDb, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerAddress]:
    """A database with a record: one for all tests here, which only read it."""
    database = mariadb.new_database()
    asyncio.run(fill(database, tmp_path_factory.mktemp("store")))
    yield database
    mariadb.drop(database)
    mariadb.sql("DROP DATABASE tukur_grafana")
    mariadb.sql("DROP USER tukur_grafana@localhost")


def prepare(server: MariaDb, folder: Path, database: str, password: str = PASSWORD) -> str:
    """Runs what the service grafana-views runs; what it says on standard error."""
    files = folder / "grafana"
    shutil.copytree(GRAFANA, files, dirs_exist_ok=True)
    views = files / "views.sql"
    views.write_text(views.read_text().replace("tukur.", f"{database}."))
    script = files / "prepare"
    script.write_text(
        script.read_text().replace("/run/secrets", str(folder)).replace("/grafana/", f"{files}/")
    )
    (folder / "grafana_database_password").write_text(f"{password}\n")
    # The tests' server knows its administrator by the socket.
    (folder / "database_root_password").write_text("")
    done = subprocess.run(
        ["sh", script],
        env={**os.environ, "DATABASE_SOCKET": str(server.socket)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == ""
    return done.stderr


def ask(server: MariaDb, statement: str, password: str = PASSWORD) -> list[dict[str, Any]]:
    """The rows, as the user that the data source names."""
    with (
        pymysql.connect(
            unix_socket=str(server.socket),
            user="tukur_grafana",
            password=password,
            database="tukur_grafana",
            ssl_disabled=True,
            cursorclass=pymysql.cursors.DictCursor,
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
        return list(cursor.fetchall())


@pytest.fixture
def views(mariadb: MariaDb, record: ServerAddress, tmp_path: Path) -> MariaDb:
    assert prepare(mariadb, tmp_path, record.database) == ""
    # What is there already is brought up to date.
    assert prepare(mariadb, tmp_path, record.database) == ""
    return mariadb


def filled_in(statement: str) -> str:
    """With the variables as Grafana replaces them for the whole record and all hosts."""
    hosts = "'owl'"
    return (
        statement.replace("$__from", str(START - 60_000))
        .replace("$__to", str(START + 600_000))
        .replace("$host", hosts)
    )


@pytest.mark.parametrize("panel", BOARD["panels"], ids=lambda panel: panel["title"])
def test_each_panel_of_the_dashboard_has_rows(views: MariaDb, panel: dict[str, Any]) -> None:
    (target,) = panel["targets"]
    rows = ask(views, filled_in(target["rawSql"]))
    assert rows
    assert "$" not in filled_in(target["rawSql"])
    if target["format"] == "time_series":
        assert set(rows[0]) == {"time", "metric", "value"}
        assert {row["metric"] for row in rows} == {"owl"}
        assert all(START - 60_000 <= row["time"] <= START + 600_000 for row in rows)


def test_the_figures_are_those_of_the_record(views: MariaDb) -> None:
    titled = {panel["title"]: panel["targets"][0]["rawSql"] for panel in BOARD["panels"]}
    cpu = ask(views, filled_in(titled["CPU"]))
    # The very first second was less busy.
    assert all(0.4 < float(row["value"]) <= 0.5 for row in cpu)
    assert float(cpu[-1]["value"]) == 0.5
    (worker,) = [row for row in ask(views, filled_in(titled["Most CPU time"])) if row["name"] == "worker"]
    assert worker["host"] == "owl"
    # What busy_machine worked, and three times two seconds.
    assert worker["cpu_seconds"] == pytest.approx(0.75 + 6)
    assert worker["write_bytes"] == 3 * 4096


def test_the_variable_lists_the_hosts(views: MariaDb) -> None:
    (variable,) = BOARD["templating"]["list"]
    assert ask(views, variable["query"]) == [{"name": "owl"}]


def test_the_user_reads_the_views_and_nothing_else(views: MariaDb, record: ServerAddress) -> None:
    for statement in (
        f"SELECT * FROM {record.database}.session",
        f"SELECT public_key FROM {record.database}.host",
        "INSERT INTO hosts (id, name) VALUES (9, 'other')",
        "DROP VIEW hosts",
    ):
        with pytest.raises(pymysql.err.OperationalError, match="denied"):
            ask(views, statement)


def test_a_new_password_replaces_the_old_one(views: MariaDb, record: ServerAddress, tmp_path: Path) -> None:
    assert prepare(views, tmp_path, record.database, "new1") == ""
    assert ask(views, "SELECT name FROM hosts", "new1")
    with pytest.raises(pymysql.err.OperationalError, match="denied"):
        ask(views, "SELECT name FROM hosts")


def test_a_password_that_sql_could_misread_is_refused(
    mariadb: MariaDb, record: ServerAddress, tmp_path: Path
) -> None:
    said = prepare(mariadb, tmp_path, record.database, "it's")
    assert said == "grafana_database_password: letters and digits expected\n"


def test_every_panel_asks_the_data_source_that_is_provisioned() -> None:
    source = (GRAFANA / "datasources" / "tukur.yaml").read_text()
    assert "\n    uid: tukur\n" in source
    assert "\n    type: mysql\n" in source
    wanted = {"type": "mysql", "uid": "tukur"}
    assert all(panel["datasource"] == wanted for panel in BOARD["panels"])
    assert all(target["datasource"] == wanted for panel in BOARD["panels"] for target in panel["targets"])
