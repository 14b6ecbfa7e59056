"""A provider that lies, or somebody between: nothing of what it says lets anybody in."""

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import uvicorn
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from tests.support.hub import RunningHub, running_hub
from tests.support.waiting import until
from tukur.hub.api.routes.oidc import FLOW_COOKIE
from tukur.hub.auth.account_key import AccountKey
from tukur.hub.auth.gate import COOKIE
from tukur.hub.errors import ProblemError
from tukur.hub.oidc.provider import Provider, check_url
from tukur.hub.oidc.settings import OidcSettings, parse_roles
from tukur.hub.serve import listen

RETURN = "http://127.0.0.1:1/api/oidc/return"
KEY, STRANGERS_KEY = (RSAKey.generate_key(2048, {"kid": "one"}) for _ in range(2))
SECRET = "only the client knows it"


class Lying:
    """An ASGI application that says what the test wants."""

    def __init__(self) -> None:
        self.issuer = ""
        self.metadata: dict[str, Any] = {}
        self.claims: dict[str, Any] = {}
        self.key, self.header = KEY, {"alg": "RS256", "kid": "one"}
        self.published = [KEY]
        self.raw: str | None = None
        self.userinfo: dict[str, Any] = {}
        self.asked: list[dict[str, str]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = (await receive()).get("body", b"")
        answer = self._answer(scope["path"], {k: v[0] for k, v in parse_qs(body.decode()).items()})
        content = json.dumps(answer).encode()
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    def _answer(self, path: str, form: dict[str, str]) -> dict[str, Any]:
        if path.endswith("openid-configuration"):
            ends = {name: f"{self.issuer}/{name}" for name in ("authorization_endpoint", "token_endpoint")}
            described = {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys", **ends}
            return {**described, "userinfo_endpoint": f"{self.issuer}/userinfo", **self.metadata}
        if path == "/keys":
            return {"keys": [key.as_dict(private=False) for key in self.published]}
        if path == "/userinfo":
            return self.userinfo
        self.asked.append(form)
        token = self.raw or jwt.encode(self.header, self.claims, self.key)
        return {"access_token": "access", "token_type": "Bearer", "id_token": token}


@pytest.fixture
async def lying() -> AsyncIterator[Lying]:
    app, listening = Lying(), listen("127.0.0.1", 0)
    app.issuer = f"http://127.0.0.1:{listening.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    await until(lambda: server.started)
    yield app
    server.should_exit = True
    await serving
    listening.close()


def settings(lying: Lying, **more: Any) -> OidcSettings:
    roles = parse_roles(["ops=operator", "web=viewer@web"])
    return OidcSettings(lying.issuer, "tukur", SECRET, roles=roles, **more)


@pytest.fixture
def provider(lying: Lying, tmp_path: Path) -> Provider:
    return Provider(settings(lying), AccountKey(tmp_path))


async def begun(provider: Provider, lying: Lying) -> tuple[str, dict[str, str]]:
    """(what the browser carries, what the provider would send it back with); honest claims are ready."""
    url, carried = await provider.begin(RETURN)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    now = int(time.time())
    lying.claims = {
        "iss": lying.issuer,
        "aud": "tukur",
        "sub": "1234",
        "iat": now,
        "exp": now + 300,
        "nonce": asked["nonce"],
        "preferred_username": "ada",
        "groups": ["ops"],
    }
    return carried, {"state": asked["state"], "code": "a code"}


async def refused(provider: Provider, carried: str, answer: dict[str, str]) -> str:
    with pytest.raises(ProblemError) as raised:
        await provider.finish(carried, answer, RETURN)
    assert raised.value.status == 401
    return raised.value.code


async def test_an_honest_answer_lets_in_by_a_code_that_only_this_hub_could_use(
    provider: Provider, lying: Lying
) -> None:
    url, _ = await provider.begin(RETURN)
    asked = parse_qs(urlsplit(url).query)
    assert asked["response_type"] == ["code"]
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["redirect_uri"] == [RETURN]
    carried, answer = await begun(provider, lying)
    person = await provider.finish(carried, answer, RETURN)
    assert (person.subject, person.names[0], person.rights.role.label) == ("1234", "ada", "operator")
    assert len(lying.asked[0]["code_verifier"]) >= 43
    assert lying.asked[0]["code"] == "a code"


@pytest.mark.parametrize(
    "lie",
    [
        {"aud": "another"},
        {"aud": ["tukur", "another"], "azp": "another"},
        {"aud": None},
        {"iss": "https://evil.example"},
        {"exp": 1_000_000_000},
        {"exp": None},
        {"iat": None},
        {"nonce": "of another sign-in"},
        {"nonce": None},
        {"sub": None},
        {"nbf": 9_000_000_000},
    ],
    ids=str,
)
async def test_a_token_for_others_of_others_or_out_of_time_is_refused(
    provider: Provider, lying: Lying, lie: dict[str, Any]
) -> None:
    carried, answer = await begun(provider, lying)
    claims = {**lying.claims, **lie}
    lying.claims = {name: value for name, value in claims.items() if value is not None}
    assert await refused(provider, carried, answer) == "provider_not_valid"


def unsigned(claims: dict[str, Any], algorithm: str) -> str:
    parts = ({"alg": algorithm, "typ": "JWT"}, claims)
    return (
        ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts) + "."
    )


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", "RS256"])
async def test_a_token_without_a_signature_is_refused(
    provider: Provider, lying: Lying, algorithm: str
) -> None:
    carried, answer = await begun(provider, lying)
    lying.raw = unsigned(lying.claims, algorithm)
    assert await refused(provider, carried, answer) == "provider_not_valid"


async def test_a_token_signed_by_a_stranger_or_by_the_clients_secret_is_refused(
    provider: Provider, lying: Lying
) -> None:
    carried, answer = await begun(provider, lying)
    lying.key = STRANGERS_KEY
    assert await refused(provider, carried, answer) == "provider_not_valid"
    for secret in (SECRET, KEY.as_pem(private=False).decode()):
        with contextlib.suppress(ValueError):
            key = OctKey.import_key(secret)
            lying.raw = jwt.encode({"alg": "HS256"}, lying.claims, key)
            assert await refused(provider, carried, answer) == "provider_not_valid"
    for raw in ("", "a", "a.b.c", "....", "\u00e9"):
        lying.raw = raw or "."
        assert await refused(provider, carried, answer) == "provider_not_valid"


async def test_a_key_that_the_provider_has_changed_is_asked_for(provider: Provider, lying: Lying) -> None:
    carried, answer = await begun(provider, lying)
    await provider.finish(carried, answer, RETURN)
    lying.key = RSAKey.generate_key(2048, {"kid": "two"})
    lying.header, lying.published = {"alg": "RS256", "kid": "two"}, [lying.key]
    carried, answer = await begun(provider, lying)
    assert await refused(provider, carried, answer) == "provider_not_valid", "not asked again at once"
    provider._keys_fetched_s -= 60
    carried, answer = await begun(provider, lying)
    assert (await provider.finish(carried, answer, RETURN)).subject == "1234"


async def test_an_answer_to_no_sign_in_of_this_browser_is_refused(provider: Provider, lying: Lying) -> None:
    carried, answer = await begun(provider, lying)
    another, _ = await begun(provider, lying)
    for cookie, state in (
        (carried, "guess"),
        (carried, ""),
        (another, answer["state"]),
        ("", answer["state"]),
        ("forged", answer["state"]),
    ):
        assert await refused(provider, cookie, {**answer, "state": state}) == "state_not_valid"
    assert lying.asked == [], "the code was given to nobody"


async def test_an_answer_that_comes_too_late_is_refused(lying: Lying, tmp_path: Path) -> None:
    now = time.time()
    slow = Provider(settings(lying), AccountKey(tmp_path), lambda: now)
    carried, answer = await begun(slow, lying)
    now += 601
    assert await refused(slow, carried, answer) == "state_not_valid"


async def test_an_answer_of_another_provider_is_refused(provider: Provider, lying: Lying) -> None:
    carried, answer = await begun(provider, lying)
    mixed = {**answer, "iss": "https://evil.example"}
    assert await refused(provider, carried, mixed) == "provider_not_valid"
    assert await refused(provider, carried, {"state": answer["state"], "error": "access_denied"}) == (
        "provider_refused"
    )
    assert lying.asked == []


async def test_what_is_told_of_another_person_does_not_count(provider: Provider, lying: Lying) -> None:
    carried, answer = await begun(provider, lying)
    del lying.claims["groups"]
    lying.userinfo = {"sub": "another", "groups": ["ops"]}
    assert await refused(provider, carried, answer) == "provider_not_valid"
    lying.userinfo = {"sub": "1234", "groups": "ops"}
    carried, answer = await begun(provider, lying)
    del lying.claims["groups"]
    assert (await provider.finish(carried, answer, RETURN)).rights.role.label == "operator"


@pytest.mark.parametrize(
    "lie",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://evil.example/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"token_endpoint": 1},
    ],
    ids=str,
)
async def test_a_provider_that_describes_itself_wrongly_is_not_used(
    provider: Provider, lying: Lying, lie: dict[str, Any]
) -> None:
    lying.metadata = lie
    with pytest.raises(ProblemError, match="cannot reach the OpenID provider"):
        await provider.begin(RETURN)


