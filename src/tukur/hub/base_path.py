"""The path that the hub is reachable under, behind a proxy that serves other applications too."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # Types only: the command line checks a base path without the web framework.
    from litestar.types import ASGIApp, Receive, Scope, Send

OWN = frozenset(
    (
        *("agent", "api", "assets", "healthz", "install", "install.sh", "ca.pem"),
        *("over-time", "hosts", "audit", "users", "account", "sign-in"),
        *("docs.html", "favicon.svg", "index.html", "licenses.md", "theme.js"),
    )
)
"""First segments of the hub's own paths. A base path must not begin with one of them: a request that came
without the base path could not be told from one that came with it."""


class BasePathMiddleware:
    """ASGI middleware: takes the base path off, whether the proxy has done so already or passes it on."""

    def __init__(self, app: "ASGIApp", base_path: str) -> None:
        """`base_path`: such as ``/tukur``; empty: none."""
        self._app = app
        self._base = base_path

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Handles one request or connection."""
        if self._base and scope["type"] in ("http", "websocket"):
            scope = self._inside(scope)
        await self._app(scope, receive, send)

    def _inside(self, scope: Any) -> Any:
        path: str = scope["path"]
        if path != self._base and not path.startswith(f"{self._base}/"):
            return scope
        raw: bytes = scope.get("raw_path") or b""
        return {
            **scope,
            "path": path.removeprefix(self._base) or "/",
            "raw_path": raw.removeprefix(self._base.encode()) or b"/",
        }
