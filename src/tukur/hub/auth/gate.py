"""Admits requests: authentication, origin and rights are checked here, and nowhere else."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.routes import HTTPRoute, WebSocketRoute
from litestar.routes.base import BaseRoute

from tukur.hub.auth.identity import TOKEN_PREFIX, Identity, Role
from tukur.hub.auth.rights import RIGHTS, SOMEWHERE
from tukur.hub.auth.service import Auth
from tukur.hub.errors import ProblemError

COOKIE = "tukur_session"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

Connection = ASGIConnection[Any, Any, Any, Any]


async def guard(connection: Connection, _: BaseRouteHandler) -> None:
    """Raises ProblemError where the request may not pass; else ``connection.user`` is set."""
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
    granted = await _granted(connection, identity, role)
    if granted is Role.NONE and "host_id" in connection.path_params:
        raise ProblemError(
            404, "host_unknown", f"there is no host {connection.path_params['host_id'][:100]!r}"
        )
    if granted < role:
        if method not in _SAFE:
            hub = connection.app.state.hub
            await hub.audit.add(
                identity.user, "access", f"{method} {path}", "role_too_low", origin_of(connection)
            )
        raise ProblemError(
            403, "role_too_low", f"{identity.user} has the role {granted.word} here; {role.word} is needed"
        )
    connection.scope["user"] = identity


async def _granted(connection: Connection, identity: Identity, needed: Role) -> Role:
    """The role that counts for this request."""
    if identity.role >= needed or not identity.rights.grants:
        return identity.role
    if "host_id" in connection.path_params:
        groups = await connection.app.state.hub.store.control.enrolments.groups(
            connection.path_params["host_id"]
        )
        return identity.rights.on(groups)
    asked = (str(connection.scope.get("method", "WEBSOCKET")), connection.scope["path_template"])
    return identity.rights.best if asked in SOMEWHERE else identity.role


async def identify(connection: Connection, auth: Auth) -> Identity | None:
    """Who asks, by bearer token or cookie."""
    kind, _, bearer = connection.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and bearer.startswith(TOKEN_PREFIX):
        return await auth.token_identity(bearer)
    cookie = connection.cookies.get(cookie_name(connection))
    return await auth.session_identity(cookie) if cookie else None


def cookie_name(connection: Connection) -> str:
    """That of the session's cookie. Behind TLS browsers let no other site and no plain HTTP set it."""
    return ("__Host-" if connection.app.state.hub.settings.tls.shown else "") + COOKIE


def origin_of(connection: Connection) -> str:
    """The address that a request comes from; empty: it is not known."""
    return connection.client.host if connection.client else ""


def check_origin(connection: Connection, method: str) -> None:
    """Refuses cross-site requests that carry this browser's cookie: raises ProblemError (403).

    Browsers send Origin with every WebSocket and every unsafe request; SameSite=Strict is the second
    lock. A request with a bearer token alone needs none: no browser adds that by itself.
    """
    if method in _SAFE:
        return
    origin = connection.headers.get("origin")
    if origin is None:
        if cookie_name(connection) in connection.cookies:
            raise ProblemError(403, "origin_missing", "a request with a cookie and no Origin header")
        return
    if _netloc(origin) != connection.headers.get("host", "").lower():
        raise ProblemError(
            403, "origin_not_allowed", f"a request from {origin[:100]}; only this site's own may"
        )


def _netloc(origin: str) -> str | None:
    """Host and port of an origin; None: it is none."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None


def check_rights(routes: Sequence[BaseRoute]) -> None:
    """Every route has its entry in the table, and every entry its route. Raises RuntimeError."""
    found = {(method, route.path_format or "/") for route in routes for method in _methods(route)}
    if found != set(RIGHTS):
        raise RuntimeError(f"routes and rights differ: {sorted(found.symmetric_difference(RIGHTS))}")


def _methods(route: BaseRoute) -> set[str]:
    if isinstance(route, WebSocketRoute):
        return {"WEBSOCKET"}
    if isinstance(route, HTTPRoute):
        own = [h for h in route.route_handlers if isinstance(h, HTTPRouteHandler)]
        return {str(method) for handler in own for method in handler.http_methods} - {"OPTIONS"}
    return {"ASGI"}
