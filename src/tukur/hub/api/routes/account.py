"""A user's own account: password, second factor, sessions."""

from typing import Any

import segno
from litestar import Request, Response, delete, get, post, put
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from tukur.hub.api.problems import problems
from tukur.hub.auth.gate import origin_of
from tukur.hub.auth.identity import Identity
from tukur.hub.auth.second_factor import otpauth_uri
from tukur.hub.auth.service import now_ms
from tukur.hub.auth.users import is_fresh
from tukur.hub.container import Hub
from tukur.hub.errors import ProblemError
from tukur.hub.models.account import (
    Account,
    OpenSession,
    PasswordChange,
    RecoveryCodes,
    SecondFactorCode,
    SecondFactorSecret,
)
from tukur.hub.store.control.sessions import SessionRow
from tukur.hub.store.control.users import UserRow

ApiRequest = Request[Identity, Any, State]
_SESSION_ID_DIGITS = 16
"""Hexadecimal digits of the session's hash: not a secret."""


async def _own_account(request: ApiRequest, hub: Hub) -> tuple[UserRow, SessionRow]:
    """The user and the session of this request. Raises ProblemError: a token has no account."""
    session = await hub.store.control.sessions.session(request.user.secret_hash, now_ms())
    if session is None:
        raise ProblemError(403, "session_needed", "API tokens have no account; sign in as a user")
    return await hub.users.user(session.name), session


@get(
    "/api/account",
    operation_id="getAccount",
    summary="Your own account and its open sessions",
    tags=["account"],
    responses=problems(401, 403, 503),
)
async def get_account(request: ApiRequest, hub: NamedDependency[Hub]) -> Account:
    """Whether a password and a second factor are set, and which browsers are signed in."""
    user, session = await _own_account(request, hub)
    rights = request.user.rights
    sessions = await hub.store.control.sessions.of(user.name, now_ms())
    return Account(
        user=user.name,
        role=rights.role.label,
        grants={group: role.label for group, role in rights.grants.items()},
        password=user.password is not None,
        provider=user.subject is not None,
        needs_present=not is_fresh(session),
        second_factor=user.totp_step is not None,
        recovery_codes=await hub.store.control.users.recovery_codes(user.id),
        sessions=[_to_model(row, session) for row in sessions],
    )


def _to_model(row: SessionRow, current: SessionRow) -> OpenSession:
    return OpenSession(
        session_id=row.hash.hex()[:_SESSION_ID_DIGITS],
        current=row.hash == current.hash,
        via=row.via,
        address=row.address,
        browser=row.browser,
        created_ms=row.created_ms,
        used_ms=row.used_ms,
        expires_ms=row.expires_ms,
    )


@put(
    "/api/account/password",
    operation_id="setPassword",
    summary="Set your password",
    tags=["account"],
    status_code=204,
    responses=problems(400, 401, 403, 409, 429, 503),
)
async def set_password(
    request: ApiRequest, data: JSONBody[PasswordChange], hub: NamedDependency[Hub]
) -> Response[None]:
    """Requires the present password, or a session begun by a link within 15 minutes. Other sessions end."""
    user, session = await _own_account(request, hub)
    try:
        await hub.users.set_password(session, data.present, data.new)
    except ProblemError as error:
        if error.status == 403:
            await hub.audit.add(user.name, "user.password", user.name, error.code, origin_of(request))
        raise
    await hub.audit.add(user.name, "user.password", user.name, origin=origin_of(request))
    return Response(None, status_code=204)


@delete(
    "/api/account/sessions/{session_id:str}",
    operation_id="endSession",
    summary="End one of your sessions",
    tags=["account"],
    status_code=204,
    responses=problems(400, 401, 403, 404, 503),
)
async def end_session(
    request: ApiRequest, session_id: FromPath[str], hub: NamedDependency[Hub]
) -> Response[None]:
    """The browser is signed out at once, including its live connections."""
    user, _ = await _own_account(request, hub)
    for row in await hub.store.control.sessions.of(user.name, now_ms()):
        if row.hash.hex()[:_SESSION_ID_DIGITS] == session_id:
            await hub.auth.end_session(row.hash)
            await hub.audit.add(
                user.name, "session.revoke", user.name, origin=origin_of(request), of=session_id
            )
            return Response(None, status_code=204)
    raise ProblemError(404, "session_unknown", f"you have no session {session_id[:100]!r}")


@delete(
    "/api/account/sessions",
    operation_id="endOtherSessions",
    summary="End all of your sessions except this one",
    tags=["account"],
    status_code=204,
    responses=problems(401, 403, 503),
)
async def end_other_sessions(request: ApiRequest, hub: NamedDependency[Hub]) -> Response[None]:
    """Every other browser is signed out at once."""
    user, session = await _own_account(request, hub)
    ended = await hub.auth.end_sessions(user.name, except_hash=session.hash)
    await hub.audit.add(user.name, "session.revoke", user.name, origin=origin_of(request), ended=ended)
    return Response(None, status_code=204)


@post(
    "/api/account/second-factor",
    operation_id="beginSecondFactor",
    summary="Create a secret for an authenticator",
    tags=["account"],
    responses=problems(401, 403, 409, 503),
)
async def begin_second_factor(request: ApiRequest, hub: NamedDependency[Hub]) -> SecondFactorSecret:
    """Shown only once; active after `confirmSecondFactor`."""
    user, _ = await _own_account(request, hub)
    secret = await hub.second_factor.begin(user)
    site = request.headers.get("host", "") + hub.settings.base_path
    text = otpauth_uri(user.name, site, secret)
    picture = segno.make(text, error="m", micro=False).svg_data_uri(scale=4, border=3, light="#fff")
    return SecondFactorSecret(secret=secret, uri=text, picture=picture)


@put(
    "/api/account/second-factor",
    operation_id="confirmSecondFactor",
    summary="Activate the second factor",
    tags=["account"],
    responses=problems(400, 401, 403, 409, 503),
)
async def confirm_second_factor(
    request: ApiRequest, data: JSONBody[SecondFactorCode], hub: NamedDependency[Hub]
) -> RecoveryCodes:
    """Requires a code of the authenticator. The recovery codes are shown only once."""
    user, _ = await _own_account(request, hub)
    codes = await hub.users.confirm_factor(user, data.code)
    await hub.audit.add(user.name, "user.second_factor", user.name, origin=origin_of(request), on=True)
    return RecoveryCodes(codes=codes)


@post(
    "/api/account/second-factor/off",
    operation_id="endSecondFactor",
    summary="Remove the second factor",
    tags=["account"],
    status_code=204,
    responses=problems(400, 401, 403, 409, 429, 503),
)
async def end_second_factor(
    request: ApiRequest, data: JSONBody[SecondFactorCode], hub: NamedDependency[Hub]
) -> Response[None]:
    """Requires a code of the authenticator or a recovery code."""
    user, _ = await _own_account(request, hub)
    await hub.users.end_factor(user, data.code)
    await hub.audit.add(user.name, "user.second_factor", user.name, origin=origin_of(request), on=False)
    return Response(None, status_code=204)
