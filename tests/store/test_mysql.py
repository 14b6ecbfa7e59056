"""A MariaDB server: who is let in, what it must be, and that what it says of itself does not matter."""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvloop
from sqlalchemy import text

from tests.support.certificates import make_authority, sign
from tests.support.hub import HOST, KEYS
from tests.support.mariadb import MariaDb, running_mariadb, why_not
from tests.support.record import WALL, Machine
from tukur.hub.store import errors
from tukur.hub.store.backends.address import ServerAddress
from tukur.hub.store.backends.bulk import insert_new
from tukur.hub.store.backends.database import Database
from tukur.hub.store.backends.mysql import MysqlServer
from tukur.hub.store.schema import user
from tukur.hub.store.store import Store
from tukur.protocol import auth

EVERY_DAY = "SELECT, INSERT, UPDATE, DELETE"
TO_MIGRATE = f"{EVERY_DAY}, CREATE, ALTER, INDEX, REFERENCES, DROP"
SSL_REQUEST = 32
"""Bytes of the packet that asks for TLS: capabilities, packet size, character set, filler."""
TLS_HANDSHAKE = b"\x16\x03"
"""How a TLS record with a handshake begins."""


@pytest.fixture
async def store(empty: ServerAddress, tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(tmp_path, empty)
    await opened.control.enrolments.enrol(HOST, auth.public_key(KEYS[HOST]), "owl", WALL)
    yield opened
    await opened.close()


async def refused(address: ServerAddress) -> str:
    """The one line that says why."""
    with pytest.raises(errors.StoreError) as raised:
        await MysqlServer(address).prepare()
    line = str(raised.value)
    assert "\n" not in line
    assert "pass w%rd" not in line
    return f"{raised.value.code}: {line}"


# --- who is let in


async def test_a_wrong_password_is_told(empty: ServerAddress) -> None:
    line = await refused(replace(empty, password="wrong"))
    assert line.startswith("store_refused: ")
    assert "Access denied" in line


async def test_a_database_that_is_not_there_is_told(mariadb: MariaDb, empty: ServerAddress) -> None:
    mariadb.sql(f"GRANT ALL ON nowhere.* TO {empty.user}")
    assert "has no such database: Unknown database 'nowhere'" in await refused(
        replace(empty, database="nowhere")
    )


async def test_another_users_database_is_told(mariadb: MariaDb, empty: ServerAddress) -> None:
    line = await refused(replace(empty, database="mysql"))
    assert line.startswith("store_refused: ")
    assert "too few rights" in line


async def test_nobody_there_is_told(tmp_path: Path, empty: ServerAddress) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for address in (
        replace(empty, socket="", host="127.0.0.1", port=port),
        replace(empty, socket="", host="no-such-host.invalid"),
        replace(empty, socket=str(tmp_path / "nowhere")),
    ):
        line = await refused(address)
        assert line.startswith("store_unreachable: ")
        assert "cannot be reached" in line


async def test_every_day_the_hub_needs_four_rights(mariadb: MariaDb, tmp_path: Path) -> None:
    address = mariadb.new_database(EVERY_DAY)
    try:
        line = await refused(address)
        assert line.startswith("store_refused: ")
        assert "too few rights" in line
        mariadb.sql(f"GRANT {TO_MIGRATE} ON {address.database}.* TO {address.user}")
        await MysqlServer(address).prepare()
        mariadb.sql(f"REVOKE ALL ON {address.database}.* FROM {address.user}")
        mariadb.sql(f"GRANT {EVERY_DAY} ON {address.database}.* TO {address.user}")
        store = await Store.open(tmp_path, address)
        try:
            await store.control.enrolments.enrol(HOST, auth.public_key(KEYS[HOST]), "owl", WALL)
            assert await store.facts.blocks.put([(HOST, Machine().block(3))]) == [None]
            (row,) = await store.hosts()
            assert row.last_ms is not None
        finally:
            await store.close()
    finally:
        mariadb.drop(address)


# --- what the server must be


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--max-allowed-packet=4M"], "max_allowed_packet=4194304; 16777216 or more expected"),
        (["--version=10.3.39-MariaDB"], "is MariaDB 10.3.39-MariaDB; 10.6.0 or newer expected"),
        (["--version=5.6.51"], "is MySQL 5.6.51; 8.0.17 or newer expected"),
    ],
)
async def test_a_server_that_does_not_suit_is_told(options: list[str], told: str) -> None:
    if reason := why_not():
        pytest.skip(f"NOT tested on MariaDB: {reason}")
    with running_mariadb(*options) as server:
        line = await refused(server.new_database())
    assert line.startswith("store_unfit: ")
    assert told in line


