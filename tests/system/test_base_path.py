"""A hub that a reverse proxy serves under a path beside another application: every client of it, for real."""

import contextlib
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.support.certificates import make_authority, sign
from tests.support.reverse_proxy import NEIGHBOUR, ReverseProxy, reverse_proxy
from tests.support.running import TUKUR, Up, running, tukur
from tests.support.waiting import eventually
from tukur.agent.joining.identity import JoinedFile
from tukur.cli.errors import Exit

BASE = "/tools/tukur"


@dataclass(frozen=True, slots=True)
class Site:
    """One hub, behind two proxies: one strips the path, the other passes it on."""

    up: Up
    trust: ssl.SSLContext
    stripping: ReverseProxy
    passing: ReverseProxy
    session: httpx.Cookies

    def client(self, proxy: ReverseProxy) -> httpx.Client:
        """A browser that has signed in, with the origin that it would send."""
        headers = {"Origin": proxy.origin}
        return httpx.Client(
            base_url=proxy.url, headers=headers, verify=self.trust, cookies=self.session, timeout=20
        )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("path")
    authority = make_authority(folder)
    certificate, key = sign(folder, "proxy", "IP:127.0.0.1,DNS:localhost")
    options = ("--behind-proxy", str(certificate), "--tls-ca", str(authority), "--base-path", f"{BASE}/")
    with (
        running(folder / "hub", *options) as up,
        reverse_proxy(up.port, certificate, key, path=BASE, strip=True) as stripping,
        reverse_proxy(up.port, certificate, key, path=BASE, strip=False) as passing,
    ):
        trust = ssl.create_default_context(cafile=authority)
        with httpx.Client(verify=trust, headers={"Origin": stripping.origin}) as browser:
            link = {"token": up.link.partition("token=")[2]}
            answer = browser.post(f"{stripping.url}/api/session", json=link)
            assert answer.status_code == 201, answer.text
        yield Site(up, trust, stripping, passing, browser.cookies)
        assert stripping.neighbour_asked == passing.neighbour_asked == ["/"]


@pytest.fixture(params=["stripping", "passing"])
def proxy(site: Site, request: pytest.FixtureRequest) -> ReverseProxy:
    found: ReverseProxy = getattr(site, request.param)
    return found


def test_an_agent_joins_through_the_path_and_is_watched_live(
    site: Site, proxy: ReverseProxy, tmp_path: Path
) -> None:
    token = tukur("join-token", "create", "--data", str(site.up.data)).stdout.strip()
    name = "stripped" if proxy.strip else "passed"
    words = ("--data", str(tmp_path), "--hostname", name)
    joined = tukur("agent", "join", f"{proxy.url}/", token, *words)
    assert joined.returncode == 0, joined.stderr
    assert JoinedFile(tmp_path).load().hub == proxy.url
    agent = subprocess.Popen([*TUKUR, "agent", "run", "--data", str(tmp_path)], stderr=subprocess.DEVNULL)
    try:
        with contextlib.closing(site.client(proxy)) as client:

            def online() -> str | None:
                hosts = client.get("/api/hosts").json()["hosts"]
                return next((h["host_id"] for h in hosts if h["name"] == name and h["online"]), None)

            host_id = eventually(online, 20, "the host is online through the proxy")
            cookie = "; ".join(f"{one.name}={one.value}" for one in client.cookies.jar)
            with connect(
                f"{proxy.url.replace('https', 'wss', 1)}/api/live/{host_id}",
                origin=Origin(proxy.origin),
                additional_headers={"Cookie": cookie},
                ssl=site.trust,
                proxy=None,
            ) as watching:
                eventually(lambda: isinstance(watching.recv(10), bytes), 20, "a live frame comes")
    finally:
        agent.terminate()
        assert agent.wait(15) == 0
    prefix = "" if proxy.strip else BASE
    assert {f"{prefix}/ca.pem", f"{prefix}/agent"} <= set(proxy.passed_on)


def test_cookies_keep_the_promise_of_their_prefix_and_the_address_of_the_client_is_its_own(
    site: Site, proxy: ReverseProxy
) -> None:
    with contextlib.closing(site.client(proxy)) as client:
        (session,) = [cookie for cookie in client.cookies.jar if "session" in cookie.name]
        assert session.name == "__Host-tukur_session_tools_tukur"
        assert (session.path, session.secure) == ("/", True)
        sessions = client.get("/api/account").json()["sessions"]
        assert [one["address"] for one in sessions if one["current"]] == ["192.0.2.33"]
        assert client.get("/api/openapi.json").json()["servers"] == [{"url": BASE}]


def test_links_name_the_path_and_errors_are_the_hubs_own(site: Site, proxy: ReverseProxy) -> None:
    assert site.up.link.startswith(f"https://localhost{BASE}/sign-in#token=")
    with httpx.Client(base_url=proxy.url, verify=site.trust) as client:
        missing = client.get("/no-such-page")
        assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
        assert client.get("/api/hosts").json()["code"] == "sign_in_needed"
        foreign = client.post("/api/session", json={"token": "x"}, headers={"Origin": "https://evil.example"})
        assert foreign.json()["code"] == "origin_not_allowed"


def test_the_other_application_of_the_origin_is_left_alone(site: Site, proxy: ReverseProxy) -> None:
    answer = httpx.get(f"{proxy.origin}/", verify=site.trust)
    assert answer.text == NEIGHBOUR


@pytest.mark.parametrize("given", ["tukur", "//evil.example", "/a/../b", "/tukur?x=1", "/api/tukur"])
def test_a_path_that_is_none_ends_the_start_with_one_line(given: str, tmp_path: Path) -> None:
    done = tukur("hub", "--data", str(tmp_path), "--port", "9", "--base-path", given)
    assert done.returncode == Exit.USAGE
    (line,) = done.stderr.splitlines()
    assert f"--base-path '{given}'" in line
    assert "expected" in line
