"""A reverse proxy with TLS that serves the hub under a path, beside another application."""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

NEIGHBOUR = "another application"


@dataclass(slots=True)
class ReverseProxy:
    """Listens in a thread of its own. Each request has a connection of its own, a WebSocket keeps it."""

    target: int
    """The hub's port on this machine."""
    path: str
    """What is passed on to the hub; everything else is answered by the other application."""
    strip: bool
    """Whether the hub sees the path, or what follows it."""
    port: int = 0
    passed_on: list[str] = field(default_factory=list)
    """The paths that the hub was asked for."""
    neighbour_asked: list[str] = field(default_factory=list)
    """The paths that the other application was asked for."""

    @property
    def origin(self) -> str:
        """Of both applications."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The hub's."""
        return f"{self.origin}{self.path}"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            path = head.split(" ", 2)[1]
            if path != self.path and not path.startswith(f"{self.path}/"):
                await self._neighbour(writer, path)
                return
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
            try:
                back.write(self._rewritten(head, path).encode("latin-1"))
                await asyncio.gather(_copy(reader, back), _copy(there, writer))
            finally:
                back.close()
        writer.close()

    async def _neighbour(self, writer: asyncio.StreamWriter, path: str) -> None:
        self.neighbour_asked.append(path)
        head = "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
        writer.write(f"{head}{NEIGHBOUR}".encode())
        await writer.drain()
        writer.close()

    def _rewritten(self, head: str, path: str) -> str:
        asked = (path.removeprefix(self.path) or "/") if self.strip else path
        self.passed_on.append(asked)
        first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
        method, _, version = first.split(" ", 2)
        if not any(line.lower().startswith("upgrade:") for line in lines):
            lines = [line for line in lines if not line.lower().startswith("connection:")]
            lines.append("Connection: close")
        lines += ["X-Forwarded-For: 192.0.2.33", "X-Forwarded-Proto: https"]
        return "\r\n".join([f"{method} {asked} {version}", *lines, "", ""])


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextlib.contextmanager
def reverse_proxy(
    target: int, certificate: Path, key: Path, *, path: str, strip: bool
) -> Iterator[ReverseProxy]:
    """A proxy that presents this certificate."""
    proxy = ReverseProxy(target, path, strip)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    loop, listening = asyncio.new_event_loop(), threading.Event()
    stopped = asyncio.Event()

    async def serve() -> None:
        server = await asyncio.start_server(proxy.handle, "127.0.0.1", 0, ssl=context)
        proxy.port = server.sockets[0].getsockname()[1]
        listening.set()
        await stopped.wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def work() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=work, name="reverse proxy")
    thread.start()
    try:
        assert listening.wait(10), "the proxy does not listen"
        yield proxy
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join(10)