@pytest.mark.parametrize("url", ["http://idp.example", "ftp://127.0.0.1", "idp.example", "", "https://"])
def test_a_provider_is_asked_by_tls_unless_it_is_on_this_machine(url: str) -> None:
    with pytest.raises(ValueError, match="https URL expected"):
        check_url(url)
    check_url("https://idp.example")
    check_url("http://127.0.0.1:9000/realm")


# --- through the hub


@pytest.fixture
async def hub(lying: Lying, tmp_path: Path) -> AsyncIterator[RunningHub]:
    async with running_hub(tmp_path, oidc=settings(lying, name="Owls")) as running:
        yield running


async def come_back(
    hub: RunningHub, lying: Lying, browser: httpx.AsyncClient, **claims: Any
) -> httpx.Response:
    """The answer to the provider's honest answer."""
    answer = await browser.get("/api/oidc/start")
    assert answer.status_code == 303
    asked = {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()}
    now = int(time.time())
    lying.claims = {"iss": lying.issuer, "aud": "tukur", "sub": "1234", "iat": now, "exp": now + 300}
    lying.claims |= {"nonce": asked["nonce"], "preferred_username": "ada", "groups": ["ops"], **claims}
    return await browser.get("/api/oidc/return", params={"state": asked["state"], "code": "a code"})


