"""Signing in with a password and, if the user has one, a second factor. Attempts are rate-limited."""

import secrets
from dataclasses import dataclass

from tukur.hub.auth.account_key import AccountKey
from tukur.hub.auth.limits import FailureLimit, check_limit, rate_limit_key
from tukur.hub.auth.passwords import Passwords
from tukur.hub.auth.second_factor import SecondFactor
from tukur.hub.errors import ProblemError
from tukur.hub.store.control.users import UserRow, Users

_MAX_FAILURES = 10
_WINDOW_S = 15 * 60.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """The credentials of one sign-in."""

    user: str
    password: str
    code: str
    """Of the second factor; empty if none was given."""
    origin: str
    """The client's address."""
    device: str
    """The device cookie of a browser that this user signed in with before; else empty."""


class SignIn:
    """Counts failures by address and by account.

    While an account is locked by somebody else's failures, its owner can still sign in with a link or from a
    known browser, which has a counter of its own.
    """

    def __init__(self, users: Users, passwords: Passwords, factor: SecondFactor, key: AccountKey) -> None:
        self._users = users
        self._passwords = passwords
        self._factor = factor
        self._key = key
        self.by_address = FailureLimit()
        self._by_account = FailureLimit(_MAX_FAILURES, _WINDOW_S)

    def check_address(self, origin: str) -> None:
        """Raises ProblemError (429) after too many failures from this address."""
        check_limit(self.by_address, rate_limit_key(origin))

    def record_failure(self, origin: str) -> None:
        """Counts a failure that belongs to no account."""
        self.by_address.record_failure(rate_limit_key(origin))

    async def by_password(self, attempt: Attempt) -> UserRow:
        """Authenticates a user. Raises ProblemError, StoreError.

        Neither the response nor its timing reveals whether the user exists.
        """
        account, network = self._account_key(attempt), rate_limit_key(attempt.origin)
        check_limit(self.by_address, network)
        check_limit(self._by_account, account)
        # Counted first, so that concurrent attempts cannot exceed the limit.
        self.by_address.record_failure(network)
        self._by_account.record_failure(account)
        user = await self._authenticate(attempt)
        self.by_address.undo_failure(network)
        self._by_account.undo_failure(account)
        return user

    async def _authenticate(self, attempt: Attempt) -> UserRow:
        user = await self._users.user(attempt.user)
        if user is not None and user.name != attempt.user:
            # A database may ignore case; failures are counted by the exact spelling.
            user = None
        matches = await self._passwords.verify(user.password if user else None, attempt.password)
        if user is None or not matches or user.disabled or user.password is None:
            raise ProblemError(401, "credentials_not_valid", "no user has this name and password")
        if user.totp_step is not None:
            await self._factor.check(user, attempt.code)
        if self._passwords.needs_rehash(user.password):
            await self._users.rehash(user.name, user.password, await self._passwords.hash(attempt.password))
        return user

    def _account_key(self, attempt: Attempt) -> str:
        device = self._key.open("device", attempt.user, attempt.device) if attempt.device else None
        return attempt.user.casefold() if device is None else f"{attempt.user}\0{device.hex()}"

    def new_device_cookie(self, user: str) -> str:
        """Marks a browser as known for this user."""
        return self._key.seal("device", user, secrets.token_bytes(16))
