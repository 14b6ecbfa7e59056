"""Signing in and out."""

from typing import Any

from litestar import Request, Response, delete, get, post
from litestar.datastructures import Cookie, State
from litestar.di import NamedDependency
from litestar.params import JSONBody

from tukur.hub.api.browsers import browser_of
from tukur.hub.api.problems import problems
from tukur.hub.auth.gate import cookie_name, origin_of
from tukur.hub.auth.identity import Identity
from tukur.hub.auth.service import SESSION_S, Client, SignedIn
from tukur.hub.auth.sign_in import Attempt
from tukur.hub.container import Hub
from tukur.hub.errors import ProblemError
from tukur.hub.models.account import Session, SignIn

DEVICE = "tukur_device"
_DEVICE_S = 365 * 86_400

ApiRequest = Request[Identity, Any, State]


def _session(identity: Identity) -> Session:
    rights = identity.rights
    return Session(
        user=identity.user,
        role=rights.role.label,
        grants={group: role.label for group, role in rights.grants.items()},
        expires_ms=identity.expires_ms,
    )


def _cookie(hub: Hub, name: str, value: str, max_age: int, path: str = "/") -> Cookie:
    return Cookie(
        key=name,
        value=value,
        max_age=max_age,
        path=path,
        httponly=True,
        samesite="strict",
        # From the settings, not from the request: it may have come through a proxy.
        secure=hub.settings.tls.https,
    )


def client_of(request: ApiRequest) -> Client:
    """Where a request comes from, as shown in the list of sessions."""
    return Client(origin_of(request), browser_of(request.headers.get("user-agent", "")))


async def session_cookies(request: ApiRequest, hub: Hub, signed_in: SignedIn) -> list[Cookie]:
    """The cookies of a new session; ends the previous session of this browser."""
    previous = request.cookies.get(cookie_name(request))
    if previous:
        await hub.auth.end_session_of_cookie(previous)
    user = signed_in.identity.user
    return [
        _cookie(hub, cookie_name(request), signed_in.secret, SESSION_S),
        _cookie(hub, DEVICE, hub.sign_in.new_device_cookie(user), _DEVICE_S, f"{hub.settings.base_path}/"),
    ]


@post(
    "/api/session",
    operation_id="signIn",
    summary="Sign in with a password, or with the token of a link",
    tags=["session"],
    security=[{}],
    responses=problems(400, 401, 403, 429, 503),
)
async def sign_in(
    request: ApiRequest, data: JSONBody[SignIn], hub: NamedDependency[Hub]
) -> Response[Session]:
    """The token comes from a link of `tukur up`, `tukur sign-in-link` or `tukur user`; it is used once.

    For a user with a second factor, a name and password give 401 `code_needed`: repeat the request with a
    `code`. The session is a cookie that scripts cannot read.
    """
    if (data.token is None) == (data.user is None):
        raise ProblemError(400, "bad_request", "either `token`, or `user` and `password` expected")
    signed_in = await (_by_link(request, data.token, hub) if data.token else _by_password(request, data, hub))
    await hub.audit.add(
        signed_in.identity.user,
        "session.begin",
        origin=origin_of(request),
        via="link" if data.token else "password",
    )
    return Response(
        _session(signed_in.identity), status_code=201, cookies=await session_cookies(request, hub, signed_in)
    )


async def _by_link(request: ApiRequest, token: str, hub: Hub) -> SignedIn:
    origin = origin_of(request)
    hub.sign_in.check_address(origin)
    signed_in = await hub.auth.sign_in(token, client_of(request))
    if signed_in is None:
        hub.sign_in.record_failure(origin)
        await hub.audit.add("", "session.begin", "", "link_not_valid", origin)
        raise ProblemError(
            401, "link_not_valid", "this link is unknown, has expired or was used before; request a new one"
        )
    return signed_in


async def _by_password(request: ApiRequest, data: SignIn, hub: Hub) -> SignedIn:
    name, origin = data.user or "", origin_of(request)
    attempt = Attempt(name, data.password, data.code, origin, request.cookies.get(DEVICE, ""))
    try:
        user = await hub.sign_in.by_password(attempt)
    except ProblemError as error:
        if error.status == 401 and error.code != "code_needed":
            # Unknown names are not logged: they may be a password typed into the wrong field.
            target = name if await hub.store.control.users.user(name) else ""
            await hub.audit.add("", "session.begin", target, error.code, origin)
        raise
    signed_in = await hub.auth.begin_session(user.name, "password", client_of(request))
    if signed_in is None:
        raise ProblemError(401, "credentials_not_valid", "no user has this name and password")
    return signed_in


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
    """Ends the session at once; has no effect on a bearer token."""
    await hub.auth.sign_out(request.user)
    await hub.audit.add(request.user.user, "session.end", origin=origin_of(request))
    return Response(None, status_code=204, cookies=[_cookie(hub, cookie_name(request), "", 0)])