async def test_the_state_comes_back_across_sites_and_the_session_goes_nowhere_else(
    hub: RunningHub, lying: Lying
) -> None:
    async with hub.client() as browser:
        assert (await browser.get("/api/sign-in")).json() == {"provider": "Owls"}
        carried = (await browser.get("/api/oidc/start")).headers["set-cookie"].lower()
        assert all(flag in carried for flag in ("httponly", "samesite=lax", "path=/api/oidc", "max-age=600"))
        answer = await come_back(hub, lying, browser)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in")
        session = next(c for c in answer.headers.get_list("set-cookie") if c.startswith(COOKIE))
        assert "samesite=strict" in session.lower()
        assert FLOW_COOKIE not in browser.cookies
        told = (await browser.get("/api/session")).json()
        assert (told["user"], told["role"]) == ("ada", "operator")
        assert told["expires_ms"] < (time.time() + 13 * 3600) * 1000
        again = await browser.put("/api/account/password", json={"new": "x"}, headers={"Origin": hub.url})
        assert (again.status_code, again.json()["code"]) == (409, "provider_user")


async def test_behind_a_path_the_provider_sends_the_browser_back_there(lying: Lying, tmp_path: Path) -> None:
    async with (
        running_hub(tmp_path, oidc=settings(lying), base_path="/tukur") as hub,
        hub.client() as browser,
    ):
        begun = await browser.get("/tukur/api/oidc/start")
        asked = parse_qs(urlsplit(begun.headers["Location"]).query)
        assert asked["redirect_uri"] == [f"{hub.url}/tukur/api/oidc/return"]
        assert "path=/tukur/api/oidc" in begun.headers["set-cookie"].lower()
        failed = await browser.get("/tukur/api/oidc/return", params={"state": "another", "code": "a code"})
        assert failed.headers["Location"] == "/tukur/sign-in?refused=state_not_valid"
        assert FLOW_COOKIE not in browser.cookies


async def test_the_same_answer_twice_lets_nobody_in(hub: RunningHub, lying: Lying) -> None:
    async with hub.client() as browser, hub.client() as thief:
        answer = await come_back(hub, lying, browser)
        for client in (browser, thief):
            again = await client.get(answer.request.url.raw_path.decode())
            assert again.headers["Location"] == "/sign-in?refused=state_not_valid"
        assert (await thief.get("/api/session")).status_code == 401


async def test_rights_are_what_the_provider_says_at_each_sign_in(hub: RunningHub, lying: Lying) -> None:
    async with hub.client() as browser:
        await come_back(hub, lying, browser)
        await come_back(hub, lying, browser, groups=["web"], preferred_username="renamed")
        told = (await browser.get("/api/session")).json()
        assert (told["user"], told["role"], told["grants"]) == ("ada", "none", {"web": "viewer"})
        answer = await come_back(hub, lying, browser, groups=["tea"])
        assert answer.headers["Location"] == "/sign-in?refused=no_role"


async def test_nobody_becomes_a_user_without_a_role_nor_one_that_is_there_already(
    hub: RunningHub, lying: Lying
) -> None:
    await hub.parts.auth.new_link("admin")
    async with hub.client() as browser:
        for claims, code in (
            ({"groups": []}, "no_role"),
            ({"groups": None}, "no_role"),
            ({"preferred_username": "admin"}, "user_known"),
            ({"preferred_username": "ADMIN"}, "user_known"),
            ({"preferred_username": "local:root", "sub": "a b"}, "bad_name"),
        ):
            answer = await come_back(hub, lying, browser, **claims)
            assert answer.headers["Location"] == f"/sign-in?refused={code}", claims
        assert (await browser.get("/api/session")).status_code == 401
    assert [row.name for row in await hub.parts.users.users()] == ["admin"]


async def test_a_disabled_user_is_not_let_in_by_the_provider(hub: RunningHub, lying: Lying) -> None:
    async with hub.client() as browser:
        await come_back(hub, lying, browser)
        await hub.parts.store.control.users.change("ada", {"disabled": True})
        answer = await come_back(hub, lying, browser)
        assert answer.headers["Location"] == "/sign-in?refused=user_disabled"
        assert (await browser.get("/api/session")).status_code == 401


async def test_without_a_provider_there_is_none(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as plain, plain.client() as browser:
        assert (await browser.get("/api/sign-in")).json() == {"provider": None}
        for path in ("start", "return?code=x&state=y"):
            answer = await browser.get(f"/api/oidc/{path}")
            assert answer.headers["Location"] == "/sign-in?refused=provider_unknown"
