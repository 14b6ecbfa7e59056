"""Instance identity tokens: what Google signed for this connection counts, and nothing else."""

import base64
import hmac
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.google.cloud import Cloud, cloud, signing_keys
from tests.support.google.identity import Instance, new_key, signed
from tukur.hub.cloud.api import GoogleUnavailableError
from tukur.hub.cloud.certificates import GoogleKeys
from tukur.hub.cloud.identity import IdentityRefusedError, IdentityVerifier

AUDIENCE = "tukur:local:0a1b"
MACHINE = Instance("4711", "web-abcd")
Claims = dict[str, Any]


@pytest.fixture
def around() -> Iterator[Cloud]:
    with cloud() as running:
        yield running


@pytest.fixture
async def verifier(around: Cloud) -> IdentityVerifier:
    return IdentityVerifier(GoogleKeys(around.metadata.certs_url), "rehearsal")


def good(**changed: Any) -> Claims:
    return {**MACHINE.claims(AUDIENCE), **changed}


def of_project(project: str) -> Claims:
    return Instance("4711", "web-abcd", project=project).claims(AUDIENCE)


def part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def unsigned(claims: Claims, algorithm: str = "none") -> str:
    header = {"alg": algorithm, "kid": signing_keys().newest.kid, "typ": "JWT"}
    return f"{part(json.dumps(header).encode())}.{part(json.dumps(claims).encode())}."


def by_hmac(claims: Claims) -> str:
    """Signed by what everybody knows: Google's public key, taken for a shared secret."""
    public = signing_keys().newest.as_pem(private=False)
    text = unsigned(claims, "HS256").removesuffix(".")
    return f"{text}.{part(hmac.digest(public, text.encode(), 'sha256'))}"


def forged(claims: Claims) -> str:
    return signed(claims, new_key(signing_keys().newest.kid))


def altered(claims: Claims) -> str:
    header, _, signature = signed(claims, signing_keys().newest).split(".")
    return f"{header}.{part(json.dumps({**claims, 'sub': 'another'}).encode())}.{signature}"


def by_google(claims: Claims) -> str:
    return signed(claims, signing_keys().newest)


def by_a_key_that_google_has_not(claims: Claims) -> str:
    return signed(claims, new_key())


async def test_a_token_of_google_tells_which_machine_asks(verifier: IdentityVerifier) -> None:
    found = await verifier.verify(by_google(good()), AUDIENCE)
    assert (found.instance_id, found.name, found.zone) == ("4711", "web-abcd", "europe-west1-b")


@pytest.mark.parametrize(
    ("sign", "claims", "reason"),
    [
        (by_google, good(aud="tukur:local:another"), "token_audience"),
        (by_google, good(aud=[AUDIENCE, "tukur:local:another"]), "token_malformed"),
        (by_google, good(iss="https://accounts.example.com"), "token_issuer"),
        (by_google, MACHINE.claims(AUDIENCE, now_s=time.time() - 3600 - 90), "token_expired"),
        (by_google, MACHINE.claims(AUDIENCE, now_s=time.time() + 600), "token_early"),
        (by_google, of_project("another-project"), "token_project"),
        (by_google, MACHINE.claims(AUDIENCE, full=False), "token_no_instance"),
        (by_google, {"aud": AUDIENCE}, "token_malformed"),
        (forged, good(), "token_signature"),
        (altered, good(), "token_signature"),
        (unsigned, good(), "token_algorithm"),
        (by_hmac, good(), "token_algorithm"),
        (by_a_key_that_google_has_not, good(), "token_key"),
    ],
)
async def test_any_other_token_is_refused_for_one_reason(
    verifier: IdentityVerifier, sign: Callable[[Claims], str], claims: Claims, reason: str
) -> None:
    with pytest.raises(IdentityRefusedError) as refused:
        await verifier.verify(sign(claims), AUDIENCE)
    assert refused.value.reason == reason


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "....", "é.é.é", "e30.e30", "W10.e30.e30", "." * 8000])
async def test_what_is_no_token_at_all_is_refused(verifier: IdentityVerifier, text: str) -> None:
    with pytest.raises(IdentityRefusedError) as refused:
        await verifier.verify(text, AUDIENCE)
    assert refused.value.reason in ("token_malformed", "token_algorithm")


async def test_without_googles_certificates_nothing_is_decided(
    around: Cloud, verifier: IdentityVerifier
) -> None:
    around.metadata.certs_failing = 503
    with pytest.raises(GoogleUnavailableError):
        await verifier.verify(by_google(good()), AUDIENCE)
