"""API tokens and join tokens, from the command line."""

import secrets

from tukur.hub.auth.identity import Rights, hash_of
from tukur.hub.auth.service import now_ms
from tukur.hub.console.console import Console
from tukur.hub.store.control.enrolment import JoinTokenRow
from tukur.hub.store.control.tokens import TokenRow
from tukur.protocol.join_token import SECRET, JoinToken


class TokenConsole(Console):
    """API tokens. Every method raises StoreError."""

    async def create(self, name: str, rights: Rights, days: int) -> str:
        """A bearer token, shown only once. Raises ValueError if the name is taken."""
        async with self._auth() as (store, auth):
            secret = await auth.new_token(name, rights, days)
            grants = rights.grants_text()
            await self._audit(store, "token.create", name, role=rights.role.label, grants=grants, days=days)
            return secret

    async def all(self) -> list[TokenRow]:
        """Every token, without its secret."""
        async with self._auth() as (_, auth):
            return await auth.tokens()

    async def revoke(self, name: str) -> bool:
        """Ends a token at once; False: there is no token of that name."""
        async with self._auth() as (store, auth):
            known = await auth.revoke_token(name)
            await self._audit(store, "token.revoke", name, known=known)
            return known


class JoinTokenConsole(Console):
    """Join tokens. Every method raises StoreError."""

    async def create(
        self, label: str, uses: int, seconds: int, authority: bytes | None, installer: bytes | None = None
    ) -> str:
        """The text of a token for `uses` machines, shown only once.

        `authority`, `installer`: see ``JoinToken``.

        Raises ValueError if the label is taken.
        """
        token, now = JoinToken(secrets.token_bytes(SECRET), authority, installer), now_ms()
        expires = now + seconds * 1000
        async with self.open_store() as store:
            if not await store.control.enrolments.add_token(hash_of(token.secret), label, uses, now, expires):
                raise ValueError(f"there is a join token labelled {label!r} already; another label expected")
            await self._audit(store, "join_token.create", label, uses=uses, seconds=seconds)
        return token.text()

    async def all(self) -> list[JoinTokenRow]:
        """Every join token, without its secret."""
        async with self.open_store() as store:
            return await store.control.enrolments.tokens()

    async def revoke(self, label: str) -> bool:
        """Ends a join token at once; False: there is no token of that label."""
        async with self.open_store() as store:
            known = await store.control.enrolments.drop_token(label)
            await self._audit(store, "join_token.revoke", label, known=known)
            return known
