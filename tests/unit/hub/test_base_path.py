"""A hub behind a path: the same with and without the prefix, and nothing of it points outside."""

from pathlib import Path

import msgspec
import pytest
from websockets.asyncio.client import connect

from tests.support.hub import HOST, agent, running_hub
from tukur.hub.api.routes.pages import VIEWS, WEB
from tukur.hub.auth.rights import RIGHTS
from tukur.hub.auth.second_factor import otpauth_uri
from tukur.hub.base_path import OWN

BASE = "/tools/tukur"
pytestmark = pytest.mark.asyncio


async def test_every_path_of_the_hub_is_known_as_its_own() -> None:
    paths = [path for _, path in RIGHTS] + list(VIEWS)
    found = {path.split("/")[1] for path in paths if path.split("/")[1]} - {"{file_path}"}
    assert found | {entry.name for entry in WEB.iterdir()} == OWN


async def test_the_prefix_may_come_or_be_stripped(tmp_path: Path) -> None:
    async with running_hub(tmp_path, base_path=BASE) as hub, await hub.bearer("viewer") as client:
        for path in ("/", "/over-time", "/healthz", "/theme.js", "/api/hosts", "/api/openapi.json"):
            stripped, passed = await client.get(path), await client.get(BASE + path)
            assert stripped.status_code == passed.status_code == 200, path
            assert stripped.headers.get("etag") == passed.headers.get("etag")
            assert stripped.headers.get("cache-control") == passed.headers.get("cache-control")
        assert (await client.get(BASE)).content == (await client.get("/")).content
        assert (await client.get(f"{BASE}{BASE}/api/hosts")).status_code == 404
        assert (await client.get(f"{BASE}s/api/hosts")).status_code == 404
        assert (await client.get("/tools/%74ukur/api/hosts")).status_code == 200


async def test_a_live_connection_may_come_with_the_prefix(tmp_path: Path) -> None:
    async with running_hub(tmp_path, base_path=BASE) as hub, agent(hub):
        bearer = {"Authorization": f"Bearer {await hub.token('viewer')}"}
        for prefix in ("", BASE):
            path = hub.socket(f"{prefix}/api/live/{HOST}")
            async with connect(path, additional_headers=bearer, proxy=None) as watching:
                assert msgspec.json.decode(await watching.recv())["online"] is True


async def test_the_page_finds_its_files_and_itself_under_the_path(tmp_path: Path) -> None:
    async with running_hub(tmp_path, base_path=BASE) as hub, hub.client() as client:
        for path in ("/over-time", "/docs.html"):
            text = (await client.get(path)).text
            assert f'name="tukur-base" content="{BASE}/"' in text
            assert f'src="{BASE}/assets/' in text
            assert '="./' not in text
        again = await client.get("/", headers={"If-None-Match": (await client.get("/")).headers["etag"]})
        assert again.status_code == 304


async def test_a_page_of_another_path_has_another_etag(tmp_path: Path) -> None:
    tags = set()
    for number, base in enumerate(("", BASE)):
        async with running_hub(tmp_path / str(number), base_path=base) as hub, hub.client() as client:
            tags.add((await client.get("/")).headers["etag"])
    assert len(tags) == 2


async def test_links_and_the_description_of_the_api_have_the_path(tmp_path: Path) -> None:
    async with running_hub(tmp_path, base_path=BASE) as hub, await hub.bearer("admin") as client:
        document = (await client.get("/api/openapi.json")).json()
        assert document["servers"] == [{"url": BASE}]
        invited = await client.post("/api/users", json={"name": "ada", "role": "viewer"})
        assert invited.json()["link"].startswith(f"{BASE}/sign-in#token=")


async def test_two_hubs_of_one_origin_keep_their_sessions_apart(tmp_path: Path) -> None:
    names = set()
    for number, base in enumerate(("", "/tukur", "/tools/tukur")):
        async with (
            running_hub(tmp_path / str(number), base_path=base) as hub,
            await hub.signed_in() as browser,
        ):
            (session,) = [cookie for cookie in browser.cookies.jar if "session" in cookie.name]
            (device,) = [cookie for cookie in browser.cookies.jar if "device" in cookie.name]
            assert (session.path, device.path) == ("/", f"{base}/")
            names.add(session.name)
            assert (await browser.get(f"{base}/api/session")).status_code == 200
            assert (await browser.delete(f"{base}/api/session")).status_code == 204
    assert len(names) == 3


async def test_an_authenticator_tells_the_hubs_of_one_origin_apart(tmp_path: Path) -> None:
    async with running_hub(tmp_path, base_path=BASE) as hub, await hub.signed_in() as browser:
        begun = (await browser.post("/api/account/second-factor")).json()
        site = f"127.0.0.1:{hub.port}{BASE}"
        assert begun["uri"] == otpauth_uri("a admin", site, begun["secret"])
