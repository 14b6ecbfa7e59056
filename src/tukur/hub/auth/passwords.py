"""Password policy and password hashing."""

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

MIN_LENGTH = 12
MAX_LENGTH = 128
"""Characters."""
_MIN_BESIDE_NAME = 8
"""Characters required besides the user's own name."""
_MAX_CONCURRENT = 2
"""Each hash takes 19 MiB while it is computed."""
_MAX_WAITING = 32
"""Sign-ins that may wait for a slot, those in progress included."""


def rejection_reason(password: str, name: str) -> str | None:
    """Why this password is rejected for this user; None: it is accepted."""
    normalized = _normalize(password)
    if not MIN_LENGTH <= len(normalized) <= MAX_LENGTH:
        return f"a password of {len(normalized)} characters; {MIN_LENGTH} to {MAX_LENGTH} expected"
    folded = normalized.casefold()
    if folded.rstrip("!.?1") in _common_passwords() or folded in _common_passwords() or len(set(folded)) < 4:
        return "this password is too common; choose another"
    if any(len(folded.replace(word, "")) < _MIN_BESIDE_NAME for word in (name.casefold(), "tukur") if word):
        return "this password is little more than a name; choose another"
    return None


@cache
def _common_passwords() -> frozenset[str]:
    text = resources.files("tukur.hub.auth").joinpath("common_passwords.txt").read_text(encoding="utf-8")
    return frozenset(text.split())


def _normalize(password: str) -> str:
    # Systems encode the same keystrokes differently (NIST 800-63B, 5.1.1.2).
    return unicodedata.normalize("NFKC", password)


class Passwords:
    """Argon2id in a bounded number of threads, so that memory is bounded and the event loop runs on."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        # OWASP's minimum: 19 MiB, two passes, one lane.
        self._hasher = hasher or PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
        self._slots = asyncio.Semaphore(_MAX_CONCURRENT)
        self._waiting = 0
        self._dummy_hash = ""

    async def hash(self, password: str) -> str:
        """The hash to store. Raises ProblemError."""
        return await self._run(self._hasher.hash, _normalize(password))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether the password matches the hash. None is never matched, and takes as long (no timing oracle).

        Raises ProblemError.
        """
        return await self._run(self._verify, stored, _normalize(password[: MAX_LENGTH * 4]))

    def needs_rehash(self, stored: str) -> bool:
        """Whether the hash was made with other parameters than the current ones."""
        return self._hasher.check_needs_rehash(stored)

    def _verify(self, stored: str | None, password: str) -> bool:
        if not self._dummy_hash:
            self._dummy_hash = self._hasher.hash("nobody has this password")
        try:
            return self._hasher.verify(stored or self._dummy_hash, password) and stored is not None
        except (Argon2Error, InvalidHashError):
            return False

    async def _run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._waiting >= _MAX_WAITING:
            raise ProblemError(503, "busy", "too many sign-ins at once; try again", {"Retry-After": "2"})
        self._waiting += 1
        try:
            async with self._slots:
                return await asyncio.to_thread(work, *args, **kwargs)
        finally:
            self._waiting -= 1
