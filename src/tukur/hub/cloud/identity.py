"""Instance identity tokens: how a virtual machine of Compute Engine proves which one it is.

https://cloud.google.com/compute/docs/instances/verifying-instance-identity
"""

import base64
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from msgspec import Meta

from tukur.hub.cloud.certificates import GoogleKeys

ISSUERS = ("https://accounts.google.com", "accounts.google.com")
_ALGORITHM = "RS256"
"""The only one that Google signs by: neither `none` nor an HMAC with the public key."""
LEEWAY_S = 60
"""How far Google's clock and the hub's may be apart."""


class IdentityRefusedError(Exception):
    """The token proves nothing. The text is for the hub's own administrator."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        """A stable word for the audit log."""


class _Header(msgspec.Struct):
    alg: str = ""
    kid: str = ""


class _ComputeEngine(msgspec.Struct):
    project_id: str
    instance_id: Annotated[str, Meta(pattern=r"^[0-9]{1,20}$")]
    instance_name: Annotated[str, Meta(min_length=1, max_length=63)]
    zone: Annotated[str, Meta(min_length=1, max_length=63)]


class _Google(msgspec.Struct):
    compute_engine: _ComputeEngine


class _Claims(msgspec.Struct):
    iss: str
    aud: str
    exp: float
    iat: float


class _InstanceClaims(msgspec.Struct):
    google: _Google


@dataclass(frozen=True, slots=True)
class Instance:
    """A virtual machine, as Google vouches for it."""

    instance_id: str
    """A number, never used again."""
    name: str
    zone: str
    project: str


class IdentityVerifier:
    """Verifies tokens for one project."""

    def __init__(self, keys: GoogleKeys, project: str, clock: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self._project = project
        self._clock = clock

    async def verify(self, token: str, audience: str) -> Instance:
        """The instance that the token was made for. Raises IdentityRefusedError, GoogleUnavailableError."""
        claims = await self._signed_claims(token)
        self._check(claims, audience)
        try:
            found = msgspec.convert(claims, _InstanceClaims).google.compute_engine
        except msgspec.ValidationError as error:
            raise IdentityRefusedError(
                "token_no_instance", f"the token names no instance ({error}); format=full expected"
            ) from error
        if found.project_id != self._project:
            raise IdentityRefusedError(
                "token_project",
                f"instance {found.instance_id} of project {found.project_id[:100]!r}; "
                f"{self._project!r} expected",
            )
        return Instance(found.instance_id, found.instance_name, found.zone, found.project_id)

    async def _signed_claims(self, token: str) -> dict[str, Any]:
        header = _header(token)
        if header.alg != _ALGORITHM:
            raise IdentityRefusedError("token_algorithm", f"algorithm {header.alg[:20]!r}; RS256 expected")
        key = await self._keys.key(header.kid)
        if key is None:
            raise IdentityRefusedError("token_key", f"Google has no key {header.kid[:100]!r}")
        try:
            return dict(jwt.decode(token, key, algorithms=[_ALGORITHM]).claims)
        except (JoseError, ValueError) as error:
            raise IdentityRefusedError("token_signature", f"not signed by Google: {error}") from error

    def _check(self, claims: dict[str, Any], audience: str) -> None:
        try:
            found = msgspec.convert(claims, _Claims)
        except msgspec.ValidationError as error:
            raise IdentityRefusedError("token_malformed", f"a claim is missing or wrong: {error}") from error
        if found.iss not in ISSUERS:
            raise IdentityRefusedError("token_issuer", f"issuer {found.iss[:100]!r}; {ISSUERS[0]} expected")
        if found.aud != audience:
            raise IdentityRefusedError(
                "token_audience", "for another hub or another connection: a token is good for one join"
            )
        now = self._clock()
        if found.exp + LEEWAY_S < now:
            raise IdentityRefusedError("token_expired", f"expired {now - found.exp:.0f} s ago")
        if found.iat - LEEWAY_S > now:
            raise IdentityRefusedError("token_early", f"issued {found.iat - now:.0f} s in the future")


def _header(token: str) -> _Header:
    first, *rest = token.split(".")
    try:
        if len(rest) != 2:
            raise ValueError("three parts expected")
        return msgspec.json.decode(base64.urlsafe_b64decode(first + "=" * (-len(first) % 4)), type=_Header)
    except (msgspec.MsgspecError, ValueError) as error:
        raise IdentityRefusedError("token_malformed", "not a JSON Web Token") from error
