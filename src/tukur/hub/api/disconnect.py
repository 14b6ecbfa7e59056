"""Cancels queries whose client has disconnected."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from litestar.types import ASGIApp, Receive, Scope, Send

from tukur.hub.store.backends.database import CancellableReads

CANCEL_GRACE_S = 0.5
"""Seconds for the request to fail by itself after its queries were cancelled."""

log = logging.getLogger(__name__)


class CancelOnDisconnect:
    """ASGI middleware for read-only requests: panning and zooming abandons many queries.

    A request that changes something is always carried out, even if its client disconnects.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request or connection."""
        if not _only_reads(scope):
            await self._app(scope, receive, send)
            return
        first = await receive()
        if first["type"] != "http.request":
            return
        if first["more_body"]:
            # A GET normally has no body; if it has one, the application reads it.
            await self._app(scope, _replay(first, receive), send)
            return
        disconnect = asyncio.ensure_future(receive())
        reads = CancellableReads()
        response = self._app(scope, _replay(first, lambda: asyncio.shield(disconnect)), send)
        work = asyncio.get_running_loop().create_task(_run(response), context=reads.context())
        try:
            await asyncio.wait((work, disconnect), return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                log.debug("the client of %s has disconnected", scope["path"])
                await reads.end()
                await asyncio.wait((work,), timeout=CANCEL_GRACE_S)
        finally:
            disconnected = disconnect.done()
            disconnect.cancel()
            work.cancel()
            await asyncio.gather(work, disconnect, return_exceptions=True)
        if not disconnected:
            work.result()


def _only_reads(scope: Any) -> bool:
    is_get: bool = scope["type"] == "http" and scope["method"] == "GET"
    return is_get and scope["path"].startswith("/api/")


async def _run(response: Awaitable[None]) -> None:
    await response


def _replay(first: Any, receive: Callable[[], Awaitable[Any]]) -> Receive:
    pending = [first]

    async def next_message() -> Any:
        return pending.pop() if pending else await receive()

    return next_message
