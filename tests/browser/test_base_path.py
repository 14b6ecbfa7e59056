"""The page under a path of an origin that another application has too."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import listen, new_link
from tests.support.certificates import make_authority, sign
from tests.support.reverse_proxy import ReverseProxy, reverse_proxy
from tests.support.running import Up, running

BASE = "/tukur"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Up, dict[str, ReverseProxy]]]:
    """A hub behind two proxies: one strips the path, the other passes it on."""
    folder: Path = tmp_path_factory.mktemp("path")
    make_authority(folder)
    certificate, key = sign(folder, "proxy", "IP:127.0.0.1")
    with (
        running(folder / "data", "--behind-proxy", str(certificate), "--base-path", BASE) as up,
        reverse_proxy(up.port, certificate, key, path=BASE, strip=True) as stripping,
        reverse_proxy(up.port, certificate, key, path=BASE, strip=False) as passing,
    ):
        yield up, {"strips": stripping, "passes on": passing}


@pytest.mark.parametrize("what_it_does", ["strips", "passes on"])
def test_everything_that_a_person_does_stays_within_the_path(
    site: tuple[Up, dict[str, ReverseProxy]], browser: Browser, what_it_does: str
) -> None:
    up, proxies = site
    proxy, complaints = proxies[what_it_does], list[str]()
    context = browser.new_context(ignore_https_errors=True)
    page = context.new_page()
    listen(page, complaints)
    # A hub behind a proxy cannot know the proxy's port.
    page.goto(new_link(up).replace(f"https://127.0.0.1{BASE}", proxy.url))
    page.wait_for_selector("main[data-state=live] [role=row][data-pid]", timeout=15_000)
    assert page.url.partition("?")[0] == f"{proxy.url}/"
    _visit_the_pages(page, proxy.url)
    if proxy.strip:
        _invite(page, proxy.url)
    page.goto(f"{proxy.url}/over-time")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in to tukur")).to_be_visible()
    assert page.url == f"{proxy.url}/sign-in"
    context.close()
    # Without a sign-in the page asks once more whether there is one.
    assert [text for text in complaints if "401" not in text] == []
    assert [path for path in proxy.neighbour_asked if path != "/favicon.ico"] == []


def _visit_the_pages(page: Page, url: str) -> None:
    for name, path in (("Over time", "/over-time"), ("Users", "/users"), ("Audit", "/audit")):
        page.get_by_role("link", name=name, exact=True).click()
        page.wait_for_url(f"{url}{path}*")
    page.go_back()
    page.wait_for_url(f"{url}/users*")
    page.reload()
    expect(page.get_by_role("heading", name="Users")).to_be_visible()
    page.get_by_role("link", name="API", exact=True).click()
    page.wait_for_url(f"{url}/api/docs")
    expect(page.locator(".servers option")).to_have_text(BASE)


def _invite(page: Page, url: str) -> None:
    page.goto(f"{url}/users")
    page.get_by_label("Name").fill("ada")
    page.get_by_role("button", name="Add").click()
    link = page.locator(".invitation .link")
    expect(link).to_contain_text(f"{url}/sign-in#token=")
    # The link works, in a browser that nobody has used.
    other = page.context.browser
    assert other is not None
    guest = other.new_context(ignore_https_errors=True)
    visit = guest.new_page()
    visit.goto((link.text_content() or "").strip())
    expect(visit.get_by_title("Signed in as ada (viewer)")).to_be_visible()
    visit.get_by_role("link", name="Set one").click()
    visit.wait_for_url(f"{url}/account*")
    guest.close()
