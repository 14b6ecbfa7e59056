"""The table in groups, of processes in real cgroups."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser._parts import KEEP_OFF, row, type_filter, until
from tests.browser.conftest import BUSY, IDLE, Spawn
from tests.browser.test_page import violations
from tests.support.cgroups import cgroups
from tests.support.running import Up

CONTAINER = "0123456789abcdef" * 4
Place = Callable[[str, int], None]


@pytest.fixture
def place(spawn: Spawn) -> Iterator[Place]:
    """Puts a process into a cgroup of the real v2 hierarchy, which is removed after the test."""
    with cgroups() as made:
        yield made.place


def group(page: Page, name: str) -> Locator:
    return page.locator(f'[role=row][data-group="{name}"]')


def fold_by(page: Page, label: str) -> None:
    page.get_by_label("Group by").select_option(label=label)


def number(page: Page, name: str, column: str) -> float:
    return float(group(page, name).locator(f'[data-column="{column}"]').inner_text() or "0")


def test_rows_fold_into_units_with_their_sums_and_open_again(
    live: Page, up: Up, spawn: Spawn, place: Place
) -> None:
    children = [spawn(BUSY, "tukur-grouped"), spawn(BUSY, "tukur-grouped"), spawn(IDLE, "tukur-grouped")]
    for child in children[:2]:
        place("/tukur.slice/tukur-busy.service", child.pid)
    place(f"/tukur.slice/docker-{CONTAINER}.scope", children[2].pid)
    type_filter(live, "tukur-grouped")
    live.keyboard.press("Escape")
    fold_by(live, "unit")
    live.mouse.move(*KEEP_OFF)
    expect(group(live, "tukur-busy.service")).to_contain_text("2", timeout=5000)
    until(live, lambda: number(live, "tukur-busy.service", "cpu") > 20, 8, "the sum of both is shown")
    expect(live.get_by_test_id("count")).to_contain_text("groups ·")
    assert "group=unit" in live.url
    group(live, "tukur-busy.service").get_by_role("button", name="Expand the group").click()
    live.mouse.move(*KEEP_OFF)
    for child in children[:2]:
        expect(row(live, child.pid)).to_be_visible()
    expect(row(live, children[2].pid)).to_have_count(0)
    fold_by(live, "slice")
    expect(group(live, "tukur.slice")).to_contain_text("3")
    fold_by(live, "container")
    expect(group(live, "docker:0123456789ab")).to_contain_text("1")
    live.reload()
    expect(group(live, "docker:0123456789ab")).to_be_visible(timeout=15_000)
    expect(live.get_by_label("Group by")).to_have_value("container")
    fold_by(live, "none")
    assert "group=" not in live.url
    type_filter(live, "")


def test_groups_are_opened_and_walked_through_by_keyboard(live: Page, spawn: Spawn, place: Place) -> None:
    child = spawn(IDLE, "tukur-keyed")
    place("/tukur-keyed.service", child.pid)
    type_filter(live, "tukur-keyed")
    fold_by(live, "unit")
    expect(group(live, "tukur-keyed.service")).to_be_visible(timeout=5000)
    live.get_by_label("Filter processes").press("Enter")
    expect(group(live, "tukur-keyed.service")).to_have_attribute("aria-selected", "true")
    live.keyboard.press("ArrowRight")
    expect(group(live, "tukur-keyed.service")).to_have_attribute("aria-expanded", "true")
    live.keyboard.press("ArrowDown")
    expect(row(live, child.pid)).to_have_attribute("aria-selected", "true")
    live.keyboard.press("ArrowLeft")
    expect(row(live, child.pid)).to_have_count(0)
    expect(group(live, "tukur-keyed.service")).to_have_attribute("aria-selected", "true")
    live.keyboard.press("Escape")
    live.get_by_role("button", name="Tree", exact=True).click()
    expect(live.get_by_label("Group by")).to_have_value("")
    live.get_by_role("button", name="Tree", exact=True).click()
    type_filter(live, "")


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_axe_finds_nothing_serious_in_groups(context: BrowserContext, up: Up, scheme: str) -> None:
    page = context.new_page()
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(f"{up.url}/?group=user")
    page.wait_for_selector("[role=row][data-group]", timeout=20_000)
    page.get_by_role("button", name="Expand all").click()
    page.wait_for_selector("[role=row][data-pid]")
    assert violations(page) == []
    page.close()
