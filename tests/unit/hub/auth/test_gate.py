"""Who gets in where: every route of the running hub, asked by everybody."""

import re
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.support.certificates import make_authority, sign
from tests.support.hub import HOST, RunningHub, running_hub
from tukur.hub.app import create_app
from tukur.hub.auth.gate import COOKIE, check_rights
from tukur.hub.auth.rights import RIGHTS
from tukur.hub.tls.settings import TlsSettings

pytestmark = pytest.mark.asyncio(loop_scope="module")

PUBLIC = {
    ("GET", "/"),
    ("GET", "/{file_path}"),
    ("GET", "/api/docs"),
    ("GET", "/healthz"),
    ("GET", "/ca.pem"),
    ("GET", "/install.sh"),
    ("GET", "/install/{name}"),
    ("POST", "/api/session"),
    ("GET", "/api/sign-in"),
    ("GET", "/api/oidc/start"),
    ("GET", "/api/oidc/return"),
    ("WEBSOCKET", "/agent"),
}
"""Written out once more on purpose: a route must not become public by a slip in one file."""

VALUES = {
    "host_id": HOST,
    "boot_id": HOST,
    "pid": "1",
    "start_ns": "1",
    "order_id": "none",
    "file_path": "sign-in",
    "session_id": "none",
    "name": "nobody",
}
BODIES = {
    "/api/session": {"token": "x"},
    "/api/users": {"name": "not a name"},
    "/api/account/password": {"new": "x"},
    "/api/account/second-factor": {"code": "x"},
    "/api/account/second-factor/off": {"code": "x"},
}
ORDER = {"boot_id": HOST, "pid": 10, "start_ns": "1", "signal": "TERM"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningHub]:
    async with running_hub(tmp_path_factory.mktemp("gate"), allowed_hosts=("owl.example",)) as running:
        yield running


def routes(hub: RunningHub) -> set[tuple[str, str]]:
    """Of the application as it was built, whatever the table of rights says."""
    found = set()
    for route in create_app(hub.parts).routes:
        path = re.sub(r"{(\w+):\w+}", r"{\1}", route.path)
        methods = getattr(route, "methods", None) or {"WEBSOCKET"}
        found |= {(str(method), path) for method in methods if method != "OPTIONS"}
    return found


def filled(path: str) -> str:
    return re.sub(r"{(\w+)}", lambda found: VALUES[found[1]], path)


async def ask(client: httpx.AsyncClient, method: str, path: str, **options: Any) -> httpx.Response:
    if method in ("POST", "PUT"):
        options = {"json": ORDER if path.endswith("/orders") else BODIES.get(path, {}), **options}
    return await client.request(method, filled(path), **options)


async def refusal(url: str, **headers: str) -> int:
    """The HTTP status with which a WebSocket is refused."""
    with pytest.raises(InvalidStatus) as raised:
        async with connect(url, additional_headers=headers, proxy=None):
            pass
    return int(raised.value.response.status_code)


async def test_without_signing_in_only_the_public_routes_answer(hub: RunningHub) -> None:
    asked = routes(hub)
    assert len(asked) >= 19
    async with hub.client() as nobody:
        for method, path in asked:
            if method == "WEBSOCKET":
                if (method, path) not in PUBLIC:
                    assert await refusal(hub.socket(filled(path))) == 403, path
                continue
            answer = await ask(nobody, method, path)
            if (method, path) in PUBLIC:
                assert answer.json()["code"] == "link_not_valid" if method == "POST" else True
                assert answer.status_code != 403
            else:
                assert answer.status_code == 401, (method, path)
                assert answer.json()["code"] == "sign_in_needed"


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer tukur_guess"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic YWRtaW46YWRtaW4="},
        {"Cookie": f"{COOKIE}=guess"},
        {"Cookie": f"{COOKIE}="},
    ],
)
async def test_a_guessed_secret_is_nobody(hub: RunningHub, headers: dict[str, str]) -> None:
    async with hub.client(**headers) as nobody:
        assert (await nobody.get("/api/hosts")).status_code == 401


async def test_the_page_holds_no_data_and_no_file_outside_of_it_is_given(hub: RunningHub) -> None:
    async with hub.client() as nobody:
        for path in (
            "/..%2f..%2fapp.py",
            "/%2e%2e/settings.py",
            "/assets/..%2f..%2f..%2fapp.py",
            "//etc/passwd",
        ):
            answer = await nobody.get(path)
            assert answer.status_code in (404, 503), path
            assert "import" not in answer.text


