"""An OpenID provider, as its relying party: authorization code flow with PKCE, one provider for a hub.

The provider's answers are checked by Authlib (claims) and joserfc (signatures); what ties an answer to the
browser that began is an encrypted cookie, so that nothing of it has to be kept here.
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
from tukur.hub.oidc.settings import OidcSettings, rights_of

log = logging.getLogger(__name__)

FLOW_S = 600
"""So long somebody has to sign in at the provider."""
_DISCOVERED_S = 3600.0
_KEYS_AGAIN_S = 30.0
"""Unknown keys are asked for no more often than this."""
_LEEWAY_S = 60
_TIMEOUT_S = 10.0
_SCOPE = "openid profile email"
_PURPOSE = "oidc"
_ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
)
"""By a key pair: neither `none`, nor those that whoever knows the client's secret could sign with."""


class _Metadata(msgspec.Struct):
    """What of the provider's description is used."""

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
    """What a code was exchanged for."""

    id_token: str
    access_token: str = ""


class _Flow(msgspec.Struct):
    """What the browser carries, encrypted, while it is at the provider."""

    state: str
    nonce: str
    verifier: str
    expires_s: float


@dataclass(frozen=True, slots=True)
class Person:
    """Whom the provider has vouched for."""

    subject: str
    """Never another person's at this provider."""
    names: tuple[str, ...]
    """What may serve as a name, the best first."""
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
        self._asked = -_DISCOVERED_S
        self._keys_asked = -_KEYS_AGAIN_S
        self._asking = asyncio.Lock()
        self._tls = ssl.create_default_context(cafile=settings.ca)

    async def begin(self, return_url: str) -> tuple[str, str]:
        """(where the browser is sent, what it carries meanwhile)."""
        metadata = await self._discovered()
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

    async def finish(self, carried: str, answer: Mapping[str, str], return_url: str) -> Person:
        """Whom the provider's answer vouches for; `answer`: what it sent the browser back with."""
        flow = self._opened(carried)
        if not hmac.compare_digest(flow.state.encode(), answer.get("state", "").encode()):
            raise _refused("state_not_valid", "this response belongs to no sign-in of this browser")
        metadata = await self._discovered()
        self._check_issuer(metadata, answer)
        if "code" not in answer:
            raise _refused("provider_refused", f"the provider says {answer.get('error', 'nothing')[:100]!r}")
        try:
            token = await self._token(metadata, answer["code"], flow.verifier, return_url)
            claims = await self._claims(metadata, token, flow)
            if self.settings.role_claim not in claims and metadata.userinfo_endpoint:
                claims = {**await self._userinfo(metadata, token, claims), **claims}
        except (JoseError, httpx.HTTPError, msgspec.MsgspecError, ValueError) as error:
            log.warning("a sign-in by the provider was refused: %s", error)
            raise _refused("provider_not_valid", "the provider's response is not valid") from error
        return self._person(claims)

    def _opened(self, carried: str) -> _Flow:
        opened = self._key.open(_PURPOSE, "", carried) if carried else None
        flow = None if opened is None else msgspec.json.decode(opened, type=_Flow)
        if flow is None or flow.expires_s < self._clock():
            raise _refused("state_not_valid", "no sign-in is in progress in this browser")
        return flow

    def _check_issuer(self, metadata: _Metadata, answer: Mapping[str, str]) -> None:
        # RFC 9207: an answer of another provider is not for this one's token endpoint.
        said = answer.get("iss")
        if said != metadata.issuer and (said or metadata.authorization_response_iss_parameter_supported):
            raise _refused("provider_not_valid", "the response comes from another provider")

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
            # RFC 6749, 2.3.1: encoded as in a form first.
            auth = httpx.BasicAuth(quote_plus(client_id), quote_plus(secret))
        else:
            form |= {"client_id": client_id, **({"client_secret": secret} if secret else {})}
        async with self._client() as client:
            answer = await client.post(metadata.token_endpoint, data=form, auth=auth)
        answer.raise_for_status()
        return msgspec.json.decode(answer.content, type=_Token)

    async def _claims(self, metadata: _Metadata, token: _Token, flow: _Flow) -> dict[str, Any]:
        text = token.id_token
        try:
            decoded = jwt.decode(text, await self._key_set(metadata), algorithms=list(_ALGORITHMS))
        except (JoseError, ValueError):
            # Signed by a key that is new.
            decoded = jwt.decode(
                text, await self._key_set(metadata, again=True), algorithms=list(_ALGORITHMS)
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
        told: dict[str, Any] = msgspec.json.decode(content, type=dict[str, Any])
        if told.get("sub") != claims["sub"]:
            raise ValueError("the provider's user info names another subject than its ID token")
        return told

    def _person(self, claims: Mapping[str, Any]) -> Person:
        said = claims.get(self.settings.role_claim, ())
        values = [said] if isinstance(said, str) else [str(each) for each in said or ()]
        names = (claims.get(claim) for claim in ("preferred_username", "email", "sub"))
        return Person(
            str(claims["sub"]),
            tuple(str(name) for name in names if name),
            rights_of(self.settings.roles or {}, values),
        )

    async def _discovered(self) -> _Metadata:
        """The provider's description, read anew each hour; while it cannot be read, the one before."""
        async with self._asking:
            now = time.monotonic()
            if self._metadata is None or now - self._asked > _DISCOVERED_S:
                try:
                    self._metadata = await self._read_metadata()
                    self._asked = now
                except (httpx.HTTPError, msgspec.MsgspecError, ValueError) as error:
                    log.error("the OpenID provider %s cannot be reached: %s", self.settings.issuer, error)
                    if self._metadata is None:
                        raise ProblemError(
                            503, "provider_unreachable", "the OpenID provider cannot be reached"
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

    async def _key_set(self, metadata: _Metadata, *, again: bool = False) -> KeySet:
        async with self._asking:
            now = time.monotonic()
            if self._keys is None or (again and now - self._keys_asked > _KEYS_AGAIN_S):
                self._keys_asked = now
                self._keys = KeySet.import_key_set(msgspec.json.decode(await self._get(metadata.jwks_uri)))
            return self._keys

    async def _get(self, url: str, headers: Mapping[str, str] | None = None) -> bytes:
        async with self._client() as client:
            answer = await client.get(url, headers={"Accept": "application/json", **(headers or {})})
            answer.raise_for_status()
            return answer.content

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(verify=self._tls, timeout=_TIMEOUT_S)


def check_url(url: str) -> None:
    """Raises ValueError where a provider is not asked by TLS; on this machine it need not be."""
    parts = urlsplit(url)
    if not parts.hostname or not (
        parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))
    ):
        raise ValueError(f"{url[:200]!r}; an https URL expected")


def _refused(code: str, detail: str) -> ProblemError:
    return ProblemError(401, code, detail)
