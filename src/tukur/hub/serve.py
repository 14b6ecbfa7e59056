"""Runs a hub until it is stopped."""

import asyncio
import gc
import signal
import socket
import ssl
from collections.abc import Callable, Collection

import uvicorn
import uvloop

from tukur.hub.app import create_app, open_hub
from tukur.hub.container import Hub
from tukur.hub.errors import PortBusyError
from tukur.hub.settings import HubSettings
from tukur.protocol.messages import MAX_MESSAGE

Reload = Callable[[Hub], Collection[str]]
"""Applies settings that have changed; which."""


def run(settings: HubSettings, reload: Reload = lambda _: ()) -> None:
    """Serves until SIGTERM or SIGINT; calls `reload` at SIGHUP.

    Raises StoreError, PortBusyError, CertificateError.
    """
    with asyncio.Runner(loop_factory=_loop) as runner:
        runner.run(serve(settings, reload))


def _loop() -> asyncio.AbstractEventLoop:
    return uvloop.new_event_loop()


async def serve(settings: HubSettings, reload: Reload = lambda _: ()) -> None:
    """Serves on the running event loop."""
    listening = listen(settings.host, settings.port)
    try:
        hub = await open_hub(settings)
        _tune_garbage_collection()

        def hang_up() -> None:
            # A command sends SIGHUP after it has changed the record, a person after the settings.
            hub.supervisor.spawn("reload", _reload(hub, reload))
            hub.fleet.wake()

        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hang_up)
        await uvicorn.Server(server_config(hub)).serve(sockets=[listening])
    finally:
        listening.close()


async def _reload(hub: Hub, reload: Reload) -> None:
    applied = reload(hub)
    if applied:
        await hub.audit.add("hub", "hub.reload", settings=list(applied), keep=hub.settings.keep)


def server_config(hub: Hub) -> uvicorn.Config:
    """The uvicorn configuration of a hub."""
    behind_proxy = hub.settings.tls.proxy_certificate is not None
    return uvicorn.Config(
        create_app(hub),
        http="httptools",
        ws="websockets-sansio",
        ws_max_size=MAX_MESSAGE,
        ws_ping_interval=20,
        ws_ping_timeout=20,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        ssl_context_factory=_context_factory(hub.tls.context),
        # X-Forwarded-For is trusted only if a proxy is configured.
        proxy_headers=behind_proxy,
        forwarded_allow_ips=["127.0.0.1", "::1"] if behind_proxy else [],
        timeout_graceful_shutdown=2,
    )


def _context_factory(context: ssl.SSLContext | None) -> Callable[..., ssl.SSLContext] | None:
    return None if context is None else lambda *_: context


def _tune_garbage_collection() -> None:
    # One transaction creates more objects than the default threshold: with a thousand agents, garbage
    # collection took a quarter of the hub's time and found little.
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 20)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises PortBusyError."""
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, proto)
    except OSError as error:
        raise PortBusyError(f"cannot listen on {host} port {port}: {error.strerror}") from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(1024)
    except OSError as error:
        listening.close()
        raise PortBusyError(f"cannot listen on {host} port {port}: {error.strerror}") from error
    listening.setblocking(False)
    return listening
