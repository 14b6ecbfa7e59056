"""What holds for the whole page: accessibility, its security policy, the API's description."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser._parts import open_dialog, type_filter
from tests.browser.conftest import listen
from tests.support.running import Up

AXE = Path(__file__).resolve().parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"


def violations(page: Page) -> list[str]:
    """What axe-core finds that is serious or critical: rule, and the first elements."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found: dict[str, Any] = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{each['id']}: {[(node['html'][:160], node['failureSummary'][:300]) for node in each['nodes'][:3]]}"
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("path", ["/", "/over-time"])
def test_axe_finds_nothing_serious(context: BrowserContext, up: Up, path: str, scheme: str) -> None:
    page = context.new_page()
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(up.url + path)
    page.wait_for_selector("[role=row][data-pid]", timeout=20_000)
    assert violations(page) == []
    type_filter(page, "pid:1")
    open_dialog(page, 1)
    assert violations(page) == []
    page.close()


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("path", ["/users", "/account"])
def test_axe_finds_nothing_serious_about_users(
    context: BrowserContext, up: Up, path: str, scheme: str
) -> None:
    page = context.new_page()
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(up.url + path)
    page.wait_for_selector("td", timeout=20_000)
    assert violations(page) == []
    page.close()


def test_axe_finds_nothing_serious_on_the_sign_in_page(browser: Browser, up: Up) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(up.url)
        page.wait_for_url("**/sign-in")
        assert violations(page) == []


def test_the_theme_is_toggled_and_remembered(live: Page) -> None:
    def background() -> str:
        return str(live.evaluate("() => getComputedStyle(document.body).backgroundColor"))

    dark = background()
    live.get_by_role("button", name="Light theme").click()
    light = background()
    assert light != dark
    live.reload()
    assert background() == light
    live.get_by_role("button", name="Dark theme").click()
    assert background() == dark


def test_no_style_or_script_lies_in_the_html(live: Page, up: Up) -> None:
    for path in ("/", "/api/docs"):
        html = live.request.get(up.url + path).text()
        assert "<style" not in html
        assert " style=" not in html
        assert "<script>" not in html


def test_help_opens_by_the_question_mark(live: Page) -> None:
    live.keyboard.press("?")
    expect(live.get_by_role("dialog")).to_contain_text("filter the table")
    live.keyboard.press("Escape")
    expect(live.get_by_role("dialog")).to_have_count(0)


def test_the_source_says_what_it_cannot_see(live: Page) -> None:
    live.get_by_role("button", name="host and source details").click()
    expect(live.get_by_text("Blind spots")).to_be_visible()
    expect(live.get_by_text("Missed samples")).to_be_visible()


def test_the_api_describes_itself_under_the_same_policy(
    context: BrowserContext, up: Up, complaints: list[str]
) -> None:
    page = context.new_page()
    listen(page, complaints)
    page.goto(f"{up.url}/api/docs")
    expect(page.get_by_role("heading", name="tukur")).to_be_visible()
    expect(page.get_by_text("Send a signal to a process or a set of them")).to_be_visible()
    page.get_by_text("Send a signal to a process or a set of them").click()
    expect(page.get_by_text("The process is named by its whole key")).to_be_visible()
    page.close()
    assert complaints == []
