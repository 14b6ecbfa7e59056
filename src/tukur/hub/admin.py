"""What the command line does with a hub's accounts, while the hub runs or not."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from tukur.hub.auth.identity import Role
from tukur.hub.auth.service import Auth
from tukur.hub.store.accounts import TokenRow
from tukur.hub.store.address import ServerAddress
from tukur.hub.store.store import Store


@contextlib.asynccontextmanager
async def _auth(data_dir: Path, server: ServerAddress | None) -> AsyncIterator[Auth]:
    store = await Store.open(data_dir, server)
    try:
        yield Auth(store.accounts)
    finally:
        await store.close()


async def create_sign_in_link(data_dir: Path, server: ServerAddress | None = None) -> str:
    """The token of a link that signs the owner in once. Raises StoreError."""
    async with _auth(data_dir, server) as auth:
        return await auth.new_link()


async def create_token(
    data_dir: Path, name: str, role: str, days: int, server: ServerAddress | None = None
) -> str:
    """A bearer token, shown this once. Raises StoreError, and ValueError where the name is taken."""
    async with _auth(data_dir, server) as auth:
        return await auth.new_token(name, Role.of(role), days)


async def list_tokens(data_dir: Path, server: ServerAddress | None = None) -> list[TokenRow]:
    """Every token, without its secret. Raises StoreError."""
    async with _auth(data_dir, server) as auth:
        return await auth.tokens()


async def revoke_token(data_dir: Path, name: str, server: ServerAddress | None = None) -> bool:
    """Ends a token at once; False: there is none of that name. Raises StoreError."""
    async with _auth(data_dir, server) as auth:
        return await auth.revoke_token(name)
