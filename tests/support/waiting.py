"""Waiting for what happens, in place of waiting for a time."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")

_PAUSE_S = 0.02


def eventually(
    check: Callable[[], T | None],
    within: float = 20,
    what: str = "the condition holds",
    *,
    pause: Callable[[float], None] = time.sleep,
) -> T:
    """The first true result of `check`. Fails where there is none in so many seconds."""
    end = time.monotonic() + within
    while not (result := check()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {within} s: {what}")
        pause(_PAUSE_S)
    return result


@overload
async def until(check: Callable[[], Awaitable[T | None]], within: float = 20, what: str = ...) -> T: ...


@overload
async def until(check: Callable[[], T | None], within: float = 20, what: str = ...) -> T: ...


async def until(check: Callable[[], Any], within: float = 20, what: str = "the condition holds") -> Any:
    """The same in an event loop; `check` may be a coroutine function."""
    end = time.monotonic() + within
    while True:
        result = check()
        if inspect.isawaitable(result):
            result = await result
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"not within {within} s: {what}")
        await asyncio.sleep(_PAUSE_S / 2)
