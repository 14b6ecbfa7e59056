"""Sessions, sign-in links and API tokens: creating, looking up, ending."""

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
DEFAULT_USER = "admin"
"""The default user of sign-in links."""
_TOUCH_MS = 60_000
"""How often the last use of a session is written."""


def now_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Client:
    """Where a session is used from."""

    address: str = ""
    browser: str = ""
    """Name and version, shortened."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new session; `secret` goes into the cookie and is stored nowhere."""

    secret: str
    identity: Identity


class Auth:
    """Only hashes of secrets are stored."""

    def __init__(self, control: Control, bus: Bus) -> None:
        self._users = control.users
        self._sessions = control.sessions
        self._tokens = control.tokens
        self._bus = bus

    def publish_rights_changed(self) -> None:
        """Makes open connections check their session or token again."""
        self._bus.publish(RIGHTS_CHANGED, None)

    async def new_link(self, user: str = DEFAULT_USER, role: Role = Role.ADMIN, seconds: int = LINK_S) -> str:
        """A token that signs `user` in once, valid for `seconds`."""
        secret = new_secret()
        now = now_ms()
        user_id = await self._users.ensure(user, role.label, now)
        await self._sessions.add_link(hash_of(secret), user_id, now + seconds * 1000)
        return secret

    async def sign_in(self, secret: str, client: Client = Client()) -> SignedIn | None:
        """Consumes a sign-in link; None: unknown, used or expired."""
        session, new = _new_session("link", client)
        if not await self._sessions.exchange_link(hash_of(secret), new):
            return None
        return await self._signed_in(session)

    async def begin_session(
        self, user: str, via: str, client: Client, seconds: int = SESSION_S
    ) -> SignedIn | None:
        """A session for an authenticated user; None: the user was removed or disabled."""
        session, new = _new_session(via, client, seconds)
        return await self._signed_in(session) if await self._sessions.begin(user, new) else None

    async def _signed_in(self, session: str) -> SignedIn | None:
        identity = await self.session_identity(session)
        return None if identity is None else SignedIn(session, identity)

    async def end_session_of_cookie(self, secret: str) -> None:
        """Ends the session of a cookie, if there is one."""
        await self.end_session(hash_of(secret))

    async def end_session(self, secret_hash: bytes) -> None:
        """Ends a session and its live connections."""
        await self._sessions.end(secret_hash)
        self.publish_rights_changed()

    async def end_sessions(self, user: str, except_hash: bytes = b"") -> int:
        """Ends a user's sessions except one; returns how many."""
        ended = await self._sessions.end_all(user, except_hash)
        self.publish_rights_changed()
        return ended

    async def sign_out(self, identity: Identity) -> None:
        """Ends a session; does nothing for a token."""
        if identity.via == "cookie":
            await self.end_session(identity.secret_hash)

    async def session_identity(self, secret: str) -> Identity | None:
        """The identity of a session; None: unknown or expired."""
        return await self._by_session(hash_of(secret))

    async def _by_session(self, secret_hash: bytes) -> Identity | None:
        now = now_ms()
        row = await self._sessions.session(secret_hash, now)
        if row is None:
            return None
        if now - row.used_ms > _TOUCH_MS:
            # Reading must work even if the disk is full.
            with contextlib.suppress(StoreError):
                await self._sessions.touch(secret_hash, now)
        rights = Rights.parse(row.role, row.grants)
        return Identity(row.name, rights, row.expires_ms, "cookie", secret_hash)

    async def token_identity(self, secret: str) -> Identity | None:
        """The identity of a token; None: unknown, revoked or expired."""
        return await self._by_token(hash_of(secret))

    async def _by_token(self, secret_hash: bytes) -> Identity | None:
        row = await self._tokens.token(secret_hash, now_ms())
        if row is None:
            return None
        rights = Rights.parse(row.role, row.grants)
        return Identity(f"token:{row.name}", rights, row.expires_ms, "bearer", secret_hash)

    async def still_sees(self, identity: Identity, groups: Collection[str]) -> bool:
        """Whether the session or token is still valid and may see hosts in these groups.

        Long-lived connections check this again.
        """
        lookup = self._by_session if identity.via == "cookie" else self._by_token
        found = await lookup(identity.secret_hash)
        return found is not None and found.sees(groups)

    async def new_token(self, name: str, rights: Rights, days: int) -> str:
        """A bearer token, shown only once. Raises ValueError if the name is taken."""
        secret = new_secret(TOKEN_PREFIX)
        now = now_ms()
        row = TokenRow(name, rights.role.label, rights.grants_text(), now, now + days * 86_400_000)
        if not await self._tokens.add(hash_of(secret), row):
            raise ValueError(f"there is a token named {name!r} already; another name expected")
        return secret

    async def tokens(self) -> list[TokenRow]:
        """Every token, without its secret."""
        return await self._tokens.all()

    async def revoke_token(self, name: str) -> bool:
        """Revokes it at once; False: there is no token of that name."""
        dropped = await self._tokens.drop(name)
        self.publish_rights_changed()
        return dropped


def _new_session(via: str, client: Client, seconds: int = SESSION_S) -> tuple[str, NewSession]:
    """(secret, row to store)."""
    secret, now = new_secret(), now_ms()
    return secret, NewSession(
        hash_of(secret), now, now + seconds * 1000, via, client.address[:64], client.browser[:100]
    )
