"""Requests to Google's APIs, with the access token of the machine that the hub runs on."""

import asyncio
import os
import ssl
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

import httpx
import msgspec

T = TypeVar("T")

TIMEOUT_S = 10.0
_MARGIN_S = 225.0
"""A token is renewed so long before it expires, as Google's own libraries do."""
METADATA_HOST = "metadata.google.internal"
_TOKEN_PATH = "/computeMetadata/v1/instance/service-accounts/default/token"  # noqa: S105


class GoogleUnavailableError(Exception):
    """Google does not answer, or not as expected. The text says what was asked and what came."""


class GroupGoneError(Exception):
    """There is no such instance group."""


class _Token(msgspec.Struct):
    access_token: str
    expires_in: float


class _ErrorBody(msgspec.Struct):
    code: int = 0
    message: str = ""


class _ErrorAnswer(msgspec.Struct):
    error: _ErrorBody


def metadata_url(path: str) -> str:
    """Of the metadata server, which is found as Google's own libraries find it."""
    return f"http://{os.environ.get('GCE_METADATA_HOST') or METADATA_HOST}{path}"


class GoogleApi:
    """All methods raise GoogleUnavailableError."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # Once: reading the system's authorities takes longer than a request.
        self._tls = ssl.create_default_context()
        self._token = ""
        self._token_until_s = 0.0
        self._token_lock = asyncio.Lock()

    async def post(self, url: str, parameters: Mapping[str, str], kind: type[T]) -> T:
        """The answer to an empty POST. Raises GroupGoneError where the API knows no such thing."""
        return await self._call("POST", url, parameters, kind)

    async def get(self, url: str, parameters: Mapping[str, str], kind: type[T]) -> T:
        """The answer to a GET. Raises GroupGoneError where the API knows no such thing."""
        return await self._call("GET", url, parameters, kind)

    async def _call(self, method: str, url: str, parameters: Mapping[str, str], kind: type[T]) -> T:
        headers = {"Authorization": f"Bearer {await self._access_token()}"}
        try:
            async with httpx.AsyncClient(timeout=TIMEOUT_S, verify=self._tls) as client:
                answer = await client.request(method, url, params=parameters, headers=headers)
            if answer.status_code == 401:
                # It was revoked before its time: the next request fetches another.
                self._token_until_s = 0.0
            _check(answer, url)
            return msgspec.json.decode(answer.content, type=kind)
        except (httpx.HTTPError, msgspec.MsgspecError, ValueError) as error:
            raise GoogleUnavailableError(f"{url}: {error or type(error).__name__}") from error

    async def _access_token(self) -> str:
        async with self._token_lock:
            if self._clock() >= self._token_until_s:
                asked_s = self._clock()
                token = await self._fetch_token()
                self._token = token.access_token
                self._token_until_s = asked_s + token.expires_in - _MARGIN_S
            return self._token

    async def _fetch_token(self) -> _Token:
        url = metadata_url(_TOKEN_PATH)
        try:
            # The metadata server is a link-local address of this machine: never through a proxy.
            async with httpx.AsyncClient(timeout=TIMEOUT_S, verify=self._tls, trust_env=False) as client:
                answer = await client.get(url, headers={"Metadata-Flavor": "Google"})
            answer.raise_for_status()
            return msgspec.json.decode(answer.content, type=_Token)
        except (httpx.HTTPError, msgspec.MsgspecError, ValueError) as error:
            raise GoogleUnavailableError(
                f"no access token from the metadata server: {error or type(error).__name__}"
            ) from error


def _check(answer: httpx.Response, url: str) -> None:
    """Raises GoogleUnavailableError, GroupGoneError."""
    if answer.is_success:
        return
    try:
        said = msgspec.json.decode(answer.content, type=_ErrorAnswer).error
    except (msgspec.MsgspecError, ValueError):
        # A proxy's page, perhaps: not the API's word, so that its 404 means nothing.
        said = _ErrorBody()
    if answer.status_code == 404 and said.code == 404:
        raise GroupGoneError(said.message[:300])
    raise GoogleUnavailableError(f"{url} answers {answer.status_code}: {said.message[:300] or 'no reason'}")
