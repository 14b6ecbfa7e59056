"""Browser connections: relays live frames, unchanged, to the viewers of a host."""

import asyncio
import contextlib
import json
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from litestar import WebSocket
from litestar.datastructures import State
from litestar.exceptions import WebSocketDisconnect

from tukur.hub.auth.identity import Identity
from tukur.hub.auth.service import Auth
from tukur.hub.bus import RIGHTS_CHANGED, Bus, NobodyThereError, Subscription, agent_of, frames_of, status_of
from tukur.hub.hosts.presence import Presence
from tukur.hub.store.waists import Control
from tukur.protocol.frames import is_key
from tukur.protocol.messages import Watch

log = logging.getLogger(__name__)

FRAMES = 8
"""Queued frames per viewer. A slower viewer loses them and requests a key frame."""
CHECK_S = 30.0
"""How often a connection's session is checked without a notification."""
REFRESH_S = 0.5
"""Shortest interval between two key frame requests of a viewer."""

Socket = WebSocket[Identity, Any, State]


class _RefreshRequest(msgspec.Struct, tag_field="type", tag="refresh"):
    """The only message from a browser: requests a key frame."""


class Live:
    """Fans out live frames. An agent sends them only while its host has viewers."""

    def __init__(self, control: Control, bus: Bus, presence: Presence, auth: Auth) -> None:
        self._control = control
        self._bus = bus
        self._presence = presence
        self._auth = auth
        self._viewers: Counter[str] = Counter()

    async def handle(self, socket: Socket, host_id: str, identity: Identity) -> None:
        """Serves one browser watching one host."""
        if await self._control.enrolments.key(host_id) is None:
            await socket.close(code=4404, reason="no such host")
            return
        await socket.accept()
        async with self._viewing(host_id) as news, self._bus.subscribe(RIGHTS_CHANGED, size=1) as rights:
            tasks = [
                asyncio.create_task(self._send(socket, host_id, news)),
                asyncio.create_task(self._receive(socket, host_id)),
                asyncio.create_task(self._check(socket, host_id, identity, rights)),
            ]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                for error in await asyncio.gather(*tasks, return_exceptions=True):
                    if isinstance(error, Exception) and not isinstance(error, WebSocketDisconnect):
                        log.error("host %s: a viewer's connection failed", host_id, exc_info=error)

    async def key_frame(self, host_id: str, seconds: float) -> bytes | None:
        """The host's process table now; None if the agent does not send it in time."""
        if not self._presence.online(host_id):
            return None
        async with self._viewing(host_id) as news:
            await self._watch(host_id, on=True)
            try:
                async with asyncio.timeout(seconds):
                    while True:
                        item = await news.get()
                        if isinstance(item, bytes) and is_key(item):
                            return item
            except TimeoutError:
                return None

    @contextlib.asynccontextmanager
    async def _viewing(self, host_id: str) -> AsyncIterator[Subscription]:
        """Counts a viewer while entered; after the last one the agent stops sending."""
        self._viewers[host_id] += 1
        try:
            async with self._bus.subscribe(frames_of(host_id), status_of(host_id), size=FRAMES) as news:
                yield news
        finally:
            self._viewers[host_id] -= 1
            if self._viewers[host_id] <= 0:
                del self._viewers[host_id]
                await self._watch(host_id, on=False)

    async def _send(self, socket: Socket, host_id: str, news: Subscription) -> None:
        await self._send_status(socket, host_id, online=self._presence.online(host_id))
        try:
            while True:
                item = await news.get()
                if isinstance(item, bytes):
                    await socket.send_bytes(item)
                else:
                    await self._send_status(socket, host_id, online=item)
        except WebSocketDisconnect:
            return

    async def _send_status(self, socket: Socket, host_id: str, *, online: bool) -> None:
        await socket.send_text(json.dumps({"type": "status", "online": online}))
        if online:
            # Requests a key frame for this viewer; an agent that just reconnected starts sending.
            await self._watch(host_id, on=True)

    async def _receive(self, socket: Socket, host_id: str) -> None:
        last = 0.0
        try:
            while True:
                message = await socket.receive_data(mode="text")
                msgspec.json.decode(message, type=_RefreshRequest)
                now = time.monotonic()
                if now - last >= REFRESH_S:
                    last = now
                    await self._watch(host_id, on=True)
        except WebSocketDisconnect:
            return
        except msgspec.DecodeError:
            await socket.close(code=1008, reason='only {"type": "refresh"} expected')

    async def _check(self, socket: Socket, host_id: str, identity: Identity, news: Subscription) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CHECK_S):
                    await news.get()
            if not await self._auth.still_sees(identity, await self._control.enrolments.groups(host_id)):
                break
        await socket.close(code=4401, reason="the session has ended")

    async def _watch(self, host_id: str, *, on: bool) -> None:
        try:
            await self._bus.request(agent_of(host_id), Watch(on=on), seconds=5)
        except (NobodyThereError, TimeoutError, WebSocketDisconnect, RuntimeError):
            # Offline: once the agent connects, its status makes the viewers request frames again.
            log.debug("cannot request frames of host %s: it is offline", host_id)
