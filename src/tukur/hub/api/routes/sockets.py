"""The two WebSockets: one for agents, one for browsers."""

from typing import Any

from litestar import WebSocket, websocket
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import FromPath

from tukur.hub.auth.identity import Identity
from tukur.hub.container import Hub


@websocket("/agent")
async def agent(socket: WebSocket[Any, Any, State], hub: NamedDependency[Hub]) -> None:
    """One agent's connection, authenticated by its host's key (``protocol.hub_side``)."""
    await hub.ingest.handle(socket)


@websocket("/api/live/{host_id:str}")
async def live(
    socket: WebSocket[Identity, Any, State], host_id: FromPath[str], hub: NamedDependency[Hub]
) -> None:
    """One browser watching one host: frames as binary, status as JSON text."""
    await hub.live.handle(socket, host_id, socket.user)
