"""The access control table: each route and the role it requires. The hub does not start without an entry."""

from tukur.hub.auth.identity import Role

PUBLIC = None
"""No sign-in required: the page itself (it has no data), signing in, the health check, and agents, which
authenticate by their key on the connection."""

RIGHTS: dict[tuple[str, str], Role | None] = {
    ("GET", "/"): PUBLIC,
    ("GET", "/{file_path}"): PUBLIC,
    ("GET", "/api/docs"): PUBLIC,
    ("GET", "/healthz"): PUBLIC,
    ("GET", "/ca.pem"): PUBLIC,
    ("GET", "/install.sh"): PUBLIC,
    ("GET", "/install/{name}"): PUBLIC,
    ("POST", "/api/session"): PUBLIC,
    ("GET", "/api/sign-in"): PUBLIC,
    ("GET", "/api/oidc/start"): PUBLIC,
    ("GET", "/api/oidc/return"): PUBLIC,
    ("WEBSOCKET", "/agent"): PUBLIC,
    ("GET", "/api/openapi.json"): Role.VIEWER,
    ("GET", "/api/session"): Role.VIEWER,
    ("DELETE", "/api/session"): Role.VIEWER,
    ("GET", "/api/account"): Role.VIEWER,
    ("PUT", "/api/account/password"): Role.VIEWER,
    ("DELETE", "/api/account/sessions"): Role.VIEWER,
    ("DELETE", "/api/account/sessions/{session_id}"): Role.VIEWER,
    ("POST", "/api/account/second-factor"): Role.VIEWER,
    ("PUT", "/api/account/second-factor"): Role.VIEWER,
    ("POST", "/api/account/second-factor/off"): Role.VIEWER,
    ("GET", "/api/users"): Role.ADMIN,
    ("POST", "/api/users"): Role.ADMIN,
    ("PATCH", "/api/users/{name}"): Role.ADMIN,
    ("DELETE", "/api/users/{name}"): Role.ADMIN,
    ("POST", "/api/users/{name}/reset"): Role.ADMIN,
    ("DELETE", "/api/users/{name}/sessions"): Role.ADMIN,
    ("GET", "/api/hosts"): Role.VIEWER,
    ("GET", "/api/hosts/{host_id}"): Role.VIEWER,
    ("GET", "/api/hosts/{host_id}/series"): Role.VIEWER,
    ("GET", "/api/hosts/{host_id}/devices"): Role.VIEWER,
    ("GET", "/api/hosts/{host_id}/processes"): Role.VIEWER,
    ("GET", "/api/hosts/{host_id}/top"): Role.VIEWER,
    ("GET", "/api/hosts/{host_id}/exits"): Role.VIEWER,
    ("GET", "/api/hosts/{host_id}/ooms"): Role.VIEWER,
    ("GET", "/api/hosts/{host_id}/gaps"): Role.VIEWER,
    ("GET", "/api/hosts/{host_id}/processes/{boot_id}/{pid}/{start_ns}"): Role.VIEWER,
    ("POST", "/api/hosts/{host_id}/orders"): Role.OPERATOR,
    ("POST", "/api/hosts/{host_id}/revoke"): Role.ADMIN,
    ("POST", "/api/hosts/{host_id}/release"): Role.ADMIN,
    ("PATCH", "/api/hosts/{host_id}"): Role.ADMIN,
    ("POST", "/api/orders/{order_id}/decision"): Role.OPERATOR,
    ("GET", "/api/orders"): Role.VIEWER,
    ("GET", "/api/orders/{order_id}"): Role.VIEWER,
    ("GET", "/api/hosts/{host_id}/difference"): Role.VIEWER,
    ("GET", "/api/lives"): Role.VIEWER,
    ("GET", "/api/top"): Role.VIEWER,
    ("GET", "/api/store"): Role.VIEWER,
    ("GET", "/api/audit"): Role.ADMIN,
    ("GET", "/api/audit/export"): Role.ADMIN,
    ("WEBSOCKET", "/api/live/{host_id}"): Role.VIEWER,
}
"""(method, path) to the required role; None: public. If the path names a host, the role on that host applies;
else the role on all hosts, except for the routes in :data:`ANY_HOST_ROLE`."""

ANY_HOST_ROLE = frozenset(
    {
        ("GET", "/api/openapi.json"),
        ("GET", "/api/session"),
        ("DELETE", "/api/session"),
        ("GET", "/api/account"),
        ("PUT", "/api/account/password"),
        ("DELETE", "/api/account/sessions"),
        ("DELETE", "/api/account/sessions/{session_id}"),
        ("POST", "/api/account/second-factor"),
        ("PUT", "/api/account/second-factor"),
        ("POST", "/api/account/second-factor/off"),
        ("GET", "/api/hosts"),
        ("GET", "/api/orders"),
        ("GET", "/api/orders/{order_id}"),
        ("POST", "/api/orders/{order_id}/decision"),
        ("GET", "/api/lives"),
        ("GET", "/api/top"),
    }
)
"""Routes for which a role on any host group is enough: they show only hosts that the requester may see."""
