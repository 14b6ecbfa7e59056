"""Google's public keys, by which it signs identity tokens."""

import asyncio
import logging
import re
import ssl
import time
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from tukur.hub.cloud.api import TIMEOUT_S, GoogleUnavailableError

log = logging.getLogger(__name__)

REFETCH_S = 30.0
"""Shortest time between two requests for the keys, whatever strangers ask for."""
_DEFAULT_AGE_S = 3600.0
_LONGEST_AGE_S = 86_400.0
_MAX_AGE = re.compile(r"(?:^|[,\s])max-age=(\d{1,9})(?:$|[,\s])")


class _KeySet(msgspec.Struct):
    keys: list[dict[str, Any]]


class GoogleKeys:
    """The keys, kept for as long as Google's Cache-Control says."""

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._clock = clock
        self._tls = ssl.create_default_context()
        self._keys: dict[str, RSAKey] = {}
        self._fresh_until_s = -REFETCH_S
        self._asked_s = -REFETCH_S
        self._lock = asyncio.Lock()

    async def key(self, kid: str) -> RSAKey | None:
        """The key with this ID; None: Google has none. Raises GoogleUnavailableError.

        For an unknown ID the keys are fetched again: Google may have rotated them.
        """
        async with self._lock:
            now = self._clock()
            wanted = now >= self._fresh_until_s or kid not in self._keys
            if wanted and now - self._asked_s >= REFETCH_S:
                await self._refetch(now)
            elif wanted and not self._keys:
                raise GoogleUnavailableError("Google's certificates could not be fetched a moment ago")
            return self._keys.get(kid)

    async def _refetch(self, now: float) -> None:
        self._asked_s = now
        try:
            async with httpx.AsyncClient(timeout=TIMEOUT_S, verify=self._tls) as client:
                answer = await client.get(self._url, headers={"Accept": "application/json"})
            answer.raise_for_status()
            found = msgspec.json.decode(answer.content, type=_KeySet)
            self._keys = {str(key["kid"]): RSAKey.import_key(key) for key in found.keys if _usable(key)}
            self._fresh_until_s = now + _age_s(answer.headers.get("cache-control", ""))
        except (httpx.HTTPError, msgspec.MsgspecError, JoseError, ValueError) as error:
            log.error("cannot fetch Google's certificates from %s: %s", self._url, error)
            if not self._keys:
                raise GoogleUnavailableError(f"{self._url}: {error or type(error).__name__}") from error


def _usable(key: dict[str, Any]) -> bool:
    return key.get("kty") == "RSA" and bool(key.get("kid")) and key.get("use", "sig") == "sig"


def _age_s(cache_control: str) -> float:
    """For how long an answer may be kept, seconds."""
    found = _MAX_AGE.search(cache_control)
    return min(float(found.group(1)), _LONGEST_AGE_S) if found else _DEFAULT_AGE_S