LEAST = {
    ("POST", "/api/hosts/{host_id}/orders"): "operator",
    ("POST", "/api/orders/{order_id}/decision"): "operator",
    ("POST", "/api/hosts/{host_id}/revoke"): "admin",
    ("POST", "/api/hosts/{host_id}/release"): "admin",
    ("PATCH", "/api/hosts/{host_id}"): "admin",
    ("GET", "/api/users"): "admin",
    ("POST", "/api/users"): "admin",
    ("PATCH", "/api/users/{name}"): "admin",
    ("DELETE", "/api/users/{name}"): "admin",
    ("POST", "/api/users/{name}/reset"): "admin",
    ("DELETE", "/api/users/{name}/sessions"): "admin",
    ("GET", "/api/audit"): "admin",
    ("GET", "/api/audit/export"): "admin",
}
"""What a viewer may not, written down a second time."""
ROLES = ["viewer", "operator", "admin"]


@pytest.mark.parametrize("role", ROLES)
async def test_each_role_reaches_what_it_may_and_nothing_else(hub: RunningHub, role: str) -> None:
    async with await hub.bearer(role, f"gate every {role}") as somebody:
        for method, path in routes(hub):
            if method == "WEBSOCKET" or path == "/api/session":
                continue
            answer = await ask(somebody, method, path)
            least = LEAST.get((method, path), "viewer")
            if ROLES.index(role) < ROLES.index(least):
                assert (answer.status_code, answer.json()["code"]) == (403, "role_too_low"), (method, path)
                assert f"{least} is required" in answer.json()["detail"]
            elif path.startswith("/api/account"):
                assert (answer.status_code, answer.json()["code"]) == (403, "session_needed"), (method, path)
            else:
                assert answer.status_code not in (401, 403, 500), (method, path)


@pytest.mark.parametrize("role", ["operator", "admin"])
async def test_operators_and_admins_may_order(hub: RunningHub, role: str) -> None:
    async with await hub.bearer(role, f"gate {role}") as operator:
        answer = await operator.post(f"/api/hosts/{HOST}/orders", json=ORDER)
        assert (answer.status_code, answer.json()["code"]) == (409, "host_offline")


async def test_a_revoked_token_is_nobody_at_once(hub: RunningHub) -> None:
    async with await hub.bearer("viewer", "short") as viewer:
        assert (await viewer.get("/api/hosts")).status_code == 200
        assert await hub.parts.auth.revoke_token("short")
        assert (await viewer.get("/api/hosts")).status_code == 401


# --- signing in and out


async def test_a_link_gives_a_cookie_that_scripts_and_other_sites_cannot_use(hub: RunningHub) -> None:
    link = await hub.parts.auth.new_link()
    async with hub.client() as browser:
        answer = await browser.post("/api/session", json={"token": link})
        assert answer.status_code == 201
        assert answer.json()["role"] == "admin"
        flags = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")[1:]}
        assert {"httponly", "samesite=strict", "path=/"} <= flags
        assert link not in answer.text + answer.headers["set-cookie"]
        assert (await browser.get("/api/session")).json() == answer.json()
        again = await browser.post("/api/session", json={"token": link}, headers={"Origin": hub.url})
        assert (again.status_code, again.json()["code"]) == (401, "link_not_valid")


async def test_signing_out_ends_the_session_itself_and_not_just_the_cookie(hub: RunningHub) -> None:
    async with await hub.signed_in() as browser:
        cookie = browser.cookies[COOKIE]
        assert (await browser.delete("/api/session")).status_code == 204
        assert COOKIE not in browser.cookies
        answer = await browser.get("/api/hosts", headers={"Cookie": f"{COOKIE}={cookie}"})
        assert answer.status_code == 401


