"""A database of a MariaDB or MySQL server: connections with our own settings, whatever the server's are."""

import asyncio
import logging
import re
from dataclasses import dataclass
from typing import Any

from asyncmy import converters
from asyncmy.constants import FIELD_TYPE
from sqlalchemy import URL, Connection, NullPool, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from tukur.hub.store import errors
from tukur.hub.store.backends import mysql_errors
from tukur.hub.store.backends.address import ServerAddress
from tukur.hub.store.backends.engine import driver_connection, store_errors
from tukur.hub.store.migrate import migrate

log = logging.getLogger(__name__)

READERS = 4
CONNECT_S = 10
LOCK_S = 10
"""How long to wait for a row that another transaction has locked."""
QUERY_S = 45
"""How long the server may run one query."""
RECYCLE_S = 1800
HUB_LOCK_S = 5
"""How long to wait for the hub's lock: the server may notice late that its last holder is gone."""
HUB_LOCK_IDLE_S = 300
"""A connection that broke unnoticed keeps the lock so long; maintenance uses it each minute."""
MIN_PACKET = 16 * 2**20
"""Of max_allowed_packet: the default of both servers."""

_SQL_MODE = "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO,ONLY_FULL_GROUP_BY"
_OLDEST = {"MariaDB": (10, 6, 0), "MySQL": (8, 0, 17)}
"""MariaDB: the first with atomic CREATE TABLE. MySQL: the first with an exact collation."""


@dataclass(slots=True)
class MysqlServer:
    """A database of a server. See ``engine.Backend``."""

    address: ServerAddress
    timeout_s: float = 60.0
    largest_block: int = 0
    exclusive: bool = False
    """Whether this is the only hub; commands may write at the same time."""

    def __str__(self) -> str:
        """Its URL, without the password."""
        return str(self.address)

    def engines(self) -> tuple[AsyncEngine, AsyncEngine]:
        """(writer, readers)."""
        # A restart of the server is noticed before a connection is used, not by its user.
        common: dict[str, Any] = {"max_overflow": 0, "pool_pre_ping": True, "pool_recycle": RECYCLE_S}
        writer = self._engine(isolation_level="READ COMMITTED", pool_size=1, pool_timeout=60, **common)
        # All queries of a transaction see one state.
        readers = self._engine(
            isolation_level="REPEATABLE READ", pool_size=READERS, pool_timeout=30, **common
        )
        event.listen(readers.sync_engine, "connect", _limit_queries)
        self._take_hub_lock(writer)
        return writer, readers

    async def prepare(self) -> None:
        """Checks the server and brings the schema up to date. Raises StoreError."""
        with store_errors(self):
            engine = self._engine(isolation_level="READ COMMITTED", poolclass=NullPool)
            # Before the schema, which must not change under a running hub.
            self._take_hub_lock(engine)
            try:
                async with engine.connect() as connection:
                    await connection.run_sync(self._prepare)
            finally:
                await engine.dispose()

    async def interrupt(self, connection: AsyncConnection) -> None:
        """Cancels the query that the connection is running, if any."""
        driver = driver_connection(connection)
        if driver is None:
            return
        # The server notices that a client is gone only when it has something to send.
        engine = self._engine(poolclass=NullPool)
        try:
            async with asyncio.timeout(CONNECT_S), engine.connect() as other:
                await other.exec_driver_sql(f"KILL QUERY {driver.thread_id()}")
        except (DBAPIError, OSError, TimeoutError) as error:
            # The query has ended by itself, or will at its time limit.
            log.debug("a query could not be cancelled: %s", error)
        finally:
            await engine.dispose()

    def kind(self, error: Exception) -> errors.StoreError | None:
        """The StoreError for an error; None: it is not the database's."""
        return mysql_errors.kind(str(self), error)

    def _engine(self, **options: Any) -> AsyncEngine:
        address = self.address
        url = URL.create(
            "mysql+asyncmy", address.user, address.password, address.host, address.port, address.database
        )
        arguments: dict[str, Any] = {
            "charset": "utf8mb4",
            "connect_timeout": CONNECT_S,
            "conv": _DECODERS,
            "ssl": address.ssl_context(),
            "program_name": "tukur",
        }
        if address.socket:
            arguments["unix_socket"] = address.socket
        engine = create_async_engine(url, connect_args=arguments, **options)
        event.listen(engine.sync_engine, "connect", _connected)
        # With the row alias of MySQL 8 the driver would send rows one by one.
        event.listen(engine.sync_engine, "connect", lambda *_: _use_values_function(engine))
        return engine

    def _take_hub_lock(self, engine: AsyncEngine) -> None:
        """Makes each connection of the engine take the lock that only one hub can have, or fail."""
        if not self.exclusive:
            return
        name = f"tukur-hub:{self.address.database}"[:64]

        def take(connection: Any, _: Any) -> None:
            _execute(connection, f"SET SESSION wait_timeout={HUB_LOCK_IDLE_S}")
            if _execute(connection, "SELECT GET_LOCK(%s, %s)", name, HUB_LOCK_S) != (1,):
                connection.close()
                raise errors.DatabaseLockedError(f"another hub writes to the database {self}")

        event.listen(engine.sync_engine, "connect", take)

    def _prepare(self, connection: Connection) -> None:
        self._check(connection)
        lock = {"name": f"tukur:{self.address.database}"[:64], "seconds": int(self.timeout_s)}
        # If two programs start at once, the second one waits until the first has made the schema.
        if not connection.execute(text("SELECT GET_LOCK(:name, :seconds)"), lock).scalar_one():
            raise errors.BusyError(f"{self}: another program has been migrating the schema for a minute")
        connection.rollback()
        migrate(connection, str(self))

    def _check(self, connection: Connection) -> None:
        version, packet = connection.execute(text("SELECT VERSION(), @@max_allowed_packet")).one()
        product = "MariaDB" if "mariadb" in version.lower() else "MySQL"
        numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:3])
        if numbers < _OLDEST[product]:
            oldest = ".".join(map(str, _OLDEST[product]))
            raise errors.UnfitError(f"{self} is {product} {version}; {oldest} or newer expected")
        innodb = connection.execute(
            text("SELECT COUNT(*) FROM information_schema.engines WHERE engine='InnoDB' AND support!='NO'")
        )
        if not innodb.scalar_one():
            raise errors.UnfitError(f"{self} has no InnoDB, which tukur needs")
        if packet < MIN_PACKET:
            raise errors.UnfitError(f"{self} has max_allowed_packet={packet}; {MIN_PACKET} or more expected")
        connection.rollback()
        # Each byte of a blob may have to be escaped.
        self.largest_block = (packet - 65536) // 2


