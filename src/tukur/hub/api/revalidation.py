"""HEAD and conditional requests, for all routes."""

from typing import Any

from litestar.types import ASGIApp, Message, Receive, Scope, Send

_HEADERS_304 = frozenset((b"cache-control", b"content-location", b"date", b"etag", b"expires", b"vary"))
"""Headers of a 304 (RFC 9110, 15.4.5), besides those of every response."""


class Revalidation:
    """ASGI middleware: answers HEAD like GET without the body, and a matching If-None-Match with 304."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request or connection."""
        get_scope: Any = scope
        method = get_scope.get("method")
        if method not in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        get_scope = {**get_scope, "method": "GET"}
        if_none_match = dict(scope["headers"]).get(b"if-none-match", b"").decode("latin-1")
        without_body = method == "HEAD"
        body_sent = False

        async def send_filtered(message: Message) -> None:
            nonlocal without_body, body_sent
            if message["type"] == "http.response.start":
                if message["status"] == 200 and matches(if_none_match, _etag(message["headers"])):
                    message = _not_modified(message)
                    without_body = True
                await send(message)
            elif message["type"] != "http.response.body" or not without_body:
                await send(message)
            elif not body_sent:
                body_sent = True
                await send({**message, "body": b"", "more_body": False})

        await self._app(get_scope, receive, send_filtered)


def matches(if_none_match: str, etag: str) -> bool:
    """Whether an If-None-Match header contains the ETag (weak comparison, RFC 9110, 13.1.2)."""
    if not if_none_match or not etag:
        return False
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return "*" in tags or etag.removeprefix("W/") in tags


def _etag(headers: Any) -> str:
    return next((value.decode("latin-1") for name, value in headers if name.lower() == b"etag"), "")


def _not_modified(message: Any) -> Any:
    headers = [(name, value) for name, value in message["headers"] if name.lower() in _HEADERS_304]
    return {**message, "status": 304, "headers": headers}
