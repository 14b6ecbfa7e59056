"""Calls to what is not the agent's and may hang, such as a resolver: in threads that hold up nothing else.

The threads of asyncio's own executor are few: the spool is written by them, and the program ends after them.
"""

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

MAX_CALLS = 16
"""At the same time: beyond that, those before hang, and another one would too."""

_calls = threading.BoundedSemaphore(MAX_CALLS)


async def in_own_thread(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of a blocking call; when it is cancelled the call goes on, and its result is dropped.

    Raises what the call raises, and TimeoutError where MAX_CALLS of them hang.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    if not _calls.acquire(blocking=False):
        raise TimeoutError(f"{MAX_CALLS} calls of this kind have not ended yet")

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)  # type: ignore[arg-type]
        else:
            future.set_exception(error)

    def work() -> None:
        result: T | None = None
        error: BaseException | None = None
        try:
            result = call(*args, **kwargs)
        except BaseException as raised:
            error = raised
        finally:
            _calls.release()
        try:
            loop.call_soon_threadsafe(settle, result, error)
        except RuntimeError:
            # The loop has closed meanwhile: nobody waits any more.
            return

    threading.Thread(target=work, name="foreign", daemon=True).start()
    return await future


class AgentLoop(asyncio.SelectorEventLoop):
    """An event loop whose lookups of host names hold up neither its executor nor its end."""

    async def getaddrinfo(
        self,
        host: Any,
        port: Any,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002 - asyncio's name
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]:
        """As socket.getaddrinfo. Raises OSError, TimeoutError among them where too many lookups hang."""
        return await in_own_thread(socket.getaddrinfo, host, port, family, type, proto, flags)
