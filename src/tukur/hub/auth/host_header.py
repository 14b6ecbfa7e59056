"""Security headers of every response, and the check of the Host header."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from tukur.hub.network import bracketed

_CSP = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)

HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", _CSP.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)
"""On every response."""

_HSTS = (b"strict-transport-security", b"max-age=31536000")
"""One year. Not with the hub's own certificate: a browser that saw it could no longer use plain HTTP."""


def host_names(names: Iterable[str]) -> frozenset[str]:
    """Names and addresses in the form of a Host header, without port."""
    return frozenset(bracketed(name.lower()) for name in names)


def without_port(host: str) -> str:
    """A Host header without its port, in lower case."""
    host = host.strip().lower()
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


class HostHeaderMiddleware:
    """ASGI middleware: rejects unknown Host headers (protection from DNS rebinding)."""

    def __init__(self, app: ASGIApp, names: Callable[[], frozenset[str]], *, hsts: bool = False) -> None:
        """`names`: those of the hub, asked at each request; `hsts`: send Strict-Transport-Security."""
        self._app = app
        self._names = names
        self._headers = (*HEADERS, _HSTS) if hsts else HEADERS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request or connection."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        name = without_port(headers.get(b"host", b"").decode("latin-1"))
        if name not in self._names():
            await _reject(scope, send, name)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *self._response_headers(scope)]
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _response_headers(self, scope: Any) -> list[tuple[bytes, bytes]]:
        headers = list(self._headers)
        if scope["path"].startswith("/api/"):
            headers.append((b"cache-control", b"no-store"))
        return headers


async def _reject(scope: Scope, send: Send, name: str) -> None:
    if str(scope["type"]) == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": "host not allowed"})
        return
    detail = f"the Host header {name[:100]} is not a name of this hub; see --name"
    body = json.dumps({"code": "host_not_allowed", "detail": detail}).encode()
    head: Any = {
        "type": "http.response.start",
        "status": 421,
        "headers": [(b"content-type", b"application/json"), *HEADERS],
    }
    await send(head)
    await send({"type": "http.response.body", "body": body, "more_body": False})
