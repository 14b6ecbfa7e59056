"""Passwords: which ones are accepted, and how they are stored."""

import asyncio
import unicodedata
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import ParamSpec, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from tukur.hub.errors import ProblemError

P = ParamSpec("P")
T = TypeVar("T")

SHORTEST = 12
LONGEST = 128
"""Characters."""
_LEFT = 8
"""So many characters at least beside the user's own name."""
_AT_ONCE = 2
_WAITING = 32
"""So many sign-ins at most wait for their turn: each takes 19 MiB while it is computed."""


def fault_of(password: str, name: str) -> str | None:
    """Why this password is rejected for the user of this name; None: it is accepted."""
    said = _normal(password)
    if not SHORTEST <= len(said) <= LONGEST:
        return f"a password of {len(said)} characters; {SHORTEST} to {LONGEST} expected"
    folded = said.casefold()
    if folded.rstrip("!.?1") in _common() or folded in _common() or len(set(folded)) < 4:
        return "this password is one of the most common ones; another expected"
    if any(len(folded.replace(word, "")) < _LEFT for word in (name.casefold(), "tukur") if word):
        return "this password is hardly more than a name; another expected"
    return None


@cache
def _common() -> frozenset[str]:
    text = resources.files("tukur.hub.auth").joinpath("common_passwords.txt").read_text(encoding="utf-8")
    return frozenset(text.split())


def _normal(password: str) -> str:
    # The same keys give other bytes on another system (NIST 800-63B, 5.1.1.2).
    return unicodedata.normalize("NFKC", password)


class Passwords:
    """Argon2id, in threads of their own number: the hub goes on meanwhile, and its memory is bounded."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        # OWASP's least: 19 MiB, two passes, one lane.
        self._hasher = hasher or PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0
        self._nobodys = ""

    async def hashed(self, password: str) -> str:
        """What is kept of a password. Raises ProblemError."""
        return await self._run(self._hasher.hash, _normal(password))

    async def fits(self, kept: str | None, password: str) -> bool:
        """Whether it is the password of this hash; without one it takes as long to say no.

        Raises ProblemError.
        """
        said = _normal(password[: LONGEST * 4])
        return await self._run(self._fits, kept, said)

    def is_weak(self, kept: str) -> bool:
        """Whether it was hashed by lesser parameters than are usual now."""
        return self._hasher.check_needs_rehash(kept)

    def _fits(self, kept: str | None, password: str) -> bool:
        if not self._nobodys:
            self._nobodys = self._hasher.hash("nobody has this password")
        try:
            return self._hasher.verify(kept or self._nobodys, password) and kept is not None
        except (Argon2Error, InvalidHashError):
            return False

    async def _run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._waiting >= _WAITING:
            raise ProblemError(503, "busy", "too many sign-ins at once; try again", {"Retry-After": "2"})
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(work, *args, **kwargs)
        finally:
            self._waiting -= 1
