"""The OpenID Connect relying party: authorization code flow with PKCE, one provider per hub.

Authlib validates the claims, joserfc the signatures. An encrypted cookie binds the provider's response to the
browser that began the flow, so that the hub keeps no state of it.
"""

import asyncio
import hmac
import logging
import secrets
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, urlsplit

import httpx
import msgspec
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from tukur.hub.auth.account_key import AccountKey
from tukur.hub.auth.identity import Rights
from tukur.hub.errors import ProblemError
from tukur.hub.network import is_loopback
from tukur.hub.oidc.settings import OidcSettings, combine_rights

log = logging.getLogger(__name__)

FLOW_S = 600
"""How long a sign-in at the provider may take."""
_METADATA_TTL_S = 3600.0
_KEYS_REFETCH_S = 30.0
"""Shortest time between two requests for the provider's keys."""
_LEEWAY_S = 60
_TIMEOUT_S = 10.0
_SCOPE = "openid profile email"
_PURPOSE = "oidc"
_ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
)
"""Asymmetric only: neither `none` nor HMAC with the client secret."""


class _Metadata(msgspec.Struct):
    """The fields of the provider's discovery document that are used."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    token_endpoint_auth_methods_supported: list[str] = msgspec.field(
        default_factory=lambda: ["client_secret_basic"]
    )
    authorization_response_iss_parameter_supported: bool = False


class _Token(msgspec.Struct):
    """The token endpoint's response."""

    id_token: str
    access_token: str = ""


class _Flow(msgspec.Struct):
    """The content of the encrypted cookie while the browser is at the provider."""

    state: str
    nonce: str
    verifier: str
    expires_s: float


@dataclass(frozen=True, slots=True)
class ProviderUser:
    """A user that the provider has authenticated."""

    subject: str
    """Unique at this provider, and never reused."""
    names: tuple[str, ...]
    """Candidates for the user name, the best first."""
    rights: Rights


