"""Cancels the work on a query whose client has disconnected."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from litestar.types import ASGIApp, Receive, Scope, Send

from tukur.hub.store.backends.database import CancellableReads

ENDING_S = 0.5
"""How long the request may take to fail by itself once its queries were cancelled."""

log = logging.getLogger(__name__)


class CancelOnDisconnect:
    """ASGI middleware for what only reads: panning and zooming leaves queries behind that nobody needs.

    A request that changes something is always carried out, whether its client waits or not.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request or connection."""
        if not _only_reads(scope):
            await self._app(scope, receive, send)
            return
        first = await receive()
        if first["type"] != "http.request":
            return
        if first["more_body"]:
            # A GET normally has no body; if one has, the application reads it.
            await self._app(scope, _beginning_with(first, receive), send)
            return
        left = asyncio.ensure_future(receive())
        questions = CancellableReads()
        answering = self._app(scope, _beginning_with(first, lambda: asyncio.shield(left)), send)
        work = asyncio.get_running_loop().create_task(_run(answering), context=questions.context())
        try:
            await asyncio.wait((work, left), return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                log.debug("the client of %s has disconnected", scope["path"])
                await questions.end()
                await asyncio.wait((work,), timeout=ENDING_S)
        finally:
            gone = left.done()
            left.cancel()
            work.cancel()
            await asyncio.gather(work, left, return_exceptions=True)
        if not gone:
            work.result()


def _only_reads(scope: Any) -> bool:
    asks: bool = scope["type"] == "http" and scope["method"] == "GET"
    return asks and scope["path"].startswith("/api/")


async def _run(answering: Awaitable[None]) -> None:
    await answering


def _beginning_with(first: Any, receive: Callable[[], Awaitable[Any]]) -> Receive:
    waiting = [first]

    async def next_message() -> Any:
        return waiting.pop() if waiting else await receive()

    return next_message
