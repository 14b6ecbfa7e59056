"""Users, sessions, sign-in links and tokens. Of each secret only the hash is here."""

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import delete, insert, select, update

from tukur.hub.store.bulk import insert_new
from tukur.hub.store.database import Database, repeated
from tukur.hub.store.schema import session, sign_in_link, token, user


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session that holds."""

    name: str
    role: str
    grants: str
    """See ``auth.identity.Rights``."""
    expires_ms: int


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A bearer token, without its secret."""

    name: str
    role: str
    grants: str
    created_ms: int
    expires_ms: int


class Accounts:
    """Who may come in. All methods raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @repeated
    async def set_rights(self, name: str, role: str, grants: str) -> bool:
        """What a user may do from now on; False: there is none of this name."""
        async with self._database.write() as connection:
            changed = update(user).where(user.c.name == name).values(role=role, grants=grants)
            return bool((await connection.execute(changed)).rowcount)

    @repeated
    async def ensure_user(self, name: str, role: str, now_ms: int) -> int:
        """The user's number; made where there is none of this name."""
        async with self._database.write() as connection:
            await insert_new(connection, user, [{"name": name, "role": role, "created_ms": now_ms}])
            found = await connection.execute(select(user.c.id).where(user.c.name == name))
            return int(found.scalar_one())

    @repeated
    async def add_link(self, secret_hash: bytes, user_id: int, expires_ms: int) -> None:
        """Keeps a sign-in link."""
        async with self._database.write() as connection:
            row = {"hash": secret_hash, "user_id": user_id, "expires_ms": expires_ms}
            await connection.execute(insert(sign_in_link), row)

    @repeated
    async def exchange_link(self, link: bytes, secret_hash: bytes, now_ms: int, expires_ms: int) -> bool:
        """Uses the link up for a session, in one transaction; False: unknown, used or expired."""
        async with self._database.write() as connection:
            found = await connection.execute(
                select(sign_in_link.c.user_id).where(
                    sign_in_link.c.hash == link, sign_in_link.c.expires_ms > now_ms
                )
            )
            user_id = found.scalar_one_or_none()
            await connection.execute(
                delete(sign_in_link).where(
                    (sign_in_link.c.hash == link) | (sign_in_link.c.expires_ms <= now_ms)
                )
            )
            await connection.execute(delete(session).where(session.c.expires_ms <= now_ms))
            if user_id is None:
                return False
            row = {"hash": secret_hash, "user_id": user_id, "created_ms": now_ms, "expires_ms": expires_ms}
            await connection.execute(insert(session), row)
            return True

    async def session(self, secret_hash: bytes, now_ms: int) -> SessionRow | None:
        """The session, while it holds."""
        async with self._database.read() as connection:
            found = await connection.execute(
                select(user.c.name, user.c.role, user.c.grants, session.c.expires_ms)
                .join(user, user.c.id == session.c.user_id)
                .where(session.c.hash == secret_hash, session.c.expires_ms > now_ms)
            )
            row = found.one_or_none()
        return None if row is None else SessionRow(row.name, row.role, row.grants, row.expires_ms)

    @repeated
    async def drop_session(self, secret_hash: bytes) -> None:
        """Ends a session."""
        async with self._database.write() as connection:
            await connection.execute(delete(session).where(session.c.hash == secret_hash))

    @repeated
    async def add_token(self, secret_hash: bytes, row: TokenRow) -> bool:
        """Keeps a token; False: its name is taken."""
        async with self._database.write() as connection:
            await connection.execute(
                delete(token).where(token.c.name == row.name, token.c.expires_ms <= row.created_ms)
            )
            found = await connection.execute(select(token.c.name).where(token.c.name == row.name))
            if found.first() is not None:
                return False
            await connection.execute(insert(token), {"hash": secret_hash, **asdict(row)})
            return True

    async def token(self, secret_hash: bytes, now_ms: int) -> TokenRow | None:
        """The token, while it holds."""
        async with self._database.read() as connection:
            found = await connection.execute(
                select(token).where(token.c.hash == secret_hash, token.c.expires_ms > now_ms)
            )
            row = found.one_or_none()
        return None if row is None else _token(row)

    async def tokens(self) -> list[TokenRow]:
        """Every token, by name."""
        async with self._database.read() as connection:
            found = await connection.execute(select(token).order_by(token.c.name))
            return [_token(row) for row in found]

    @repeated
    async def drop_token(self, name: str) -> bool:
        """Ends a token; False: there is none of this name."""
        async with self._database.write() as connection:
            found = await connection.execute(delete(token).where(token.c.name == name))
            return bool(found.rowcount)


def _token(row: Any) -> TokenRow:
    return TokenRow(row.name, row.role, row.grants, row.created_ms, row.expires_ms)
