"""Users and how they authenticate."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, insert, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from tukur.hub.store.backends.bulk import insert_new
from tukur.hub.store.backends.database import Database, retry_on_conflict
from tukur.hub.store.schema import recovery_code, session, sign_in_link, user

_ADMIN = "admin"


class LastAdminError(Exception):
    """Nobody would be left who may administer."""


@dataclass(frozen=True, slots=True)
class UserRow:
    """A user, with its credentials."""

    id: int
    name: str
    role: str
    grants: str
    """See ``auth.identity.Rights``."""
    created_ms: int
    disabled: bool
    password: str | None
    """Its Argon2 hash; None: none was set."""
    totp: str | None
    """The secret of the second factor, encrypted."""
    totp_step: int | None
    """The period of the code that was used last; None: no code has confirmed the secret yet."""
    subject: bytes | None
    """Hash of the OpenID provider and of whom it vouches for; None: a user of this hub alone."""


class Users:
    """All methods raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def user(self, name: str) -> UserRow | None:
        """The user of this name."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(user).where(user.c.name == name))).mappings().one_or_none()
        return None if row is None else UserRow(**row)

    async def by_subject(self, subject: bytes) -> UserRow | None:
        """The user whom an OpenID provider vouches for."""
        async with self._database.read() as connection:
            found = await connection.execute(select(user).where(user.c.subject == subject))
            row = found.mappings().one_or_none()
        return None if row is None else UserRow(**row)

    async def users(self) -> list[UserRow]:
        """Every user, by name."""
        async with self._database.read() as connection:
            found = await connection.execute(select(user).order_by(user.c.name))
            return [UserRow(**row) for row in found.mappings()]

    @retry_on_conflict
    async def ensure(self, name: str, role: str, now_ms: int) -> int:
        """The user's number; made where there is none of this name."""
        async with self._database.write() as connection:
            await insert_new(connection, user, [{"name": name, "role": role, "created_ms": now_ms}])
            found = await connection.execute(select(user.c.id).where(user.c.name == name))
            return int(found.scalar_one())

    @retry_on_conflict
    async def add(
        self, name: str, role: str, grants: str, now_ms: int, subject: bytes | None = None
    ) -> int | None:
        """The number of a new user; None: the name is taken, by whatever case it is written in."""
        async with self._database.write() as connection:
            same = select(user.c.id).where(func.lower(user.c.name) == name.lower())
            if (await connection.execute(same)).first() is not None:
                return None
            row = {"name": name, "role": role, "grants": grants, "created_ms": now_ms, "subject": subject}
            await connection.execute(insert(user), row)
            found = await connection.execute(select(user.c.id).where(user.c.name == name))
            return int(found.scalar_one())

    @retry_on_conflict
    async def change(self, name: str, values: Mapping[str, Any]) -> bool:
        """Columns of a user to new values; False: there is none of this name. Raises LastAdminError."""
        async with self._database.write() as connection, _keeping_an_admin(connection):
            changed = await connection.execute(update(user).where(user.c.name == name).values(**values))
            if not changed.rowcount:
                # A server counts only rows whose values differ.
                found = await connection.execute(select(user.c.id).where(user.c.name == name))
                return found.first() is not None
            return True

    @retry_on_conflict
    async def remove(self, name: str) -> bool:
        """Forgets a user with sessions, links and codes; False: there is none. Raises LastAdminError."""
        async with self._database.write() as connection, _keeping_an_admin(connection):
            found = await connection.execute(select(user.c.id).where(user.c.name == name))
            user_id = found.scalar_one_or_none()
            if user_id is None:
                return False
            for table in (session, sign_in_link, recovery_code):
                await connection.execute(delete(table).where(table.c.user_id == user_id))
            await connection.execute(delete(user).where(user.c.id == user_id))
            return True

    @retry_on_conflict
    async def rehash(self, name: str, before: str, after: str) -> None:
        """The same password by another hash, unless it was changed meanwhile."""
        async with self._database.write() as connection:
            same = (user.c.name == name) & (user.c.password == before)
            await connection.execute(update(user).where(same).values(password=after))

    @retry_on_conflict
    async def use_step(self, user_id: int, step: int) -> bool:
        """Takes a period's code as used; False: it, or a later one, was used before."""
        async with self._database.write() as connection:
            fresh = (user.c.id == user_id) & (user.c.totp_step < step)
            used = await connection.execute(update(user).where(fresh).values(totp_step=step))
            return bool(used.rowcount)

    @retry_on_conflict
    async def use_recovery_code(self, user_id: int, code: bytes) -> bool:
        """Uses a recovery code up; False: it is none of theirs, or was used."""
        async with self._database.write() as connection:
            own = (recovery_code.c.user_id == user_id) & (recovery_code.c.hash == code)
            return bool((await connection.execute(delete(recovery_code).where(own))).rowcount)

    @retry_on_conflict
    async def confirm_totp(self, user_id: int, step: int, codes: list[bytes]) -> bool:
        """The second factor counts from now on, with these recovery codes; False: it counted already."""
        async with self._database.write() as connection:
            pending = (user.c.id == user_id) & (user.c.totp.is_not(None)) & (user.c.totp_step.is_(None))
            done = await connection.execute(update(user).where(pending).values(totp_step=step))
            if not done.rowcount:
                return False
            await connection.execute(delete(recovery_code).where(recovery_code.c.user_id == user_id))
            rows = [{"user_id": user_id, "hash": code} for code in codes]
            await connection.execute(insert(recovery_code), rows)
            return True

    @retry_on_conflict
    async def drop_totp(self, user_id: int) -> None:
        """No second factor any more."""
        async with self._database.write() as connection:
            await connection.execute(
                update(user).where(user.c.id == user_id).values(totp=None, totp_step=None)
            )
            await connection.execute(delete(recovery_code).where(recovery_code.c.user_id == user_id))

    async def recovery_codes(self, user_id: int) -> int:
        """How many are left."""
        counted = select(func.count()).where(recovery_code.c.user_id == user_id)
        async with self._database.read() as connection:
            return int((await connection.execute(counted)).scalar_one())


@asynccontextmanager
async def _keeping_an_admin(connection: AsyncConnection) -> AsyncIterator[None]:
    """Rolls back what would leave no administrator of all hosts, if there was one. Raises LastAdminError."""
    admins = select(func.count()).where(user.c.role == _ADMIN, user.c.disabled != true())
    before = (await connection.execute(admins)).scalar_one()
    yield
    if before and not (await connection.execute(admins)).scalar_one():
        raise LastAdminError
