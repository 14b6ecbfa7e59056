"""HEAD and conditional requests, over a real hub."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.hub import HOST, RunningHub, running_hub
from tukur.hub.api.revalidation import matches

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningHub]:
    async with running_hub(tmp_path_factory.mktemp("hub")) as running:
        yield running


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/api/docs", "/api/hosts", f"/api/hosts/{HOST}", "/api/nowhere"]
)
async def test_head_answers_as_get_does_and_sends_no_body(hub: RunningHub, path: str) -> None:
    async with await hub.bearer("viewer", f"head {path}") as viewer:
        got, head = await viewer.get(path), await viewer.head(path)
        assert (head.status_code, head.content) == (got.status_code, b"")
        for name in ("content-type", "content-security-policy", "etag", "cache-control"):
            assert head.headers.get(name) == got.headers.get(name), name


async def test_head_of_what_needs_a_sign_in_is_refused_like_get(hub: RunningHub) -> None:
    async with hub.client() as stranger:
        assert (await stranger.head("/api/hosts")).status_code == 401


async def test_a_page_that_the_browser_has_is_not_sent_again(hub: RunningHub) -> None:
    async with hub.client() as browser:
        first = await browser.get("/")
        assert first.status_code == 200
        assert first.headers["content-type"] == "text/html; charset=utf-8"
        again = await browser.get("/", headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
        assert "default-src 'none'" in again.headers["Content-Security-Policy"]
        other = await browser.get("/", headers={"If-None-Match": '"another"'})
        assert (other.status_code, other.content) == (200, first.content)


@pytest.mark.parametrize(
    ("known", "tag", "expected"),
    [
        ("", '"a"', False),
        ('"a"', "", False),
        ('"a"', '"a"', True),
        ('W/"a"', '"a"', True),
        ('"b", W/"a"', 'W/"a"', True),
        ('"ab"', '"a"', False),
        ("*", '"a"', True),
    ],
)
async def test_tags_are_compared_whole(known: str, tag: str, expected: bool) -> None:
    assert matches(known, tag) is expected
