"""Signing in by password, and by a code where the user has a second factor. Guessing is rate-limited."""

import secrets
from dataclasses import dataclass

from tukur.hub.auth.account_key import AccountKey
from tukur.hub.auth.limits import FailureLimit, check_limit, network_of
from tukur.hub.auth.passwords import Passwords
from tukur.hub.auth.second_factor import SecondFactor
from tukur.hub.errors import ProblemError
from tukur.hub.store.control.users import UserRow, Users

_TRIES = 10
_WINDOW_S = 15 * 60.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """What somebody signs in with."""

    user: str
    password: str
    code: str
    """Of the second factor; empty: none was given."""
    origin: str
    """The address that it comes from."""
    device: str
    """What a browser shows that this user signed in with before; empty: nothing."""


class SignIn:
    """Failures are counted by address and by account.

    An account that strangers guess at stays open for those browsers that its owner has used, each with a
    count of its own, and for links: nobody locks its owner out.
    """

    def __init__(self, users: Users, passwords: Passwords, factor: SecondFactor, key: AccountKey) -> None:
        self._users = users
        self._passwords = passwords
        self._factor = factor
        self._key = key
        self.by_address = FailureLimit()
        self._by_account = FailureLimit(_TRIES, _WINDOW_S)

    def check_address(self, origin: str) -> None:
        """Raises ProblemError (429) where too many sign-ins from there failed."""
        check_limit(self.by_address, network_of(origin))

    def failed(self, origin: str) -> None:
        """Counts a failure that is of no account."""
        self.by_address.failed(network_of(origin))

    async def by_password(self, attempt: Attempt) -> UserRow:
        """The user. Raises ProblemError; StoreError.

        Whether there is such a user shows neither in the answer nor in how long it takes.
        """
        account, network = self._account(attempt), network_of(attempt.origin)
        check_limit(self.by_address, network)
        check_limit(self._by_account, account)
        # Before the work, so that of many at once no more pass than may fail.
        self.by_address.failed(network)
        self._by_account.failed(account)
        user = await self._user(attempt)
        self.by_address.forgiven(network)
        self._by_account.forgiven(account)
        return user

    async def _user(self, attempt: Attempt) -> UserRow:
        user = await self._users.user(attempt.user)
        if user is not None and user.name != attempt.user:
            # A server may find a name that is written otherwise: failures are counted by how it is written.
            user = None
        fits = await self._passwords.fits(user.password if user else None, attempt.password)
        if user is None or not fits or user.disabled or user.password is None:
            raise ProblemError(401, "credentials_not_valid", "no user has this name and password")
        if user.totp_step is not None:
            await self._factor.check(user, attempt.code)
        if self._passwords.is_weak(user.password):
            await self._users.rehash(user.name, user.password, await self._passwords.hashed(attempt.password))
        return user

    def _account(self, attempt: Attempt) -> str:
        known = self._key.open("device", attempt.user, attempt.device) if attempt.device else None
        return attempt.user.casefold() if known is None else f"{attempt.user}\0{known.hex()}"

    def new_device(self, user: str) -> str:
        """What a browser shows from now on, so that it is known as this user's."""
        return self._key.seal("device", user, secrets.token_bytes(16))