async def test_a_servers_own_settings_do_not_matter(store: Store) -> None:
    """The tests' server is lax, Latin and serializable."""
    async with store.database.write() as connection:
        theirs = await connection.execute(text("SELECT @@global.sql_mode, @@global.collation_server"))
        assert theirs.one() == ("", "latin1_swedish_ci")
        mode, level, zone = (
            await connection.execute(text("SELECT @@sql_mode, @@tx_isolation, @@time_zone"))
        ).one()
    assert "STRICT_ALL_TABLES" in mode
    assert "NO_BACKSLASH_ESCAPES" not in mode
    assert (level, zone) == ("READ-COMMITTED", "+00:00")
    async with store.database.read() as connection:
        assert (await connection.execute(text("SELECT @@tx_isolation, @@tx_read_only"))).one() == (
            "REPEATABLE-READ",
            1,
        )
        with pytest.raises(Exception, match="READ ONLY"):
            await connection.execute(text("DELETE FROM host"))


async def test_a_transaction_that_reads_sees_one_state(store: Store) -> None:
    async with store.database.read() as reading:
        before = (await reading.execute(text("SELECT COUNT(*) FROM user"))).scalar_one()
        await store.control.users.ensure("new", "admin", 1)
        assert (await reading.execute(text("SELECT COUNT(*) FROM user"))).scalar_one() == before


async def test_many_rows_are_sent_as_few_statements(store: Store, mariadb: MariaDb) -> None:
    def questions() -> int:
        return int(mariadb.sql("SHOW GLOBAL STATUS LIKE 'Com_insert'")[0][1])

    rows = [{"name": f"user {number}", "role": "viewer", "created_ms": 1} for number in range(2000)]
    before = questions()
    async with store.database.write() as connection:
        await insert_new(connection, user, rows)
    assert questions() - before < 5


# --- names and texts


NAMES = ["owl", "Owl", "OWL", "öwl", "o\u0308wl", "owl ", "owl  ", "owl\0", "owl\t", "🦉", "🦉 ", "ﬀ", "ff"]
NAMES += [
    "ß",
    "ss",
    "'; DROP TABLE user; --",
    "\\",
    "\\'",
    '"',
    "%s",
    "%(name)s",
    "\x1a",
    "\\x80\\xff",
    "日本",
    "",
]


async def test_names_that_differ_in_anything_stay_apart(store: Store) -> None:
    for name in NAMES:
        await store.control.users.ensure(name, "viewer", 1)
    async with store.database.read() as connection:
        found = list((await connection.execute(text("SELECT name FROM user"))).scalars())
    assert sorted(found) == sorted(NAMES)
    for name in NAMES:
        number = await store.control.users.ensure(name, "viewer", 1)
        assert await store.control.users.ensure(name, "viewer", 2) == number


