"""HEAD, and conditional requests, for every route alike."""

from typing import Any

from litestar.types import ASGIApp, Message, Receive, Scope, Send

_KEPT_304 = frozenset((b"cache-control", b"content-location", b"date", b"etag", b"expires", b"vary"))
"""What a 304 says (RFC 9110, 15.4.5), beside the headers that every response of this site has."""


class Revalidation:
    """ASGI middleware. HEAD answers as GET does, without the body; an ETag that the client has gets a 304."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request or connection."""
        asked: Any = scope
        method = asked.get("method")
        if method not in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        asked = {**asked, "method": "GET"}
        known = dict(scope["headers"]).get(b"if-none-match", b"").decode("latin-1")
        without_body = method == "HEAD"
        started = False

        async def send_once(message: Message) -> None:
            nonlocal without_body, started
            if message["type"] == "http.response.start":
                if message["status"] == 200 and matches(known, _etag(message["headers"])):
                    message = _not_modified(message)
                    without_body = True
                await send(message)
            elif message["type"] != "http.response.body" or not without_body:
                await send(message)
            elif not started:
                started = True
                await send({**message, "body": b"", "more_body": False})

        await self._app(asked, receive, send_once)


def matches(known: str, tag: str) -> bool:
    """Whether an If-None-Match header holds the tag (weak comparison, RFC 9110, 13.1.2)."""
    if not known or not tag:
        return False
    tags = {each.strip().removeprefix("W/") for each in known.split(",")}
    return "*" in tags or tag.removeprefix("W/") in tags


def _etag(headers: Any) -> str:
    return next((value.decode("latin-1") for name, value in headers if name.lower() == b"etag"), "")


def _not_modified(message: Any) -> Any:
    kept = [(name, value) for name, value in message["headers"] if name.lower() in _KEPT_304]
    return {**message, "status": 304, "headers": kept}