async def test_guessing_links_is_braked_and_the_brake_says_how_long(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as own, own.client() as guesser:
        link = await own.parts.auth.new_link()
        for _ in range(10):
            answer = await guesser.post("/api/session", json={"token": "guess"})
            assert answer.status_code == 401
        answer = await guesser.post("/api/session", json={"token": link})
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_requests")
        assert 0 < int(answer.headers["Retry-After"]) <= 61


# --- other sites


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://127.0.0.1:1",
        "http://127.0.0.1",
        "null",
        "",
        "http://[",
        "http://evil.example@127.0.0.1",
        "//",
    ],
)
async def test_another_site_cannot_act_with_this_browsers_cookie(hub: RunningHub, origin: str) -> None:
    async with await hub.signed_in() as browser:
        for method, path in (("POST", "/api/hosts/{host_id}/orders"), ("DELETE", "/api/session")):
            answer = await ask(browser, method, path, headers={"Origin": origin})
            assert (answer.status_code, answer.json()["code"]) == (403, "origin_not_allowed"), method
        socket = hub.socket(f"/api/live/{HOST}")
        cookie = f"{COOKIE}={browser.cookies[COOKIE]}"
        assert await refusal(socket, Cookie=cookie, Origin=origin) == 403
        assert (await browser.get("/api/session")).status_code == 200


async def test_a_cookie_without_an_origin_does_not_act(hub: RunningHub) -> None:
    async with await hub.signed_in() as browser:
        del browser.headers["Origin"]
        answer = await ask(browser, "POST", "/api/hosts/{host_id}/orders")
        assert (answer.status_code, answer.json()["code"]) == (403, "origin_missing")
        cookie = f"{COOKIE}={browser.cookies[COOKIE]}"
        assert await refusal(hub.socket(f"/api/live/{HOST}"), Cookie=cookie) == 403


async def test_a_bearer_token_needs_no_origin(hub: RunningHub) -> None:
    token = await hub.token("viewer", "no origin")
    headers = {"Authorization": f"Bearer {token}"}
    async with connect(hub.socket(f"/api/live/{HOST}"), additional_headers=headers, proxy=None) as socket:
        assert "status" in str(await socket.recv())
    async with await hub.bearer("operator", "no origin either") as operator:
        assert (await ask(operator, "POST", "/api/hosts/{host_id}/orders")).status_code == 409


async def test_its_own_page_may_watch(hub: RunningHub) -> None:
    async with await hub.signed_in() as browser:
        cookie = {"Cookie": f"{COOKIE}={browser.cookies[COOKIE]}", "Origin": hub.url}
        async with connect(hub.socket(f"/api/live/{HOST}"), additional_headers=cookie, proxy=None) as socket:
            assert "status" in str(await socket.recv())


# --- names and headers


@pytest.mark.parametrize("name", ["evil.example", "evil.example:8787", "127.0.0.1.evil.example", "", "[::2]"])
async def test_a_foreign_name_that_leads_here_gets_nothing(hub: RunningHub, name: str) -> None:
    async with await hub.bearer("admin", f"rebinding {name}") as admin:
        for path in ("/", "/healthz", "/api/hosts", "/nowhere"):
            answer = await admin.get(path, headers={"Host": name})
            assert answer.status_code == 421, path
            assert answer.json()["code"] == "host_not_allowed"
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        for method, path in (("POST", "/nowhere"), ("PUT", "/api/hosts"), ("OPTIONS", "/api/hosts")):
            assert (await admin.request(method, path, headers={"Host": name})).status_code == 421, method


@pytest.mark.parametrize("path", ["/agent", f"/api/live/{HOST}", "/nowhere"])
async def test_a_foreign_name_gets_no_websocket(hub: RunningHub, path: str) -> None:
    token = await hub.token("admin", f"rebinding {path}")
    url = hub.socket(path).replace("127.0.0.1", "evil.example")
    with pytest.raises(InvalidStatus) as raised:
        async with connect(
            url,
            host="127.0.0.1",
            port=hub.port,
            additional_headers={"Authorization": f"Bearer {token}"},
            proxy=None,
        ):
            pass
    assert raised.value.response.status_code == 403


@pytest.mark.parametrize(
    "name", ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:8787", "owl.example", "Owl.Example:443"]
)
async def test_its_own_names_are_answered(hub: RunningHub, name: str) -> None:
    async with hub.client(Host=name) as client:
        assert (await client.get("/healthz")).status_code == 200


@pytest.mark.parametrize("name", ['a"b', "a\\b", "\xe9", "{}"])
async def test_the_answer_to_an_odd_name_is_still_a_problem(hub: RunningHub, name: str) -> None:
    async with hub.client() as client:
        answer = await client.get("/", headers=[(b"Host", name.encode("latin-1"))])
    assert answer.status_code in (400, 421)
    if answer.status_code == 421:
        assert answer.json()["code"] == "host_not_allowed"


