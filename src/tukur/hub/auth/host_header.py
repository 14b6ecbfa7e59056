"""Response headers of this site, and the Host names that it accepts."""

import json
from collections.abc import Iterable
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

_STRICT = (b"strict-transport-security", b"max-age=31536000")
"""For a year by TLS only; not by the hub's own certificate: a browser that has seen it cannot go back."""


def host_names(names: Iterable[str]) -> frozenset[str]:
    """These names and addresses as a Host header writes them, without port."""
    return frozenset(bracketed(name.lower()) for name in names)


def name_of(host: str) -> str:
    """A Host header without its port, in lower case."""
    host = host.strip().lower()
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


class HostHeaderMiddleware:
    """ASGI middleware. A foreign name that resolves to this machine (DNS rebinding) gets nothing."""

    def __init__(self, app: ASGIApp, names: frozenset[str], *, strict: bool = False) -> None:
        """`strict`: browsers are to come by TLS only from now on."""
        self._app = app
        self._names = names
        self._headers = (*HEADERS, _STRICT) if strict else HEADERS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request or connection."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        name = name_of(headers.get(b"host", b"").decode("latin-1"))
        if name not in self._names:
            await _misdirected(scope, send, name)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *self._added(scope)]
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _added(self, scope: Any) -> list[tuple[bytes, bytes]]:
        added = list(self._headers)
        if scope["path"].startswith("/api/"):
            added.append((b"cache-control", b"no-store"))
        return added


async def _misdirected(scope: Scope, send: Send, name: str) -> None:
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
