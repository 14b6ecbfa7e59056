"""Signing in and out, sessions and tokens, over the store."""

import time
from collections.abc import Collection
from dataclasses import dataclass

from tukur.hub.auth.identity import TOKEN_PREFIX, Identity, Rights, Role, hash_of, new_secret
from tukur.hub.auth.limits import FailureLimit
from tukur.hub.store.accounts import Accounts, TokenRow

LINK_S = 600
SESSION_S = 7 * 86_400
OWNER = "admin"
"""The user that sign-in links are for until there are more."""


def now_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new session; `secret` goes into the cookie and is known nowhere else."""

    secret: str
    identity: Identity


class Auth:
    """Only hashes of secrets reach the store."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self.failures = FailureLimit()
        """By address: sign-ins that failed."""

    async def new_link(self, user: str = OWNER, role: Role = Role.ADMIN) -> str:
        """A token that signs `user` in once, within :data:`LINK_S`."""
        secret = new_secret()
        now = now_ms()
        user_id = await self._accounts.ensure_user(user, role.word, now)
        await self._accounts.add_link(hash_of(secret), user_id, now + LINK_S * 1000)
        return secret

    async def sign_in(self, secret: str) -> SignedIn | None:
        """Uses a link up; None where it is unknown, used or expired."""
        session, now = new_secret(), now_ms()
        expires = now + SESSION_S * 1000
        if not await self._accounts.exchange_link(hash_of(secret), hash_of(session), now, expires):
            return None
        identity = await self.session_identity(session)
        return None if identity is None else SignedIn(session, identity)

    async def sign_out(self, identity: Identity) -> None:
        """Ends the session, if it is one; a token is not ended by this."""
        if identity.via == "cookie":
            await self._accounts.drop_session(identity.secret_hash)

    async def session_identity(self, secret: str) -> Identity | None:
        """Whose session it is; None: unknown or expired."""
        return await self._by_session(hash_of(secret))

    async def _by_session(self, secret_hash: bytes) -> Identity | None:
        row = await self._accounts.session(secret_hash, now_ms())
        if row is None:
            return None
        rights = Rights.parse(row.role, row.grants)
        return Identity(row.name, rights, row.expires_ms, "cookie", secret_hash)

    async def token_identity(self, secret: str) -> Identity | None:
        """Whose token it is; None: unknown, revoked or expired."""
        return await self._by_token(hash_of(secret))

    async def _by_token(self, secret_hash: bytes) -> Identity | None:
        row = await self._accounts.token(secret_hash, now_ms())
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
        if not await self._accounts.add_token(hash_of(secret), row):
            raise ValueError(f"there is a token named {name!r} already; another name expected")
        return secret

    async def tokens(self) -> list[TokenRow]:
        """Every token there is, without its secret."""
        return await self._accounts.tokens()

    async def revoke_token(self, name: str) -> bool:
        """Ends it at once; False: there is none of that name."""
        return await self._accounts.drop_token(name)
