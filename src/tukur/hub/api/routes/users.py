"""User administration."""

from collections.abc import Mapping
from typing import Any

from litestar import Request, Response, delete, get, patch, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from tukur.hub.api.problems import problems
from tukur.hub.audit.log import DONE
from tukur.hub.auth.gate import origin_of
from tukur.hub.auth.identity import Identity, Rights, Role, parse_host_groups
from tukur.hub.auth.service import now_ms
from tukur.hub.auth.users import INVITE_S, Change
from tukur.hub.container import Hub
from tukur.hub.errors import ProblemError
from tukur.hub.models.account import Invitation, NewUser, User, UserChange, UserList, UserReset
from tukur.hub.models.common import RoleName
from tukur.hub.store.control.users import UserRow

ApiRequest = Request[Identity, Any, State]


def _rights(role: str, grants: Mapping[str, RoleName]) -> Rights:
    try:
        parse_host_groups(grants)
    except ValueError as error:
        raise ProblemError(400, "bad_group", str(error)) from error
    return Rights(Role.parse(role), {group: Role.parse(label) for group, label in grants.items()})


def _to_model(row: UserRow) -> User:
    rights = Rights.parse(row.role, row.grants)
    return User(
        name=row.name,
        role=rights.role.label,
        grants={group: role.label for group, role in rights.grants.items()},
        disabled=row.disabled,
        password=row.password is not None,
        second_factor=row.totp_step is not None,
        provider=row.subject is not None,
        created_ms=row.created_ms,
    )


def _invitation(hub: Hub, name: str, token: str) -> Invitation:
    link = f"{hub.settings.base_path}/sign-in#token={token}"
    return Invitation(user=name, link=link, expires_ms=now_ms() + INVITE_S * 1000)


@get(
    "/api/users",
    operation_id="listUsers",
    summary="Every user",
    tags=["users"],
    responses=problems(401, 403, 503),
)
async def list_users(hub: NamedDependency[Hub]) -> UserList:
    """By name, with their roles and ways to sign in."""
    return UserList(users=[_to_model(row) for row in await hub.users.users()])


@post(
    "/api/users",
    operation_id="addUser",
    summary="Add a user",
    tags=["users"],
    responses=problems(400, 401, 403, 409, 503),
)
async def add_user(request: ApiRequest, data: JSONBody[NewUser], hub: NamedDependency[Hub]) -> Invitation:
    """The link signs the user in once within a day; the page then asks for a password."""
    rights = _rights(data.role, data.grants)
    token = await hub.users.add(data.name, rights)
    await _audit(request, hub, "user.add", data.name, role=rights.role.label, grants=rights.grants_text())
    return _invitation(hub, data.name, token)


@patch(
    "/api/users/{name:str}",
    operation_id="changeUser",
    summary="Change a user's role, or disable or enable the user",
    tags=["users"],
    responses=problems(400, 401, 403, 404, 409, 503),
)
async def change_user(
    request: ApiRequest, name: FromPath[str], data: JSONBody[UserChange], hub: NamedDependency[Hub]
) -> User:
    """Takes effect at once; all sessions and live connections of a disabled user end."""
    row = await hub.users.user(name)
    current = _to_model(row)
    rights = None
    if data.role is not None or data.grants is not None:
        grants = current.grants if data.grants is None else data.grants
        rights = _rights(data.role or current.role, grants)
    change = Change(rights, data.disabled)
    await hub.users.change(row.name, change)
    await _audit(request, hub, "user.change", row.name, **change.columns())
    return _to_model(await hub.users.user(row.name))


@delete(
    "/api/users/{name:str}",
    operation_id="removeUser",
    summary="Remove a user",
    tags=["users"],
    status_code=204,
    responses=problems(400, 401, 403, 404, 409, 503),
)
async def remove_user(request: ApiRequest, name: FromPath[str], hub: NamedDependency[Hub]) -> Response[None]:
    """All sessions end at once. The user's entries in the audit log stay."""
    await hub.users.remove(name)
    await _audit(request, hub, "user.remove", name)
    return Response(None, status_code=204)


@post(
    "/api/users/{name:str}/reset",
    operation_id="resetUser",
    summary="Reset a user's sign-in",
    tags=["users"],
    responses=problems(400, 401, 403, 404, 503),
)
async def reset_user(
    request: ApiRequest, name: FromPath[str], data: JSONBody[UserReset], hub: NamedDependency[Hub]
) -> Invitation:
    """Removes the password and ends all sessions; the link signs the user in once to set a new password."""
    row = await hub.users.user(name)
    token = await hub.users.reset(row.name, totp=data.second_factor)
    await _audit(request, hub, "user.reset", row.name, second_factor=data.second_factor)
    return _invitation(hub, row.name, token)


@delete(
    "/api/users/{name:str}/sessions",
    operation_id="endUsersSessions",
    summary="End all sessions of a user",
    tags=["users"],
    status_code=204,
    responses=problems(400, 401, 403, 404, 503),
)
async def end_sessions(request: ApiRequest, name: FromPath[str], hub: NamedDependency[Hub]) -> Response[None]:
    """The user may sign in again."""
    row = await hub.users.user(name)
    ended = await hub.auth.end_sessions(row.name)
    await _audit(request, hub, "session.revoke", row.name, ended=ended)
    return Response(None, status_code=204)


async def _audit(request: ApiRequest, hub: Hub, action: str, name: str, **detail: Any) -> None:
    await hub.audit.add(request.user.user, action, name, DONE, origin_of(request), **detail)
