"""A kill for want of memory, from the kernel's log to the page."""

import re
import time

from playwright.sync_api import Page, expect

from tests.browser._parts import until
from tests.support.memory import eat, little_memory
from tests.support.running import Up


def test_a_process_killed_for_want_of_memory_is_marked_and_leads_to_its_last_second(
    page: Page, up: Up
) -> None:
    with little_memory() as (folder, path):
        pid = eat(folder, "tukur-hungry")
    killed_ms = int(time.time() * 1000)
    (host,) = page.request.get(f"{up.url}/api/hosts").json()["hosts"]
    ooms = f"{up.url}/api/hosts/{host['host_id']}/ooms?from={killed_ms - 60_000}&to={killed_ms + 5_000}"

    def recorded() -> bool:
        return str(pid) in page.request.get(ooms).text()

    # Blocks reach the store within ten seconds.
    until(page, recorded, 25, "the kill is on record")
    span = f"from={killed_ms - 60_000}&to={killed_ms + 5_000}"
    page.goto(f"{up.url}/over-time?{span}&at={killed_ms}&pick={killed_ms - 10_000}-{killed_ms + 5_000}")
    strip = page.get_by_role("region", name="OOM kills")
    words = f"tukur-hungry (PID {pid}) killed by the OOM killer: memory limit of {path}"
    expect(strip).to_contain_text(words, timeout=15_000)
    told = strip.get_by_role("button").filter(has_text=words)
    expect(told).to_have_attribute("title", re.compile(r"allocation by: tukur-hungry"))
    told.click()

    def stands() -> bool:
        at = page.locator("main").get_attribute("data-at")
        return at is not None and killed_ms - 6000 < int(at) < killed_ms

    until(page, stands, 5, "the page stands on the second before")
    panel = page.get_by_role("region", name="Top processes")
    panel.get_by_role("button", name="Ended", exact=True).click()
    expect(panel).to_contain_text("tukur-hungry", timeout=5000)


def test_who_did_it_follows_the_tables_groups(page: Page, up: Up) -> None:
    now = int(time.time() * 1000)
    page.goto(f"{up.url}/over-time?from={now - 60_000}&to={now}&group=user&pick={now - 60_000}-{now}")
    panel = page.get_by_role("region", name="Top processes")
    entry = panel.get_by_role("button", name=re.compile("^root"))
    expect(entry).to_be_visible(timeout=15_000)
    entry.click()
    line = page.locator('[role=row][data-group="root"]')
    expect(line).to_have_attribute("aria-expanded", "true")
    expect(line).to_have_attribute("aria-selected", "true")
    page.get_by_label("Group by").select_option(label="none")
    expect(panel.get_by_role("columnheader", name="Process")).to_be_visible()