def _number(digits: str) -> int | float:
    """Sums of integers come as DECIMAL; no column is one."""
    return float(digits) if "." in digits else int(digits)


_DECODERS = {
    **converters.conversions,
    FIELD_TYPE.DECIMAL: _number,
    FIELD_TYPE.NEWDECIMAL: _number,
}


def _connected(connection: Any, _: Any) -> None:
    _execute(
        connection,
        f"SET SESSION sql_mode='{_SQL_MODE}', innodb_lock_wait_timeout={LOCK_S}, lock_wait_timeout=60, "
        f"foreign_key_checks=1, unique_checks=1, time_zone='+00:00', wait_timeout={2 * RECYCLE_S}",
    )


def _limit_queries(connection: Any, _: Any) -> None:
    _execute(connection, "SET SESSION TRANSACTION READ ONLY")
    server = connection._connection.server_version  # noqa: SLF001 - the driver's connection inside SQLAlchemy's
    if "mariadb" in server.lower():
        _execute(connection, f"SET SESSION max_statement_time={QUERY_S}")
    else:
        _execute(connection, f"SET SESSION max_execution_time={QUERY_S * 1000}")


def _use_values_function(engine: AsyncEngine) -> None:
    engine.dialect._requires_alias_for_on_duplicate_key = False  # type: ignore[attr-defined]  # noqa: SLF001


def _execute(connection: Any, statement: str, *values: Any) -> Any:
    """The first row of the answer, where there is one."""
    cursor = connection.cursor()
    cursor.execute(statement, values)
    found = cursor.fetchone() if cursor.description else None
    cursor.close()
    return found
