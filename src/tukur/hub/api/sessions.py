"""Signing in and out."""

from typing import Any

from litestar import Request, Response, delete, get, post
from litestar.datastructures import Cookie, State
from litestar.di import NamedDependency
from litestar.params import JSONBody

from tukur.hub.api.models import Session, SignIn
from tukur.hub.api.problems import problems
from tukur.hub.auth.gate import COOKIE, origin_of
from tukur.hub.auth.identity import Identity
from tukur.hub.auth.service import SESSION_S
from tukur.hub.errors import ProblemError
from tukur.hub.parts import Hub

ApiRequest = Request[Identity, Any, State]


def _session(identity: Identity) -> Session:
    rights = identity.rights
    return Session(
        user=identity.user,
        role=rights.role.word,
        grants={group: role.word for group, role in rights.grants.items()},
        expires_ms=identity.expires_ms,
    )


def _cookie(hub: Hub, value: str, max_age: int) -> Cookie:
    return Cookie(
        key=COOKIE,
        value=value,
        max_age=max_age,
        path="/",
        httponly=True,
        samesite="strict",
        # Not by what the request says: it may have come through a proxy.
        secure=hub.settings.tls.shown,
    )


@post(
    "/api/session",
    operation_id="signIn",
    summary="Sign in with the token of a link",
    tags=["session"],
    security=[{}],
    responses=problems(400, 401, 403, 429),
)
async def sign_in(
    request: ApiRequest, data: JSONBody[SignIn], hub: NamedDependency[Hub]
) -> Response[Session]:
    """The token comes from the link that `tukur up` or `tukur sign-in-link` prints; it is used once.

    The session is a cookie that scripts cannot read.
    """
    client = origin_of(request)
    wait_s = hub.auth.failures.wait_s(client)
    if wait_s > 0:
        raise ProblemError(
            429,
            "too_many_requests",
            f"too many failed sign-ins; try again in {wait_s:.0f} s",
            {"Retry-After": str(int(wait_s) + 1)},
        )
    signed_in = await hub.auth.sign_in(data.token)
    if signed_in is None:
        hub.auth.failures.failed(client)
        await hub.audit.add("", "session.begin", "", "link_not_valid", client)
        raise ProblemError(
            401, "link_not_valid", "this link is unknown, expired or was used before; ask for a new one"
        )
    await hub.audit.add(signed_in.identity.user, "session.begin", origin=client)
    return Response(
        _session(signed_in.identity),
        status_code=201,
        cookies=[_cookie(hub, signed_in.secret, SESSION_S)],
    )


@get(
    "/api/session",
    operation_id="getSession",
    summary="Who is signed in",
    tags=["session"],
    responses=problems(401),
)
async def get_session(request: ApiRequest) -> Session:
    """The session or token of this request."""
    return _session(request.user)


@delete(
    "/api/session",
    operation_id="signOut",
    summary="Sign out",
    tags=["session"],
    status_code=204,
    responses=problems(401, 403),
)
async def sign_out(request: ApiRequest, hub: NamedDependency[Hub]) -> Response[None]:
    """Ends the session at once. A bearer token is not ended by this."""
    await hub.auth.sign_out(request.user)
    await hub.audit.add(request.user.user, "session.end", origin=origin_of(request))
    return Response(None, status_code=204, cookies=[_cookie(hub, "", 0)])
