"""Sessions and tokens over the store: how they begin, whose they are, how they end."""

import contextlib
import time
from collections.abc import Collection
from dataclasses import dataclass

from tukur.hub.auth.identity import TOKEN_PREFIX, Identity, Rights, Role, hash_of, new_secret
from tukur.hub.bus import RIGHTS_CHANGED, Bus
from tukur.hub.store.control.sessions import NewSession
from tukur.hub.store.control.tokens import TokenRow
from tukur.hub.store.errors import StoreError
from tukur.hub.store.waists import Control

LINK_S = 600
SESSION_S = 7 * 86_400
OWNER = "admin"
"""The user that sign-in links are for unless one is named."""
_TOUCH_MS = 60_000


def now_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Client:
    """Where a session is used from."""

    address: str = ""
    browser: str = ""
    """Its name, shortened."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new session; `secret` goes into the cookie and is known nowhere else."""

    secret: str
    identity: Identity


class Auth:
    """Only hashes of secrets reach the store."""

    def __init__(self, control: Control, bus: Bus) -> None:
        self._users = control.users
        self._sessions = control.sessions
        self._tokens = control.tokens
        self._bus = bus

    def changed(self) -> None:
        """Notifies open connections: the session or token that admitted them may have ended."""
        self._bus.publish(RIGHTS_CHANGED, None)

    async def new_link(self, user: str = OWNER, role: Role = Role.ADMIN, seconds: int = LINK_S) -> str:
        """A token that signs `user` in once, within so many seconds."""
        secret = new_secret()
        now = now_ms()
        user_id = await self._users.ensure(user, role.word, now)
        await self._sessions.add_link(hash_of(secret), user_id, now + seconds * 1000)
        return secret

    async def sign_in(self, secret: str, client: Client = Client()) -> SignedIn | None:
        """Uses a link up; None where it is unknown, used or expired."""
        session, new = _new_session("link", client)
        if not await self._sessions.exchange_link(hash_of(secret), new):
            return None
        return await self._begun(session)

    async def begin(self, user: str, via: str, client: Client, seconds: int = SESSION_S) -> SignedIn | None:
        """A session for whoever has proved to be this user; None: there is no such user any more."""
        session, new = _new_session(via, client, seconds)
        return await self._begun(session) if await self._sessions.begin(user, new) else None

    async def _begun(self, session: str) -> SignedIn | None:
        identity = await self.session_identity(session)
        return None if identity is None else SignedIn(session, identity)

    async def end(self, secret: str) -> None:
        """Ends the session of a cookie, if it is one."""
        await self.end_session(hash_of(secret))

    async def end_session(self, secret_hash: bytes) -> None:
        """Ends a session, and the connections that it let in."""
        await self._sessions.end(secret_hash)
        self.changed()

    async def end_sessions(self, user: str, but: bytes = b"") -> int:
        """Ends a user's sessions, but for one; how many."""
        ended = await self._sessions.end_all(user, but)
        self.changed()
        return ended

    async def sign_out(self, identity: Identity) -> None:
        """Ends the session, if it is one; a token is not ended by this."""
        if identity.via == "cookie":
            await self.end_session(identity.secret_hash)

    async def session_identity(self, secret: str) -> Identity | None:
        """Whose session it is; None: unknown or expired."""
        return await self._by_session(hash_of(secret))

    async def _by_session(self, secret_hash: bytes) -> Identity | None:
        now = now_ms()
        row = await self._sessions.session(secret_hash, now)
        if row is None:
            return None
        if now - row.used_ms > _TOUCH_MS:
            # Whoever only looks on may do so while the disk is full.
            with contextlib.suppress(StoreError):
                await self._sessions.touch(secret_hash, now)
        rights = Rights.parse(row.role, row.grants)
        return Identity(row.name, rights, row.expires_ms, "cookie", secret_hash)

    async def token_identity(self, secret: str) -> Identity | None:
        """Whose token it is; None: unknown, revoked or expired."""
        return await self._by_token(hash_of(secret))

    async def _by_token(self, secret_hash: bytes) -> Identity | None:
        row = await self._tokens.token(secret_hash, now_ms())
        if row is None:
            return None
        rights = Rights.parse(row.role, row.grants)
        return Identity(f"token:{row.name}", rights, row.expires_ms, "bearer", secret_hash)

    async def still_sees(self, identity: Identity, groups: Collection[str]) -> bool:
        """Whether what let `identity` in still holds, for a host of these groups: a connection that lasts
        must ask again."""
        again = self._by_session if identity.via == "cookie" else self._by_token
        found = await again(identity.secret_hash)
        return found is not None and found.sees(groups)

    async def new_token(self, name: str, rights: Rights, days: int) -> str:
        """A bearer token, shown this once. Raises ValueError where the name is taken."""
        secret = new_secret(TOKEN_PREFIX)
        now = now_ms()
        row = TokenRow(name, rights.role.word, rights.grants_text(), now, now + days * 86_400_000)
        if not await self._tokens.add(hash_of(secret), row):
            raise ValueError(f"there is a token named {name!r} already; another name expected")
        return secret

    async def tokens(self) -> list[TokenRow]:
        """Every token there is, without its secret."""
        return await self._tokens.all()

    async def revoke_token(self, name: str) -> bool:
        """Ends it at once; False: there is none of that name."""
        known = await self._tokens.drop(name)
        self.changed()
        return known


def _new_session(via: str, client: Client, seconds: int = SESSION_S) -> tuple[str, NewSession]:
    """(its secret, what is kept of it)."""
    secret, now = new_secret(), now_ms()
    return secret, NewSession(
        hash_of(secret), now, now + seconds * 1000, via, client.address[:64], client.browser[:100]
    )
