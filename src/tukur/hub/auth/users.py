"""User administration, and what users change in their own accounts."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from tukur.hub.auth.identity import Rights, Role, hash_of
from tukur.hub.auth.limits import FailureLimit, check_limit
from tukur.hub.auth.passwords import Passwords, rejection_reason
from tukur.hub.auth.second_factor import SecondFactor
from tukur.hub.auth.service import Auth, now_ms
from tukur.hub.errors import ProblemError
from tukur.hub.store.control.sessions import SessionRow
from tukur.hub.store.control.users import LastAdminError, UserRow
from tukur.hub.store.waists import Control

T = TypeVar("T")

INVITE_S = 86_400
"""Validity of a link that invites a user or resets a password."""
FRESH_MS = 15 * 60_000
"""How long a session begun by a link may set a password without the current one."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_RESERVED = frozenset({"hub", "token", "local", "host"})
"""Names that the audit log uses for other actors."""


@dataclass(frozen=True, slots=True)
class Change:
    """Changes to a user; None: unchanged."""

    rights: Rights | None = None
    disabled: bool | None = None

    def columns(self) -> dict[str, Any]:
        """Database columns and their new values."""
        values: dict[str, Any] = {} if self.disabled is None else {"disabled": self.disabled}
        if self.rights is not None:
            values |= {"role": self.rights.role.label, "grants": self.rights.grants_text()}
        return values


class UserAdmin:
    """All methods raise ProblemError for invalid requests, and StoreError."""

    def __init__(self, control: Control, auth: Auth, passwords: Passwords, factor: SecondFactor) -> None:
        self._users = control.users
        self._auth = auth
        self._passwords = passwords
        self._factor = factor
        self._failures = FailureLimit(10, 15 * 60.0)

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
        """Creates a user; returns the token of the link for the first sign-in."""
        if not _is_valid_name(name):
            raise ProblemError(
                400, "bad_name", f"user {name[:100]!r}; up to 64 of a-z A-Z 0-9 . _ @ - expected"
            )
        _check_rights(rights)
        if await self._users.add(name, rights.role.label, rights.grants_text(), now_ms()) is None:
            raise ProblemError(409, "user_known", f"there is already a user named {name!r}")
        return await self._auth.new_link(name, seconds=INVITE_S)

    async def from_provider(self, issuer: str, subject: str, names: Sequence[str], rights: Rights) -> str:
        """The name of the user that an OpenID provider authenticated; created at the first sign-in.

        The rights are replaced by the given ones. A local user of the same name is never taken over.
        """
        subject_hash = hash_of(f"{issuer}\0{subject}")
        row = await self._users.by_subject(subject_hash)
        if rights.max_role is Role.NONE:
            raise ProblemError(403, "no_role", "no claim of the OpenID provider gives this user a role")
        if row is not None:
            await self._update(row.name, Change(rights).columns())
            return row.name
        name = next((name for name in names if _is_valid_name(name)), None)
        if name is None:
            raise ProblemError(403, "bad_name", "the OpenID provider sent no valid user name")
        user_id = await self._users.add(name, rights.role.label, rights.grants_text(), now_ms(), subject_hash)
        if user_id is None:
            raise ProblemError(409, "user_known", f"there is already another user named {name!r}")
        return name

    async def change(self, name: str, change: Change) -> None:
        """Applies from the next request; all sessions of a disabled user end."""
        if change.rights is not None:
            _check_rights(change.rights)
        await self._update(name, change.columns())
        if change.disabled:
            await self._auth.end_sessions(name)
        self._auth.publish_rights_changed()

    async def remove(self, name: str) -> None:
        """Deletes the user and ends all sessions; entries in the audit log stay."""
        try:
            if not await self._users.remove(name):
                raise ProblemError(404, "user_unknown", f"there is no user {name[:100]!r}")
        except LastAdminError:
            raise _last_admin() from None
        self._auth.publish_rights_changed()

    async def reset(self, name: str, *, totp: bool) -> str:
        """Removes the password and, if asked, the second factor; ends all sessions; returns a link token."""
        user = await self.user(name)
        await self._update(name, {"password": None})
        if totp:
            await self._users.drop_totp(user.id)
        await self._auth.end_sessions(name)
        return await self._auth.new_link(name, seconds=INVITE_S)

    async def _update(self, name: str, values: Mapping[str, Any]) -> None:
        try:
            if values and not await self._users.change(name, values):
                raise ProblemError(404, "user_unknown", f"there is no user {name[:100]!r}")
        except LastAdminError:
            raise _last_admin() from None

    async def set_password(self, session: SessionRow, current: str, new: str) -> None:
        """Sets a user's own password and ends all other sessions.

        `current`: the present password; not required if a link began the session just now.
        """
        user = await self.user(session.name)
        if user.subject is not None:
            # Else a user removed at the provider could still sign in.
            raise ProblemError(409, "provider_user", "this user signs in with the OpenID provider")
        if not is_fresh(session):
            await self._rate_limited(user, lambda: self._check_current(user, current))
        reason = rejection_reason(new, user.name)
        if reason is not None:
            raise ProblemError(400, "bad_password", reason)
        await self._update(user.name, {"password": await self._passwords.hash(new)})
        await self._auth.end_sessions(user.name, except_hash=session.hash)

    async def confirm_factor(self, user: UserRow, code: str) -> list[str]:
        """Activates the second factor; returns the recovery codes, shown only once."""
        if user.password is None:
            raise ProblemError(409, "password_needed", "a second factor requires a password; set one first")
        return await self._rate_limited(user, lambda: self._factor.confirm(user, code))

    async def end_factor(self, user: UserRow, code: str) -> None:
        """Removes the second factor; requires a code."""
        if user.totp_step is None:
            raise ProblemError(409, "second_factor_off", "there is no second factor")
        await self._rate_limited(user, lambda: self._factor.check(user, code))
        await self._users.drop_totp(user.id)

    async def _rate_limited(self, user: UserRow, check: Callable[[], Awaitable[T]]) -> T:
        """Runs a check of a password or code; failures are limited, in case the session was stolen."""
        check_limit(self._failures, user.name)
        self._failures.record_failure(user.name)
        try:
            result = await check()
        except ProblemError as error:
            # 401 would mean that the session has ended.
            raise ProblemError(
                403 if error.status == 401 else error.status, error.code, error.detail
            ) from None
        self._failures.undo_failure(user.name)
        return result

    async def _check_current(self, user: UserRow, current: str) -> None:
        if not await self._passwords.verify(user.password, current):
            raise ProblemError(
                403,
                "credentials_not_valid",
                "the present password is wrong; a new sign-in link allows setting one without it",
            )


def is_fresh(session: SessionRow) -> bool:
    """Whether a link began the session within :data:`FRESH_MS`."""
    return session.via == "link" and now_ms() - session.created_ms < FRESH_MS


def _is_valid_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and name.lower() not in _RESERVED


def _check_rights(rights: Rights) -> None:
    if rights.max_role is Role.NONE:
        raise ProblemError(
            400, "bad_role", "the user has no role; one on all hosts or on a host group expected"
        )


def _last_admin() -> ProblemError:
    return ProblemError(
        409, "last_admin", "this is the last administrator of all hosts; there must be another one first"
    )
