"""What the page tells of the record itself: what it takes, and what it has not."""

import re
import time

from playwright.sync_api import Page, expect

from tests.support.running import Up
from tests.support.waiting import eventually


def last_ms(page: Page, up: Up) -> int:
    (host,) = page.request.get(f"{up.url}/api/hosts").json()["hosts"]
    return int(host["last_ms"] or 0)


def test_a_stretch_without_a_record_is_told_with_its_reason_and_leads_to_it(page: Page, up: Up) -> None:
    before_ms = last_ms(page, up)
    eventually(lambda: last_ms(page, up) > before_ms, 30, "a block is recorded")
    # What is not in a block yet goes with the agent: some seconds, for a gap that can be seen.
    time.sleep(3)
    up.kill("agent")
    killed_ms = int(time.time() * 1000)
    eventually(lambda: last_ms(page, up) > killed_ms + 1000, 40, "it records again")
    page.goto(f"{up.url}/over-time?from={killed_ms - 60_000}&to={killed_ms + 20_000}")
    strip = page.get_by_role("region", name="Not recorded")
    told = strip.get_by_role("button").filter(has_text="the agent was not running, or the machine was off")
    expect(told.first).to_be_visible(timeout=15_000)
    told.first.click()
    expect(page.locator("main")).to_have_attribute("data-at", re.compile(r"^\d+$"))
    at = int(page.locator("main").get_attribute("data-at") or 0)
    assert killed_ms - 15_000 < at <= killed_ms + 5000


def test_the_menu_of_the_record_says_what_it_takes_and_how_far_back_it_reaches(live: Page) -> None:
    live.get_by_role("button", name="Record storage").click()
    menu = live.get_by_role("group", name="Record storage")
    expect(menu).to_contain_text(re.compile(r"Used\s*[\d.]+ [KMG]iB"))
    expect(menu).to_contain_text(re.compile(r"Every second\s*7 d"))
    expect(menu).to_contain_text("The growth rate is known after an hour.")


def test_a_hosts_clock_is_told_beside_the_hubs(live: Page) -> None:
    live.get_by_role("button", name=re.compile("host and source details")).click()
    expect(live.get_by_role("group", name=re.compile("host and source details"))).to_contain_text(
        "In sync with the hub"
    )