async def test_a_command_line_of_any_length_and_bytes_comes_back_equal(store: Store) -> None:
    machine = Machine()
    longest = "🦉" * 65_536
    start = machine.start(10, "owl", "owl", longest, "\\xff\0\n'")
    block = machine.block(2)
    (entry,) = (entry for entry in block.images if entry.pid == 10)
    told = msgspec.structs.replace(
        block, images=[msgspec.structs.replace(entry, cmdline=f"owl {longest[:65_532]}", exe="\0/\\'")]
    )
    assert await store.facts.blocks.put([(HOST, told)]) == [None]
    image = (await store.facts.images.at(1, [start], 2**62))[(start, 10)]
    assert image.cmdline == f"owl {longest[:65_532]}"
    # A NUL is shown as the gate of text shows it; quotes and backslashes reach the database as they are.
    assert image.exe == "\\x00/\\'"


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"samples": 40_000}, "Out of range value for column 'samples'"),
        ({"missed": 2**40}, "Out of range"),
        ({"boot_id": "x" * 37}, "Data too long for column 'boot_id'"),
        ({"boot_id": "\ud800"}, "surrogates not allowed"),
        ({"boot_id": "\udc80"}, "boot_id"),
        ({"tasks": b"TKT1" + bytes(17 * 2**20)}, "the database takes"),
    ],
)
async def test_what_does_not_fit_is_refused_and_nothing_else_with_it(
    store: Store, changed: dict[str, Any], told: str
) -> None:
    machine = Machine()
    good, bad, last = (machine.block(2) for _ in range(3))
    results = await store.facts.blocks.put(
        [(HOST, good), (HOST, msgspec.structs.replace(bad, **changed)), (HOST, last)]
    )
    assert results[0] is None
    assert results[2] is None
    assert isinstance(results[1], errors.BadBlockError)
    assert told in str(results[1])
    assert len(await store.facts.blocks.between(1, 0, 2**45, tasks=False)) == 2


async def test_a_block_as_large_as_can_be_is_stored(store: Store) -> None:
    machine = Machine()
    block = machine.block(2)
    size = store.database.backend.largest_block - len(block.host)
    # Each of these bytes has to be escaped.
    content = b"TKT1" + b"'" * (size - 4)
    assert await store.facts.blocks.put([(HOST, msgspec.structs.replace(block, tasks=content))]) == [None]
    (row,) = await store.facts.blocks.between(1, 0, 2**45, tasks=True)
    assert row.tasks == content


# --- TLS


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("TLS to the database is NOT tested: openssl is not installed")
    folder = tmp_path_factory.mktemp("certificates")
    folder.chmod(0o755)
    for path in folder.parents:
        if path.name.startswith("pytest"):
            path.chmod(0o755)
    make_authority(folder)
    make_authority(folder, "other")
    sign(folder, "here", "IP:127.0.0.1")
    sign(folder, "elsewhere", "DNS:db.example")
    return folder


def tls_server(certificates: Path, name: str) -> Any:
    if reason := why_not():
        pytest.skip(f"NOT tested on MariaDB: {reason}")
    for path in certificates.iterdir():
        path.chmod(0o644)
    return running_mariadb(f"--ssl-cert={certificates / name}.pem", f"--ssl-key={certificates / name}.key")


@pytest.fixture(scope="module")
def here(certificates: Path) -> Iterator[MariaDb]:
    with tls_server(certificates, "here") as server:
        yield server


async def ciphers(address: ServerAddress) -> list[str]:
    backend = MysqlServer(address)
    await backend.prepare()
    store = Store(Database(backend))
    try:
        found = []
        for way in (store.database.write, store.database.read):
            async with way() as connection:
                found.append((await connection.execute(text("SHOW STATUS LIKE 'Ssl_cipher'"))).one()[1])
        return found
    finally:
        await store.close()


async def test_a_server_is_verified_by_its_name(here: MariaDb, certificates: Path) -> None:
    address = here.by_port(
        here.new_database(), ssl_mode="VERIFY_IDENTITY", ssl_ca=str(certificates / "ca.pem")
    )
    here.sql(f"ALTER USER {address.user} REQUIRE SSL")
    assert all(await ciphers(address))


