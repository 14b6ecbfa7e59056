"""Administration of hosts."""

from typing import Any

from litestar import Request, Response, patch, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from tukur.hub.api.problems import problems
from tukur.hub.api.routes.hosts import with_role
from tukur.hub.audit.log import DONE
from tukur.hub.auth.gate import origin_of
from tukur.hub.auth.identity import Identity, Role, parse_host_groups
from tukur.hub.container import Hub
from tukur.hub.errors import ProblemError
from tukur.hub.models.host import Host, HostChange, Release


@post(
    "/api/hosts/{host_id:str}/revoke",
    operation_id="revokeHost",
    summary="Revoke a host's access",
    tags=["hosts"],
    status_code=204,
    responses=problems(400, 401, 403, 404, 503),
)
async def revoke_host(
    request: Request[Identity, Any, State], host_id: FromPath[str], hub: NamedDependency[Hub]
) -> Response[None]:
    """Its connection ends at once and its key is rejected; its record stays.

    The machine can return only by joining again, as a new host.
    """
    await hub.fleet.revoke(host_id)
    await hub.audit.add(request.user.user, "host.revoke", host_id, origin=origin_of(request))
    return Response(None, status_code=204)


@patch(
    "/api/hosts/{host_id:str}",
    operation_id="changeHost",
    summary="Change a host's name, its host groups, or whether its orders need approval",
    tags=["hosts"],
    responses=problems(400, 401, 403, 404, 503),
)
async def change_host(
    request: Request[Identity, Any, State],
    host_id: FromPath[str],
    data: JSONBody[HostChange],
    hub: NamedDependency[Hub],
) -> Host:
    """The host after the change. Only administrators of all hosts may change its host groups."""
    requester, origin = request.user, origin_of(request)
    changed: dict[str, str | bool] = {}
    if data.name is not None:
        changed["name"] = data.name
    if data.groups is not None or data.needs_approval is not None:
        if requester.role < Role.ADMIN:
            await hub.audit.add(requester.user, "host.change", host_id, "role_too_low", origin)
            raise ProblemError(
                403, "role_too_low", "only an administrator of all hosts may change groups and approval"
            )
        if data.groups is not None:
            changed["group_names"] = " ".join(_groups(data.groups))
        if data.needs_approval is not None:
            changed["needs_approval"] = data.needs_approval
    if changed:
        await hub.fleet.change(host_id, changed)
        await hub.audit.add(requester.user, "host.change", host_id, DONE, origin, **changed)
    return with_role(requester, await hub.history.host(host_id))


def _groups(names: list[str]) -> tuple[str, ...]:
    try:
        return parse_host_groups(names)
    except ValueError as error:
        raise ProblemError(400, "bad_group", str(error)) from error


@post(
    "/api/hosts/{host_id:str}/release",
    operation_id="releaseHost",
    summary="Resolve an identity conflict: decide which machine is the host",
    tags=["hosts"],
    status_code=200,
    responses=problems(400, 401, 403, 404, 409, 503),
)
async def release_host(
    request: Request[Identity, Any, State],
    host_id: FromPath[str],
    data: JSONBody[Release],
    hub: NamedDependency[Hub],
) -> Host:
    """A copied key is detected when two machines use it at once; the second is rejected until resolved."""
    await hub.history.host(host_id)
    await hub.fleet.release(host_id, data.boot_id)
    await hub.audit.add(
        request.user.user, "host.release", host_id, origin=origin_of(request), boot_id=data.boot_id
    )
    return await hub.history.host(host_id)
