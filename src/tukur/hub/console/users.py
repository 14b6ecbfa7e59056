"""Users and their links, from the command line."""

import contextlib
from collections.abc import AsyncIterator

from tukur.hub.auth.account_key import AccountKey
from tukur.hub.auth.identity import Rights
from tukur.hub.auth.passwords import Passwords
from tukur.hub.auth.second_factor import SecondFactor
from tukur.hub.auth.service import DEFAULT_USER, Auth
from tukur.hub.auth.users import Change, UserAdmin
from tukur.hub.console.console import Console
from tukur.hub.store.control.users import UserRow
from tukur.hub.store.store import Store


class UserConsole(Console):
    """Every method raises StoreError; those that change something also ProblemError."""

    @contextlib.asynccontextmanager
    async def _users(self) -> AsyncIterator[tuple[Store, Auth, UserAdmin]]:
        async with self._auth() as (store, auth):
            factor = SecondFactor(store.control.users, AccountKey(self.data_dir))
            yield store, auth, UserAdmin(store.control, auth, Passwords(), factor)

    async def sign_in_link(self, user: str = DEFAULT_USER) -> str:
        """The token of a link that signs a user in once.

        The default user is created if missing, so that access can be regained without any administrator.
        """
        async with self._users() as (store, auth, users):
            if user != DEFAULT_USER:
                await users.user(user)
            await self._audit(store, "link.create", user)
            return await auth.new_link(user)

    async def all(self) -> list[UserRow]:
        """Every user, by name."""
        async with self._users() as (_, _, users):
            return await users.users()

    async def add(self, name: str, rights: Rights) -> str:
        """Creates a user; returns the token of its first link."""
        async with self._users() as (store, _, users):
            token = await users.add(name, rights)
            grants = rights.grants_text()
            await self._audit(store, "user.add", name, role=rights.role.label, grants=grants)
            return token

    async def change(self, name: str, change: Change) -> None:
        """Changes a user's rights, or disables or enables the user."""
        async with self._users() as (store, _, users):
            await users.change(name, change)
            await self._audit(store, "user.change", name, **change.columns())

    async def remove(self, name: str) -> None:
        """Deletes a user."""
        async with self._users() as (store, _, users):
            await users.remove(name)
            await self._audit(store, "user.remove", name)

    async def reset(self, name: str, *, second_factor: bool) -> str:
        """Removes the password and ends the sessions; returns the token of a new link."""
        async with self._users() as (store, _, users):
            token = await users.reset(name, totp=second_factor)
            await self._audit(store, "user.reset", name, second_factor=second_factor)
            return token
