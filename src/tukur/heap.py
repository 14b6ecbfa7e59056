"""Memory of this process's heap that is not used any more, given back to the system.

glibc keeps what was freed for later, each of its arenas for itself: after a burst of ten thousand processes
an agent would stay as large as it was at the peak. With another libc nothing here does anything.
"""

import asyncio
import ctypes
from functools import lru_cache
from typing import Any

_M_ARENA_MAX = -8
"""mallopt(3)"""
_EVERY_S = 60.0


@lru_cache(maxsize=1)
def _libc() -> Any:
    """The C library; None where it has no such calls."""
    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None


def keep_small(arenas: int) -> bool:
    """Has the threads share so many arenas; whether it can. Called before the first of them is started.

    The thresholds are left to glibc: it learns how large the tables of each second are, and keeps their
    memory from one second to the next, where new pages would cost more than all that is done with them.
    """
    library = _libc()
    return library is not None and bool(library.mallopt(_M_ARENA_MAX, arenas))


def give_back() -> bool:
    """Gives back every page that holds nothing; whether there was one. Takes some milliseconds."""
    library = _libc()
    return library is not None and bool(library.malloc_trim(ctypes.c_size_t(0)))


async def run() -> None:
    """Gives back now and then what is free, for ever: a background task."""
    while True:
        await asyncio.sleep(_EVERY_S)
        give_back()