async def test_every_response_carries_the_sites_headers_errors_too(hub: RunningHub) -> None:
    asked = [
        ("GET", "/"),
        ("GET", "/nowhere.js"),
        ("GET", "/api/hosts"),
        ("GET", "/api/nowhere"),
        ("GET", f"/api/hosts/{HOST}/series"),
        ("GET", f"/api/hosts/{HOST}/series?from=x&to=y"),
        ("POST", "/api/session"),
        ("POST", "/nowhere"),
        ("PUT", "/api/hosts"),
        ("PATCH", "/api/nowhere"),
        ("OPTIONS", "/api/hosts"),
        ("HEAD", "/"),
    ]
    async with await hub.bearer("admin", "headers") as admin, hub.client() as nobody:
        for client in (admin, nobody):
            for method, path in asked:
                answer = await client.request(method, path)
                assert answer.status_code != 500, (method, path)
                policy = answer.headers.get("Content-Security-Policy", "")
                assert "default-src 'none'" in policy, (method, path)
                assert "frame-ancestors 'none'" in policy
                assert "unsafe-" not in policy
                assert "*" not in policy
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert answer.headers["X-Frame-Options"] == "DENY"
                assert answer.headers["Referrer-Policy"] == "no-referrer"
                assert "server" not in answer.headers
                if path.startswith("/api/"):
                    assert answer.headers["Cache-Control"] == "no-store", (method, path)


async def test_errors_are_problems_and_never_show_the_inside(hub: RunningHub) -> None:
    async with await hub.bearer("operator", "errors") as operator:
        orders = f"/api/hosts/{HOST}/orders"
        for method, path, options, status in (
            ("GET", "/api/nowhere", {}, 404),
            ("PUT", "/api/hosts", {}, 405),
            ("POST", "/nowhere", {}, 405),
            ("POST", orders, {"content": b"{"}, 400),
            ("POST", orders, {"content": b"\xff\xfe"}, 400),
            ("POST", orders, {"json": {**ORDER, "pid": 0}}, 400),
            ("POST", orders, {"json": {**ORDER, "signal": "SEGV"}}, 400),
            ("POST", orders, {"json": {**ORDER, "start_ns": "-1"}}, 400),
            ("POST", orders, {"json": {**ORDER, "more": 1}}, 400),
            ("POST", orders, {"json": {}}, 400),
            ("POST", orders, {"content": b"x" * 100_000}, 413),
            ("POST", "/api/session", {"json": {"token": "x" * 1000}}, 400),
        ):
            answer = await operator.request(method, path, **options)
            assert answer.status_code == status, (method, path, options, answer.text)
            problem = answer.json()
            assert set(problem) == {"code", "detail"}, problem
            assert problem["detail"]
            assert "Traceback" not in answer.text
            assert "/tukur/" not in answer.text


async def test_a_route_that_is_not_in_the_table_of_rights_does_not_start(hub: RunningHub) -> None:
    listed = list(create_app(hub.parts).routes)
    check_rights(listed)
    with pytest.raises(RuntimeError, match="routes and rights differ"):
        check_rights(listed[1:])
    assert {key for key, role in RIGHTS.items() if role is None} == PUBLIC


async def test_by_a_given_certificate_browsers_are_told_to_come_by_tls_only(tmp_path: Path) -> None:
    make_authority(tmp_path)
    certificate, key = sign(tmp_path, "hub", "IP:127.0.0.1")
    given = {
        "given": TlsSettings(certificate=certificate, key=key),
        "proxied": TlsSettings(proxy_certificate=certificate),
        "own": TlsSettings(own_authority=True),
        "plain": TlsSettings(),
    }
    for name, tls in given.items():
        async with running_hub(tmp_path / name, tls=tls) as hub:
            context = ssl.create_default_context(cafile=tmp_path / "ca.pem")
            if tls.own_authority:
                context.load_verify_locations(tmp_path / name / "tls" / "ca.pem")
            async with httpx.AsyncClient(base_url=hub.url, verify=context) as client:
                told = (await client.get("/healthz")).headers.get("strict-transport-security", "")
        assert told == ("max-age=31536000" if name in ("given", "proxied") else ""), name
