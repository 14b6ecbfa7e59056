"""Several hosts: a link leads to its own host, and those that left fold away."""

import asyncio
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.support.running import Up
from tukur.hub.store.control.instances import InstanceRow, Judged
from tukur.hub.store.store import Store

LEFT = "33333333-2222-3333-4444-555555555555"
FIRST = "44444444-2222-3333-4444-555555555555"
GONE = "55555555-2222-3333-4444-555555555555"
GROUP = "regions/europe-west1/instanceGroupManagers/web"


async def add_left(data: Path) -> None:
    store = await Store.open(data)
    now_ms = time.time_ns() // 1_000_000
    row = InstanceRow("4711", "web-aaaa", GROUP, "europe-west1-b")
    await store.control.instances.enrol(LEFT, bytes(32), row, now_ms)
    await store.control.instances.judge([Judged(LEFT, "left", "deleting", now_ms)])
    await store.close()


async def add_first(data: Path) -> None:
    """A host that has joined and whose name comes before any other."""
    store = await Store.open(data)
    await store.control.instances.enrol(FIRST, bytes(31) + b"1", InstanceRow("42", "aaaa", GROUP, "b"), 0)
    await store.close()


@pytest.fixture
def page(up: Up, context: BrowserContext) -> Iterator[Page]:
    # On a thread of its own: Playwright's loop runs on this one.
    with ThreadPoolExecutor(1) as worker:
        worker.submit(asyncio.run, add_left(up.data)).result()
    opened = context.new_page()
    opened.goto(up.url)
    opened.wait_for_selector("main[data-state=live]", timeout=15_000)
    yield opened
    opened.close()


def test_a_host_that_left_is_hidden_until_it_is_asked_for(page: Page, up: Up) -> None:
    show = page.get_by_role("button", name="Show 1 left")
    show.wait_for()
    assert page.get_by_label("Host", exact=True).count() == 0
    show.click()
    chooser = page.get_by_label("Host", exact=True)
    chooser.wait_for()
    assert chooser.locator("optgroup[label=Left] option").all_inner_texts() == ["web-aaaa"]
    chooser.select_option(LEFT)
    page.get_by_text("web-aaaa has left: its instance group is deleting it.").wait_for()
    # A link to it works for whoever opens it.
    page.reload()
    page.get_by_text("web-aaaa has left: its instance group is deleting it.").wait_for()
    page.get_by_role("button", name="Hide 1 left").click()
    page.get_by_role("button", name="Show 1 left").wait_for()
    page.wait_for_selector("main[data-state=live]", timeout=15_000)


def test_the_hosts_page_has_each_host_with_its_last_minutes_and_those_that_left_at_its_end(
    page: Page, up: Up
) -> None:
    page.get_by_role("link", name="Hosts").click()
    hosts = page.get_by_role("region", name="Hosts")
    rows = hosts.get_by_role("row").filter(has=page.get_by_role("rowheader"))
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("online")
    # A line takes two points: the list is loaded every five seconds.
    expect(rows.first.locator("polyline").first).to_have_attribute(
        "points", re.compile(r"\S+ \S+"), timeout=20_000
    )
    hosts.get_by_role("button", name="1 host left").click()
    expect(rows).to_have_count(2)
    expect(rows.last).to_contain_text("web-aaaa")
    page.get_by_label("Filter hosts").fill("nothing like it")
    expect(hosts).to_contain_text("No host matches the filter.")
    page.get_by_label("Filter hosts").fill("WEB")
    rows.get_by_role("link", name="web-aaaa").click()
    page.get_by_text("web-aaaa, over time").wait_for()


def test_an_address_names_its_host_and_leads_nowhere_else(page: Page, up: Up) -> None:
    (host,) = page.request.get(f"{up.url}/api/hosts").json()["hosts"]
    host_id, name = host["host_id"], host["name"]
    # A link from before, without a host, leads to the first; from then on the address names it.
    page.wait_for_url(f"**/?host={host_id}")
    over_time = page.get_by_role("navigation").get_by_role("link", name="Over time")
    expect(over_time).to_have_attribute("href", f"/over-time?host={host_id}")
    over_time.click()
    page.wait_for_url(re.compile(rf"/over-time\?host={host_id}&from="))
    # Another host joins, and comes first in the list.
    with ThreadPoolExecutor(1) as worker:
        worker.submit(asyncio.run, add_first(up.data)).result()
    page.reload()
    expect(page.get_by_role("heading", name=f"{name}, over time")).to_be_attached()
    page.goto(f"{up.url}/")
    expect(page.get_by_role("heading", name="aaaa, live")).to_be_attached()
    # What is not there is not replaced by what is.
    page.goto(f"{up.url}/over-time?host={GONE}&at=1000000000000")
    expect(page.get_by_role("heading", name="No such host")).to_be_visible()
    expect(page.get_by_text(GONE)).to_be_visible()
    expect(page.locator("[role=row]")).to_have_count(0)
    page.get_by_role("link", name="hosts that you can see").click()
    expect(page.get_by_role("rowheader", name=name)).to_be_visible()