async def test_it_is_so_on_the_hubs_event_loop_too(here: MariaDb, certificates: Path) -> None:
    address = here.by_port(
        here.new_database(), ssl_mode="VERIFY_IDENTITY", ssl_ca=str(certificates / "ca.pem")
    )
    assert all(await asyncio.to_thread(uvloop.run, ciphers(address)))


async def test_a_server_of_an_unknown_authority_is_refused(here: MariaDb, certificates: Path) -> None:
    address = here.by_port(here.new_database(), ssl_mode="VERIFY_IDENTITY")
    for ca in ("", str(certificates / "other.pem")):
        for mode in ("VERIFY_IDENTITY", "VERIFY_CA"):
            line = await refused(replace(address, ssl_ca=ca, ssl_mode=mode))
            assert line.startswith("store_refused: ")
            assert "certificate verify failed" in line


async def test_a_server_of_another_name_is_refused_unless_the_authority_is_enough(certificates: Path) -> None:
    with tls_server(certificates, "elsewhere") as server:
        ca = str(certificates / "ca.pem")
        address = server.by_port(server.new_database(), ssl_mode="VERIFY_IDENTITY", ssl_ca=ca)
        line = await refused(address)
        assert line.startswith("store_refused: ")
        assert "IP address mismatch" in line
        assert all(await ciphers(replace(address, ssl_mode="VERIFY_CA")))


async def test_a_server_without_tls_learns_nothing_of_the_password(
    mariadb: MariaDb, empty: ServerAddress, certificates: Path
) -> None:
    """Who sits in between may take the offer of TLS away."""
    heard = bytearray()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        other_reader, other_writer = await asyncio.open_connection("127.0.0.1", mariadb.port)

        async def back() -> None:
            while data := await other_reader.read(65536):
                writer.write(data)
            writer.close()

        answering = asyncio.create_task(back())
        while data := await reader.read(65536):
            heard.extend(data)
            other_writer.write(data)
        other_writer.close()
        await answering

    between = await asyncio.start_server(relay, "127.0.0.1", 0)
    port = between.sockets[0].getsockname()[1]
    try:
        line = await refused(
            mariadb.by_port(empty, port=port, ssl_mode="VERIFY_IDENTITY", ssl_ca=str(certificates / "ca.pem"))
        )
        assert line.startswith("store_refused: ")
        assert "offers no TLS" in line
        # A request for TLS, which names nobody, and a TLS record: whatever comes later would be encrypted.
        size = 4 + SSL_REQUEST
        assert heard[:4] == bytes([SSL_REQUEST, 0, 0, 1])
        assert heard[size : size + 2] == TLS_HANDSHAKE
        assert empty.user.encode() not in heard
    finally:
        between.close()
        await between.wait_closed()


async def test_a_hub_has_a_certificate_of_its_own_where_the_server_wants_one(
    certificates: Path,
) -> None:
    certificate, key = sign(certificates, "hub", "DNS:hub.example")
    with running_mariadb(
        f"--ssl-cert={certificates / 'here'}.pem",
        f"--ssl-key={certificates / 'here'}.key",
        f"--ssl-ca={certificates / 'ca'}.pem",
    ) as server:
        address = server.by_port(
            server.new_database(), ssl_mode="VERIFY_IDENTITY", ssl_ca=str(certificates / "ca.pem")
        )
        server.sql(f"ALTER USER {address.user} REQUIRE X509")
        assert (await refused(address)).startswith("store_refused: ")
        assert all(await ciphers(replace(address, ssl_cert=str(certificate), ssl_key=str(key))))


def test_the_tests_server_refuses_nothing_by_itself(mariadb: MariaDb) -> None:
    """Else the tests of strictness would show nothing."""
    mariadb.sql("CREATE OR REPLACE DATABASE lax")
    mariadb.sql("CREATE TABLE lax.t (a TINYINT)")
    mariadb.sql("INSERT INTO lax.t VALUES (1000)")
    assert mariadb.sql("SELECT a FROM lax.t") == [(127,)]
