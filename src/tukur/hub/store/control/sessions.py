"""Sessions, and the links that begin one. Of each secret only the hash is here."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert, not_, select, true, update
from sqlalchemy.sql.elements import ColumnElement

from tukur.hub.store.backends.database import Database, retry_on_conflict
from tukur.hub.store.schema import session, sign_in_link, user

IDLE_MS = 24 * 3_600_000
"""How long an unused session stays valid."""


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A valid session."""

    hash: bytes
    name: str
    """The user's."""
    role: str
    grants: str
    """See ``auth.identity.Rights``."""
    created_ms: int
    expires_ms: int
    """It ends then at the latest."""
    used_ms: int
    """Its last use, to the minute."""
    via: str
    """What it began with: link, password or provider."""
    address: str
    browser: str


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session that is about to begin."""

    hash: bytes
    created_ms: int
    expires_ms: int
    via: str
    address: str = ""
    browser: str = ""

    def row(self, user_id: int) -> dict[str, Any]:
        """As the table keeps it."""
        return {
            "hash": self.hash,
            "user_id": user_id,
            "created_ms": self.created_ms,
            "expires_ms": self.expires_ms,
            "used_ms": self.created_ms,
            "via": self.via,
            "address": self.address,
            "browser": self.browser,
        }


class Sessions:
    """All methods raise StoreError. A user that is disabled has no session, whatever is kept."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @retry_on_conflict
    async def add_link(self, secret_hash: bytes, user_id: int, expires_ms: int) -> None:
        """Keeps a sign-in link."""
        async with self._database.write() as connection:
            row = {"hash": secret_hash, "user_id": user_id, "expires_ms": expires_ms}
            await connection.execute(insert(sign_in_link), row)

    @retry_on_conflict
    async def exchange_link(self, link: bytes, new: NewSession) -> bool:
        """Exchanges a link for a session, in one transaction; False: unknown, used or expired."""
        now_ms = new.created_ms
        async with self._database.write() as connection:
            found = await connection.execute(
                select(sign_in_link.c.user_id)
                .join(user, user.c.id == sign_in_link.c.user_id)
                .where(
                    sign_in_link.c.hash == link,
                    sign_in_link.c.expires_ms > now_ms,
                    user.c.disabled != true(),
                )
            )
            user_id = found.scalar_one_or_none()
            await connection.execute(
                delete(sign_in_link).where(
                    (sign_in_link.c.hash == link) | (sign_in_link.c.expires_ms <= now_ms)
                )
            )
            await connection.execute(delete(session).where(not_(_in_time(now_ms))))
            if user_id is None:
                return False
            await connection.execute(insert(session), new.row(user_id))
            return True

    @retry_on_conflict
    async def begin(self, name: str, new: NewSession) -> bool:
        """A session of a user; False: there is none of this name, or it is disabled."""
        async with self._database.write() as connection:
            await connection.execute(delete(session).where(not_(_in_time(new.created_ms))))
            found = await connection.execute(
                select(user.c.id).where(user.c.name == name, user.c.disabled != true())
            )
            user_id = found.scalar_one_or_none()
            if user_id is None:
                return False
            await connection.execute(insert(session), new.row(user_id))
            return True

    async def session(self, secret_hash: bytes, now_ms: int) -> SessionRow | None:
        """The session, if it is valid."""
        found = await self._find(session.c.hash == secret_hash, now_ms)
        return found[0] if found else None

    async def of(self, name: str, now_ms: int) -> list[SessionRow]:
        """A user's sessions, the newest first."""
        return await self._find(user.c.name == name, now_ms)

    async def _find(self, where: Any, now_ms: int) -> list[SessionRow]:
        columns = [column for column in session.c if column.name != "user_id"]
        asked = (
            select(user.c.name, user.c.role, user.c.grants, *columns)
            .join(user, user.c.id == session.c.user_id)
            .where(where, _in_time(now_ms), user.c.disabled != true())
            .order_by(session.c.created_ms.desc(), session.c.hash)
        )
        async with self._database.read() as connection:
            return [SessionRow(**row) for row in (await connection.execute(asked)).mappings()]

    @retry_on_conflict
    async def touch(self, secret_hash: bytes, now_ms: int) -> None:
        """Records that a session was used now."""
        async with self._database.write() as connection:
            await connection.execute(
                update(session).where(session.c.hash == secret_hash).values(used_ms=now_ms)
            )

    @retry_on_conflict
    async def end(self, secret_hash: bytes) -> None:
        """Ends a session."""
        async with self._database.write() as connection:
            await connection.execute(delete(session).where(session.c.hash == secret_hash))

    @retry_on_conflict
    async def end_all(self, name: str, but: bytes = b"") -> int:
        """Ends a user's sessions, but for one, and the links not yet used; how many sessions."""
        own = select(user.c.id).where(user.c.name == name).scalar_subquery()
        async with self._database.write() as connection:
            ended = await connection.execute(
                delete(session).where(session.c.user_id == own, session.c.hash != but)
            )
            await connection.execute(delete(sign_in_link).where(sign_in_link.c.user_id == own))
            return int(ended.rowcount)


def _in_time(now_ms: int) -> ColumnElement[bool]:
    return (session.c.expires_ms > now_ms) & (session.c.used_ms > now_ms - IDLE_MS)
