"""Lives too short for anybody to see: in the table of their second, and in the list of what ended."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser._parts import row, type_filter, until
from tests.support.running import Up

FAILING = "import sys; sys.exit(3)"


@pytest.fixture(scope="module")
def short_lives(up: Up) -> Iterator[list[int]]:
    """PIDs of programs that ended with code 3, one about every quarter of a second."""
    pids: list[int] = []
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.25):
            with subprocess.Popen([sys.executable, "-S", "-c", FAILING, "short-lived"]) as child:
                pids.append(child.pid)

    worker = threading.Thread(target=work)
    worker.start()
    yield pids
    stop.set()
    worker.join()


def test_what_came_and_went_within_a_second_has_its_row(page: Page, up: Up, short_lives: list[int]) -> None:
    page.goto(up.url)
    page.wait_for_selector("main[data-state=live]")
    type_filter(page, "short-lived")
    ended = page.locator("[role=row].ended")
    expect(ended.first).to_be_visible(timeout=10_000)
    expect(ended.first.locator('[data-column="state"]')).to_have_text("X")
    expect(ended.first.locator('[data-column="name"]')).to_contain_text("ended")


def test_the_ended_can_be_hidden_and_are_not_counted_as_processes(
    page: Page, up: Up, short_lives: list[int]
) -> None:
    page.goto(up.url)
    page.wait_for_selector("main[data-state=live]")
    expect(page.get_by_test_id("count")).to_contain_text("ended", timeout=10_000)
    button = page.get_by_role("button", name="Ended")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")
    expect(page.locator("[role=row].ended")).to_have_count(0)
    # The choice is remembered, as the others are.
    page.reload()
    page.wait_for_selector("main[data-state=live]")
    expect(page.get_by_role("button", name="Ended")).to_have_attribute("aria-pressed", "false")
    page.get_by_role("button", name="Ended").click()


def found_or_ask_for_older(entry: Locator, older: Locator) -> bool:
    if entry.count() == 0 and older.is_visible():
        older.click()
    return entry.count() > 0


def test_the_list_of_a_stretch_tells_how_each_ended_and_leads_to_its_row(
    page: Page, up: Up, short_lives: list[int]
) -> None:
    begin = int(time.time() * 1000)
    count = len(short_lives)
    until(page, lambda: len(short_lives) > count + 8, 20, "some more short lives")
    chosen = short_lives[count + 3]
    (host,) = page.request.get(f"{up.url}/api/hosts").json()["hosts"]
    exits = f"{up.url}/api/hosts/{host['host_id']}/exits?from={begin - 20_000}&limit=5000"

    def recorded() -> bool:
        answer = page.request.get(f"{exits}&to={int(time.time() * 1000)}")
        return any(entry["pid"] == chosen for entry in answer.json()["exits"])

    # Blocks reach the store within ten seconds.
    until(page, recorded, 25, "its end is on record")
    end = int(time.time() * 1000)
    page.goto(f"{up.url}/over-time?from={begin - 20_000}&to={end}&at={begin}&pick={begin}-{end}")
    panel = page.get_by_role("region", name="Top processes")
    panel.get_by_role("button", name="Ended").click()
    panel.get_by_label("failures only").check()
    entry = panel.get_by_role("row").filter(has=page.get_by_text(str(chosen), exact=True))
    # Whatever else failed meanwhile on this machine stands before it, page by page.
    older = panel.get_by_role("button", name="Load older")
    until(page, lambda: found_or_ask_for_older(entry, older), 20, "its row in the list")
    expect(entry).to_contain_text("exit 3")
    entry.get_by_role("button").click()
    expect(row(page, chosen)).to_be_visible(timeout=10_000)
    row(page, chosen).hover()
    row(page, chosen).get_by_role("button", name="Details and actions").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("exited with code 3")).to_be_visible()
    expect(dialog.get_by_text("short-lived")).to_be_visible()
