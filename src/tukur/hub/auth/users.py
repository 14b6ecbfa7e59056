"""Users as administrators manage them, and what each changes of their own."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from tukur.hub.auth.identity import Rights, Role, hash_of
from tukur.hub.auth.limits import FailureLimit, check_limit
from tukur.hub.auth.passwords import Passwords, fault_of
from tukur.hub.auth.second_factor import SecondFactor
from tukur.hub.auth.service import Auth, now_ms
from tukur.hub.errors import ProblemError
from tukur.hub.store.control.sessions import SessionRow
from tukur.hub.store.control.users import LastAdminError, UserRow
from tukur.hub.store.waists import Control

T = TypeVar("T")

INVITE_S = 86_400
"""How long a link is good that invites somebody or lets them choose another password."""
FRESH_MS = 15 * 60_000
"""So long after a link's use its session may set a password without the one before."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_RESERVED = frozenset({"hub", "token", "local", "host"})
"""As which the audit log names what is no user."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is to become of a user; what is None stays as it is."""

    rights: Rights | None = None
    disabled: bool | None = None

    def columns(self) -> dict[str, Any]:
        """By their names in the database."""
        values: dict[str, Any] = {} if self.disabled is None else {"disabled": self.disabled}
        if self.rights is not None:
            values |= {"role": self.rights.role.word, "grants": self.rights.grants_text()}
        return values


class UserAdmin:
    """All methods raise ProblemError where a user's wish cannot be had, and StoreError."""

    def __init__(self, control: Control, auth: Auth, passwords: Passwords, factor: SecondFactor) -> None:
        self._users = control.users
        self._auth = auth
        self._passwords = passwords
        self._factor = factor
        self._guesses = FailureLimit(10, 15 * 60.0)

    async def user(self, name: str) -> UserRow:
        """The user of this name."""
        found = await self._users.user(name)
        if found is None:
            raise ProblemError(404, "user_unknown", f"there is no user {name[:100]!r}")
        return found

    async def users(self) -> list[UserRow]:
        """Every user, by name."""
        return await self._users.users()

    async def add(self, name: str, rights: Rights) -> str:
        """Makes a user; the token of a link by which it signs in for the first time."""
        if not _is_name(name):
            raise ProblemError(
                400, "bad_name", f"user {name[:100]!r}; up to 64 of a-z A-Z 0-9 . _ @ - expected"
            )
        _check_rights(rights)
        if await self._users.add(name, rights.role.word, rights.grants_text(), now_ms()) is None:
            raise ProblemError(409, "user_known", f"there is a user named {name!r} already")
        return await self._auth.new_link(name, seconds=INVITE_S)

    async def vouched(self, issuer: str, subject: str, names: Sequence[str], rights: Rights) -> str:
        """The name of the user whom an OpenID provider vouches for; made at the first sign-in.

        The rights are those that the provider's word gives now. A user of this hub is never taken over.
        """
        known = hash_of(f"{issuer}\0{subject}")
        row = await self._users.by_subject(known)
        if rights.best is Role.NONE:
            raise ProblemError(403, "no_role", "the provider says nothing that gives a role here")
        if row is not None:
            await self._set(row.name, Change(rights).columns())
            return row.name
        name = next((name for name in names if _is_name(name)), None)
        if name is None:
            raise ProblemError(403, "bad_name", "the provider tells no name that a user can have here")
        made = await self._users.add(name, rights.role.word, rights.grants_text(), now_ms(), known)
        if made is None:
            raise ProblemError(409, "user_known", f"there is another user named {name!r} here")
        return name

    async def change(self, name: str, change: Change) -> None:
        """Rights hold from the next request on; of a disabled user every session ends."""
        if change.rights is not None:
            _check_rights(change.rights)
        await self._set(name, change.columns())
        if change.disabled:
            await self._auth.end_sessions(name)
        self._auth.changed()

    async def remove(self, name: str) -> None:
        """Forgets the user, ends every session; what the audit log says of it stays."""
        try:
            if not await self._users.remove(name):
                raise ProblemError(404, "user_unknown", f"there is no user {name[:100]!r}")
        except LastAdminError:
            raise _last_admin() from None
        self._auth.changed()

    async def reset(self, name: str, *, totp: bool) -> str:
        """Takes the password and, if asked, the second factor; ends every session; a link's token."""
        user = await self.user(name)
        await self._set(name, {"password": None})
        if totp:
            await self._users.drop_totp(user.id)
        await self._auth.end_sessions(name)
        return await self._auth.new_link(name, seconds=INVITE_S)

    async def _set(self, name: str, values: Mapping[str, Any]) -> None:
        try:
            if values and not await self._users.change(name, values):
                raise ProblemError(404, "user_unknown", f"there is no user {name[:100]!r}")
        except LastAdminError:
            raise _last_admin() from None

    async def set_password(self, session: SessionRow, present: str, new: str) -> None:
        """A user's own new password; every other session of theirs ends.

        `present`: the one before; not needed where a link began the session just now.
        """
        user = await self.user(session.name)
        if user.subject is not None:
            # Else whoever the provider lets in no more would still get in.
            raise ProblemError(409, "provider_user", "this user signs in by the OpenID provider")
        if not is_fresh(session):
            await self._guessed(user, lambda: self._check_present(user, present))
        fault = fault_of(new, user.name)
        if fault is not None:
            raise ProblemError(400, "bad_password", fault)
        await self._set(user.name, {"password": await self._passwords.hashed(new)})
        await self._auth.end_sessions(user.name, but=session.hash)

    async def confirm_factor(self, user: UserRow, code: str) -> list[str]:
        """The second factor counts from now on; the recovery codes, shown this once."""
        if user.password is None:
            raise ProblemError(409, "password_needed", "a second factor is beside a password; set one first")
        return await self._guessed(user, lambda: self._factor.confirm(user, code))

    async def end_factor(self, user: UserRow, code: str) -> None:
        """Takes the second factor off, by a code of it."""
        if user.totp_step is None:
            raise ProblemError(409, "second_factor_off", "there is no second factor")
        await self._guessed(user, lambda: self._factor.check(user, code))
        await self._users.drop_totp(user.id)

    async def _guessed(self, user: UserRow, check: Callable[[], Awaitable[T]]) -> T:
        """What a check gives that a stranger in an open session might try again and again."""
        check_limit(self._guesses, user.name)
        self._guesses.failed(user.name)
        try:
            found = await check()
        except ProblemError as error:
            # 401 would say that the session has ended.
            raise ProblemError(
                403 if error.status == 401 else error.status, error.code, error.detail
            ) from None
        self._guesses.forgiven(user.name)
        return found

    async def _check_present(self, user: UserRow, present: str) -> None:
        if not await self._passwords.fits(user.password, present):
            raise ProblemError(
                403,
                "credentials_not_valid",
                "the present password is another; a new sign-in link does without",
            )


def is_fresh(session: SessionRow) -> bool:
    """Whether a link began the session just now."""
    return session.via == "link" and now_ms() - session.created_ms < FRESH_MS


def _is_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and name.lower() not in _RESERVED


def _check_rights(rights: Rights) -> None:
    if rights.best is Role.NONE:
        raise ProblemError(
            400, "bad_role", "a user without any role; one on all hosts or on a group expected"
        )


def _last_admin() -> ProblemError:
    return ProblemError(409, "last_admin", "nobody would be left who is administrator of all hosts")