class Provider:
    """All methods raise ProblemError."""

    def __init__(
        self, settings: OidcSettings, key: AccountKey, clock: Callable[[], float] = time.time
    ) -> None:
        self.settings = settings
        self._key = key
        self._clock = clock
        self._metadata: _Metadata | None = None
        self._keys: KeySet | None = None
        self._metadata_fetched_s = -_METADATA_TTL_S
        self._keys_fetched_s = -_KEYS_REFETCH_S
        self._fetch_lock = asyncio.Lock()
        self._tls = ssl.create_default_context(cafile=settings.ca)

    async def begin(self, return_url: str) -> tuple[str, str]:
        """(URL at the provider to redirect to, value of the flow cookie)."""
        metadata = await self._current_metadata()
        flow = _Flow(
            secrets.token_urlsafe(32),
            secrets.token_urlsafe(32),
            secrets.token_urlsafe(48),
            self._clock() + FLOW_S,
        )
        url = prepare_grant_uri(
            metadata.authorization_endpoint,
            client_id=self.settings.client_id,
            response_type="code",
            redirect_uri=return_url,
            scope=_SCOPE,
            state=flow.state,
            nonce=flow.nonce,
            code_challenge=create_s256_code_challenge(flow.verifier),
            code_challenge_method="S256",
        )
        return str(url), self._key.seal(_PURPOSE, "", msgspec.json.encode(flow))

    async def finish(self, flow_cookie: str, response: Mapping[str, str], return_url: str) -> ProviderUser:
        """The authenticated user; `response`: the query parameters that the provider redirected with."""
        flow = self._decrypt_flow(flow_cookie)
        if not hmac.compare_digest(flow.state.encode(), response.get("state", "").encode()):
            raise _rejected(
                "state_not_valid", "this response does not match the sign-in in this browser; sign in again"
            )
        metadata = await self._current_metadata()
        self._check_issuer(metadata, response)
        if "code" not in response:
            raise _rejected(
                "provider_refused",
                f"the OpenID provider reported the error {response.get('error', '')[:100]!r}",
            )
        try:
            token = await self._token(metadata, response["code"], flow.verifier, return_url)
            claims = await self._claims(metadata, token, flow)
            if self.settings.role_claim not in claims and metadata.userinfo_endpoint:
                claims = {**await self._userinfo(metadata, token, claims), **claims}
        except (JoseError, httpx.HTTPError, msgspec.MsgspecError, ValueError) as error:
            log.warning("rejected a response of the OpenID provider: %s", error)
            raise _rejected(
                "provider_not_valid", "the OpenID provider's response is not valid; see the hub's log"
            ) from error
        return self._user(claims)

    def _decrypt_flow(self, flow_cookie: str) -> _Flow:
        content = self._key.open(_PURPOSE, "", flow_cookie) if flow_cookie else None
        flow = None if content is None else msgspec.json.decode(content, type=_Flow)
        if flow is None or flow.expires_s < self._clock():
            raise _rejected(
                "state_not_valid",
                "no sign-in is in progress in this browser, or it has expired; sign in again",
            )
        return flow

    def _check_issuer(self, metadata: _Metadata, response: Mapping[str, str]) -> None:
        # RFC 9207: protects from mix-up attacks.
        issuer = response.get("iss")
        if issuer != metadata.issuer and (issuer or metadata.authorization_response_iss_parameter_supported):
            raise _rejected("provider_not_valid", "the response comes from another OpenID provider")

    async def _token(self, metadata: _Metadata, code: str, verifier: str, return_url: str) -> _Token:
        client_id, secret = self.settings.client_id, self.settings.client_secret
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": return_url,
            "code_verifier": verifier,
        }
        auth: Any = httpx.USE_CLIENT_DEFAULT
        if secret and "client_secret_basic" in metadata.token_endpoint_auth_methods_supported:
            # RFC 6749, 2.3.1: both are form-encoded first.
            auth = httpx.BasicAuth(quote_plus(client_id), quote_plus(secret))
        else:
            form |= {"client_id": client_id, **({"client_secret": secret} if secret else {})}
        async with self._client() as client:
            response = await client.post(metadata.token_endpoint, data=form, auth=auth)
        response.raise_for_status()
        return msgspec.json.decode(response.content, type=_Token)

    async def _claims(self, metadata: _Metadata, token: _Token, flow: _Flow) -> dict[str, Any]:
        text = token.id_token
        try:
            decoded = jwt.decode(text, await self._key_set(metadata), algorithms=list(_ALGORITHMS))
        except (JoseError, ValueError):
            # The provider may have rotated its keys.
            decoded = jwt.decode(
                text, await self._key_set(metadata, refetch=True), algorithms=list(_ALGORITHMS)
            )
        claims = CodeIDToken(
            decoded.claims,
            decoded.header,
            options={
                "iss": {"essential": True, "value": metadata.issuer},
                "aud": {"essential": True, "value": self.settings.client_id},
            },
            params={
                "nonce": flow.nonce,
                "client_id": self.settings.client_id,
                "access_token": token.access_token,
            },
        )
        claims.validate(now=int(self._clock()), leeway=_LEEWAY_S)
        return dict(decoded.claims)

    async def _userinfo(
        self, metadata: _Metadata, token: _Token, claims: Mapping[str, Any]
    ) -> dict[str, Any]:
        bearer = {"Authorization": f"Bearer {token.access_token}"}
        content = await self._get(metadata.userinfo_endpoint, bearer)
        user_info: dict[str, Any] = msgspec.json.decode(content, type=dict[str, Any])
        if user_info.get("sub") != claims["sub"]:
            raise ValueError("the subject of the user info differs from that of the ID token")
        return user_info

    def _user(self, claims: Mapping[str, Any]) -> ProviderUser:
        claim_value = claims.get(self.settings.role_claim, ())
        values = (
            [claim_value] if isinstance(claim_value, str) else [str(value) for value in claim_value or ()]
        )
        names = (claims.get(claim) for claim in ("preferred_username", "email", "sub"))
        return ProviderUser(
            str(claims["sub"]),
            tuple(str(name) for name in names if name),
            combine_rights(self.settings.roles or {}, values),
        )

    async def _current_metadata(self) -> _Metadata:
        """The provider's metadata, fetched again every hour; the previous one if that fails."""
        async with self._fetch_lock:
            now = time.monotonic()
            if self._metadata is None or now - self._metadata_fetched_s > _METADATA_TTL_S:
                try:
                    self._metadata = await self._read_metadata()
                    self._metadata_fetched_s = now
                except (httpx.HTTPError, msgspec.MsgspecError, ValueError) as error:
                    log.error("cannot reach the OpenID provider %s: %s", self.settings.issuer, error)
                    if self._metadata is None:
                        raise ProblemError(
                            503, "provider_unreachable", "cannot reach the OpenID provider"
                        ) from error
            return self._metadata

    async def _read_metadata(self) -> _Metadata:
        content = await self._get(f"{self.settings.issuer.rstrip('/')}/.well-known/openid-configuration")
        metadata = msgspec.json.decode(content, type=_Metadata)
        if metadata.issuer != self.settings.issuer:
            raise ValueError(f"the issuer is {metadata.issuer[:200]!r}; {self.settings.issuer!r} expected")
        for url in (metadata.authorization_endpoint, metadata.token_endpoint, metadata.jwks_uri):
            check_url(url)
        return metadata

    async def _key_set(self, metadata: _Metadata, *, refetch: bool = False) -> KeySet:
        async with self._fetch_lock:
            now = time.monotonic()
            if self._keys is None or (refetch and now - self._keys_fetched_s > _KEYS_REFETCH_S):
                self._keys_fetched_s = now
                self._keys = KeySet.import_key_set(msgspec.json.decode(await self._get(metadata.jwks_uri)))
            return self._keys

    async def _get(self, url: str, headers: Mapping[str, str] | None = None) -> bytes:
        async with self._client() as client:
            response = await client.get(url, headers={"Accept": "application/json", **(headers or {})})
            response.raise_for_status()
            return response.content

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(verify=self._tls, timeout=_TIMEOUT_S)


def check_url(url: str) -> None:
    """Raises ValueError unless the URL is https; http is allowed on loopback."""
    parts = urlsplit(url)
    if not parts.hostname or not (
        parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))
    ):
        raise ValueError(f"{url[:200]!r}; an https URL expected")


def _rejected(code: str, detail: str) -> ProblemError:
    return ProblemError(401, code, detail)
