"""Authentication, origin check and authorization of every request; done here and nowhere else."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.routes import HTTPRoute, WebSocketRoute
from litestar.routes.base import BaseRoute

from tukur.hub.auth.identity import TOKEN_PREFIX, Identity, Role
from tukur.hub.auth.rights import ANY_HOST_ROLE, RIGHTS
from tukur.hub.auth.service import Auth
from tukur.hub.errors import ProblemError

COOKIE = "tukur_session"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

Connection = ASGIConnection[Any, Any, Any, Any]


async def guard(connection: Connection, _: BaseRouteHandler) -> None:
    """Authorizes a request and sets ``connection.user``. Raises ProblemError if it is not allowed."""
    method = str(connection.scope.get("method", "WEBSOCKET"))
    path = connection.scope["path_template"]
    if method == "OPTIONS":
        return
    if (method, path) not in RIGHTS:
        raise ProblemError(403, "not_allowed", f"{method} {path} is not in the table of rights")
    role = RIGHTS[method, path]
    check_origin(connection, method)
    if role is None:
        return
    auth: Auth = connection.app.state.hub.auth
    identity = await identify(connection, auth)
    if identity is None:
        raise ProblemError(401, "sign_in_needed", "no valid session or token; sign in or send a bearer token")
    role_here = await _effective_role(connection, identity, role)
    if role_here is Role.NONE and "host_id" in connection.path_params:
        raise ProblemError(
            404, "host_unknown", f"there is no host {connection.path_params['host_id'][:100]!r}"
        )
    if role_here < role:
        if method not in _SAFE_METHODS:
            hub = connection.app.state.hub
            await hub.audit.add(
                identity.user, "access", f"{method} {path}", "role_too_low", origin_of(connection)
            )
        raise ProblemError(
            403,
            "role_too_low",
            f"{identity.user} has the role {role_here.label} here; {role.label} is required",
        )
    connection.scope["user"] = identity


async def _effective_role(connection: Connection, identity: Identity, needed: Role) -> Role:
    """The role that applies to this request."""
    if identity.role >= needed or not identity.rights.grants:
        return identity.role
    if "host_id" in connection.path_params:
        groups = await connection.app.state.hub.store.control.enrolments.groups(
            connection.path_params["host_id"]
        )
        return identity.rights.on(groups)
    route = (str(connection.scope.get("method", "WEBSOCKET")), connection.scope["path_template"])
    return identity.rights.max_role if route in ANY_HOST_ROLE else identity.role


async def identify(connection: Connection, auth: Auth) -> Identity | None:
    """Who sent the request, by bearer token or session cookie; None: not authenticated."""
    scheme, _, bearer = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and bearer.startswith(TOKEN_PREFIX):
        return await auth.token_identity(bearer)
    cookie = connection.cookies.get(cookie_name(connection))
    return await auth.session_identity(cookie) if cookie else None


def cookie_name(connection: Connection) -> str:
    """Name of the session cookie. With TLS it has the ``__Host-`` prefix: only this origin can set it.

    That prefix demands the path ``/``: hubs behind different paths of one origin differ by the cookie's name.
    """
    settings = connection.app.state.hub.settings
    base_path: str = settings.base_path
    return ("__Host-" if settings.tls.https else "") + COOKIE + base_path.replace("/", "_")


def origin_of(connection: Connection) -> str:
    """The client's address; empty if unknown."""
    return connection.client.host if connection.client else ""


def check_origin(connection: Connection, method: str) -> None:
    """Rejects cross-site requests that carry this browser's cookie (CSRF): raises ProblemError (403).

    Browsers send Origin with every WebSocket and every unsafe request; SameSite=Strict is the second
    defence. A request with only a bearer token needs no Origin: no browser adds the token by itself.
    """
    if method in _SAFE_METHODS:
        return
    origin = connection.headers.get("origin")
    if origin is None:
        if cookie_name(connection) in connection.cookies:
            raise ProblemError(403, "origin_missing", "the request has a session cookie but no Origin header")
        return
    if _netloc(origin) != connection.headers.get("host", "").lower():
        raise ProblemError(
            403, "origin_not_allowed", f"cross-site request from {origin[:100]}; same origin expected"
        )


def _netloc(origin: str) -> str | None:
    """Host and port of an origin; None: not an origin."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None


def check_rights(routes: Sequence[BaseRoute]) -> None:
    """Raises RuntimeError unless the routes and the table of rights match exactly."""
    found = {(method, route.path_format or "/") for route in routes for method in _methods(route)}
    if found != set(RIGHTS):
        raise RuntimeError(f"routes and rights differ: {sorted(found.symmetric_difference(RIGHTS))}")


def _methods(route: BaseRoute) -> set[str]:
    if isinstance(route, WebSocketRoute):
        return {"WEBSOCKET"}
    if isinstance(route, HTTPRoute):
        handlers = [h for h in route.route_handlers if isinstance(h, HTTPRouteHandler)]
        return {str(method) for handler in handlers for method in handler.http_methods} - {"OPTIONS"}
    return {"ASGI"}
