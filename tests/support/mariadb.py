"""A MariaDB server of the tests' own, in a temporary directory, reached by a socket and by a port."""

import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pymysql

from tests.support.waiting import eventually
from tukur.hub.store.backends.address import ServerAddress

START_S = 60
USER = "nobody"
"""Whom it runs as where the tests are root's."""
_NEEDED = ("mariadbd", "mariadb-install-db")
_FAST = (
    # A killed server keeps what it handed to the kernel; only power loss would not.
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-doublewrite=0",
    "--innodb-buffer-pool-size=48M",
    "--innodb-log-file-size=24M",
    "--performance-schema=0",
    "--skip-name-resolve",
    # As wrong as a server can be set up: the store must not depend on it.
    "--sql-mode=",
    "--character-set-server=latin1",
    "--collation-server=latin1_swedish_ci",
    "--transaction-isolation=SERIALIZABLE",
)


def why_not() -> str:
    """Why there can be no server here; empty: there can."""
    missing = [name for name in _NEEDED if _program(name) is None]
    return f"not installed: {', '.join(missing)} (Debian: mariadb-server-core)" if missing else ""


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


class MariaDb:
    """One server; its data stay while it is stopped and started."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.socket = folder / "socket"
        self.options = list(options)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)

    def install(self) -> None:
        """Makes the data directory."""
        # The server refuses to run as root.
        self._as_user = [f"--user={USER}"] if os.geteuid() == 0 else []
        if self._as_user:
            shutil.chown(self.folder, USER)
        program = _program("mariadb-install-db")
        assert program is not None
        command = [program, "--no-defaults", f"--datadir={self.folder / 'data'}", *self._as_user]
        command += ["--auth-root-authentication-method=normal", "--skip-test-db", *_FAST[2:4]]
        subprocess.run(command, check=True, capture_output=True, timeout=START_S)

    def start(self) -> None:
        """Starts it and waits until it answers."""
        program = _program("mariadbd")
        assert program is not None
        command = [program, "--no-defaults", f"--datadir={self.folder / 'data'}", *self._as_user, *_FAST]
        command += [f"--socket={self.socket}", f"--port={self.port}", "--bind-address=127.0.0.1"]
        command += [f"--pid-file={self.folder / 'pid'}", f"--log-error={self.folder / 'log'}", *self.options]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        process = self._process
        eventually(lambda: self._answers() or process.poll() is not None, START_S, "the server answers")
        assert process.poll() is None, (self.folder / "log").read_text()[-2000:]

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.socket))
            except OSError:
                return False
            return bool(probe.recv(1))

    def stop(self) -> None:
        """Lets it end in order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it as a crash would."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(number)
            self._process.wait(START_S)
            self._process = None

    @contextmanager
    def stalled(self) -> Iterator[None]:
        """Within this the server answers nobody and closes nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def sql(self, statement: str, values: Sequence[Any] = (), database: str | None = None) -> list[Any]:
        """Runs a statement as root; its rows."""
        with (
            pymysql.connect(
                unix_socket=str(self.socket),
                user="root",
                database=database,
                autocommit=True,
                ssl_disabled=True,
                charset="utf8mb4",
            ) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(statement, values or None)
            return list(cursor.fetchall())

    def new_database(self, rights: str = "ALL") -> ServerAddress:
        """An empty database with a user of its own that has these rights on it."""
        name = f"tukur{next(self._numbers)}"
        self.sql(f"CREATE DATABASE {name}")
        self.sql(f"CREATE USER {name} IDENTIFIED BY 'pass w%rd/{name}'")
        self.sql(f"GRANT {rights} ON {name}.* TO {name}")
        return ServerAddress(name, name, socket=str(self.socket), password=f"pass w%rd/{name}")

    def by_port(self, address: ServerAddress, **changed: Any) -> ServerAddress:
        """The same by TCP."""
        return replace(address, **{"socket": "", "host": "127.0.0.1", "port": self.port, **changed})

    def drop(self, address: ServerAddress) -> None:
        """Removes a database and its user."""
        self.sql(f"DROP DATABASE IF EXISTS {address.database}")
        self.sql(f"DROP USER IF EXISTS {address.user}")


def url_of(address: ServerAddress) -> str:
    """The address as a person writes it."""
    account = f"{quote(address.user, safe='')}:{quote(address.password, safe='')}"
    return f"mysql://{account}@localhost/{address.database}?socket={quote(address.socket, safe='')}"


@contextmanager
def running_mariadb(*options: str) -> Iterator[MariaDb]:
    """A server that is gone afterwards, with all that it held."""
    # Its socket's path must be short.
    folder = Path(tempfile.mkdtemp(prefix="tukur-db-"))
    server = MariaDb(folder, *options)
    try:
        server.install()
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)
