"""The over-time page: any recorded second, and who did it."""

import asyncio
import contextlib
import re
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from subprocess import Popen
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser._parts import KEEP_OFF, cell, open_dialog, recorded, row, type_filter, until
from tests.browser.conftest import BUSY, IDLE, Spawn, new_link
from tests.support.record import SECOND, Machine
from tests.support.running import Up, newest_ms, row_of, the_host
from tests.support.waiting import eventually
from tukur.hub.store.store import Store


@dataclass
class Past:
    """A process that lived for some seconds, and one that lives on."""

    ended_pid: int
    lived_ms: int
    """A second in the middle of its life."""
    living: "Popen[bytes]"


@pytest.fixture(scope="module")
def past(up: Up) -> Iterator[Past]:
    living = Popen([sys.executable, "-c", IDLE, "lives-on"])
    ended = Popen([sys.executable, "-c", BUSY, "lived-once"])
    with contextlib.closing(up.sign_in_by(new_link(up))) as client:
        host_id = the_host(client)["host_id"]

        def works() -> bool:
            row = row_of(client, host_id, ended.pid)
            return row is not None and (row["cpu"] or 0) > 0.2

        eventually(works, 10, "it is in the table with its CPU")
        # What is chosen of the record must have a length: two seconds on each side.
        time.sleep(2)
        lived_ms = int(time.time()) * 1000
        time.sleep(2)
        ended.kill()
        ended.wait()
        # Blocks reach the store within ten seconds.
        over_ms = int(time.time() * 1000) + 1000
        eventually(lambda: newest_ms(client) > over_ms, 30, "its end is on record")
    yield Past(ended.pid, lived_ms, living)
    living.kill()
    living.wait()


@pytest.fixture
def then(page: Page, up: Up, past: Past) -> Page:
    """The page on the second at which the process lived."""
    begin, end = past.lived_ms - 20_000, past.lived_ms + 20_000
    page.goto(f"{up.url}/over-time?from={begin}&to={end}&at={past.lived_ms}")
    page.wait_for_selector("main[data-shown] [role=row][data-pid]", timeout=10_000)
    return page


def at_of(page: Page) -> int:
    return int(parse_qs(urlsplit(page.url).query)["at"][0])


def span_of(page: Page) -> int:
    query = parse_qs(urlsplit(page.url).query)
    return int(query["to"][0]) - int(query["from"][0])


def drag(page: Page, begin: float, end: float, *, shift: bool = False) -> None:
    """Over the CPU chart, from one share of its width to another."""
    box = page.locator(".u-over").first.bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    if shift:
        page.keyboard.down("Shift")
    page.mouse.move(box["x"] + begin * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + end * box["width"], y, steps=6)
    page.mouse.up()
    if shift:
        page.keyboard.up("Shift")


def test_a_second_at_which_it_lived_shows_an_ended_process_with_its_cpu(then: Page, past: Past) -> None:
    type_filter(then, "lived-once")
    expect(row(then, past.ended_pid)).to_be_visible()
    assert float(cell(then, past.ended_pid, "cpu").inner_text()) > 20
    expect(cell(then, past.ended_pid, "name")).to_contain_text("ended")
    expect(then.get_by_test_id("recorded")).to_contain_text("All processes at")


def test_of_an_ended_process_the_dialog_says_so_and_offers_nothing(then: Page, past: Past) -> None:
    type_filter(then, "lived-once")
    dialog = open_dialog(then, past.ended_pid)
    expect(dialog.get_by_text("This process has ended")).to_be_visible()
    expect(dialog.get_by_role("button", name=re.compile("^Send"))).to_have_count(0)


def test_a_process_of_the_past_that_still_lives_is_stopped_by_its_key(
    then: Page, up: Up, spawn: Spawn
) -> None:
    child = spawn(IDLE, "stop-me-later")
    began_ms = int(time.time() * 1000)
    then.goto(f"{up.url}/over-time?from={began_ms - 30_000}&to={began_ms + 30_000}&at={began_ms + 2000}")
    type_filter(then, "stop-me-later")
    recorded(then, up, began_ms + 3000, child.pid)
    then.get_by_role("button", name="+1 s", exact=True).click()
    expect(row(then, child.pid)).to_be_visible(timeout=10_000)
    dialog = open_dialog(then, child.pid)
    dialog.get_by_role("button", name=re.compile("Send TERM to")).click()
    expect(dialog.locator("[data-outcome=exited]")).to_contain_text("Exited by signal 15")
    assert child.wait(2) == -15


def test_a_picked_stretch_tells_who_did_it_and_leads_to_where_it_lived(then: Page, past: Past) -> None:
    then.goto(re.sub(r"at=\d+", f"at={past.lived_ms + 15_000}", then.url))
    then.wait_for_selector("main[data-shown] [role=row][data-pid]")
    expect(row(then, past.ended_pid)).to_have_count(0)
    drag(then, 0.3, 0.7, shift=True)
    who = then.get_by_role("region", name="Top processes")
    entry = who.get_by_role("button", name=re.compile(rf"python.* {past.ended_pid}"))
    expect(entry).to_be_visible()
    expect(entry).to_contain_text(re.compile("KILL|ended"))
    assert "pick=" in then.url
    entry.click()
    assert abs(at_of(then) - past.lived_ms) < 5000
    then.mouse.move(*KEEP_OFF)
    expect(row(then, past.ended_pid)).to_have_attribute("aria-selected", "true")
    who.get_by_role("button", name="Peak RSS").click()
    expect(who.get_by_role("row").nth(1)).to_be_visible()


def test_a_drag_zooms_and_back_and_double_click_lead_out_again(then: Page) -> None:
    width = span_of(then)
    drag(then, 0.25, 0.75)
    until(then, lambda: 0 < span_of(then) < width * 0.6, 3, "zoomed in")
    then.go_back()
    until(then, lambda: span_of(then) == width, 3, "the range before")
    then.locator(".u-over").first.dblclick()
    until(then, lambda: span_of(then) == 3 * width, 3, "zoomed out")


def test_the_cursor_steps_by_keys_and_stands_where_one_clicks(then: Page, past: Past) -> None:
    begin = past.lived_ms
    then.keyboard.press("ArrowRight")
    assert at_of(then) == begin + 1000
    then.keyboard.press("Shift+ArrowLeft")
    assert at_of(then) == begin - 9000
    box = then.locator(".u-over").first.bounding_box()
    assert box is not None
    then.mouse.click(box["x"] + box["width"] / 2, box["y"] + 40)
    until(then, lambda: abs(at_of(then) - past.lived_ms) <= 1000, 3, "the middle of the chart")
    shown = then.locator("main")
    expect(shown).to_have_attribute("data-at", str(at_of(then)))


@pytest.mark.parametrize("slip", [0, 2, 4, -3])
def test_a_click_may_slip_by_some_pixels(then: Page, past: Past, slip: int) -> None:
    for chart in then.locator(".u-over").all()[:: 3 if slip else 1]:
        then.goto(re.sub(r"([?&])at=\d+", rf"\1at={past.lived_ms}", then.url))
        box = chart.bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 4, box["y"] + 40
        then.mouse.move(x, y)
        then.mouse.down()
        then.mouse.move(x + slip, y + 2)
        then.mouse.up()
        until(then, lambda: abs(at_of(then) - (past.lived_ms - 10_000)) <= 1000, 3, "the cursor is there")
        assert span_of(then) == 40_000


def test_a_finger_moves_the_cursor_by_a_tap_and_zooms_by_a_drag(
    context: BrowserContext, browser: Browser, then: Page, past: Past
) -> None:
    with browser.new_context(has_touch=True, storage_state=context.storage_state()) as touch:
        page = touch.new_page()
        page.goto(then.url)
        page.wait_for_selector("main[data-shown] [role=row][data-pid]")
        box = page.locator(".u-over").first.bounding_box()
        assert box is not None
        y = box["y"] + 40
        page.touchscreen.tap(box["x"] + 0.25 * box["width"], y)
        until(page, lambda: abs(at_of(page) - (past.lived_ms - 10_000)) <= 1000, 3, "the cursor is there")
        assert span_of(page) == 40_000
        finger = touch.new_cdp_session(page)
        for kind, share in (("Start", 0.25), ("Move", 0.5), ("Move", 0.75), ("End", None)):
            points = [] if share is None else [{"x": box["x"] + share * box["width"], "y": y}]
            finger.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})
        until(page, lambda: abs(span_of(page) - 20_000) <= 2000, 3, "zoomed in")


def test_without_the_hub_the_page_says_so_and_goes_on_by_itself(
    then: Page, up: Up, past: Past, complaints: list[str]
) -> None:
    main, host_state = then.locator("main"), then.locator("header .state")
    expect(host_state).to_have_text("online")
    then.route("**/api/**", lambda route: route.abort())
    then.route("**/healthz", lambda route: route.abort())
    then.get_by_role("button", name="Play").click()
    expect(host_state).to_contain_text("no response from the hub since", timeout=8000)
    # Playing stays where there is a table.
    expect(main).to_have_attribute("data-at", str(past.lived_ms), timeout=4000)
    expect(then.locator(".grid.stale")).to_have_count(0)
    then.get_by_role("button", name="Pause").click()
    # Who moves the cursor all the same is told which second the table is of.
    then.get_by_role("button", name="+10 s", exact=True).click()
    expect(then.get_by_test_id("recorded")).to_contain_text("the table is still that of")
    expect(then.locator(".grid.stale")).to_be_visible()
    then.unroute_all()
    expect(host_state).to_have_text("online", timeout=8000)
    expect(then.locator(".grid.stale")).to_have_count(0)
    expect(then.get_by_test_id("recorded")).to_contain_text("All processes at")
    assert all("ERR_FAILED" in text for text in complaints), complaints
    complaints.clear()


def test_a_link_shows_the_same_filter_and_the_same_process(then: Page, past: Past) -> None:
    type_filter(then, "lived-once")
    row(then, past.ended_pid).click()
    then.wait_for_url("**&filter=lived-once&process=*")
    then.reload()
    expect(then.get_by_label("Filter processes")).to_have_value("lived-once")
    expect(row(then, past.ended_pid)).to_have_attribute("aria-selected", "true")


def test_a_link_shows_the_same_second_again(then: Page, past: Past) -> None:
    then.reload()
    expect(then.locator("main")).to_have_attribute("data-at", str(past.lived_ms))
    type_filter(then, "lived-once")
    expect(row(then, past.ended_pid)).to_be_visible()


def test_where_nothing_is_recorded_it_says_how_near_the_record_comes(then: Page, up: Up, past: Past) -> None:
    long_ago = past.lived_ms - 3_600_000
    then.goto(f"{up.url}/over-time?from={long_ago}&to={long_ago + 60_000}&at={long_ago}")
    expect(then.get_by_test_id("recorded")).to_contain_text("Nothing was recorded at that second")
    expect(then.get_by_test_id("recorded")).to_contain_text("after it")


def test_a_second_that_passed_twice_offers_both_samples(page: Page, up: Up) -> None:
    (host,) = page.request.get(f"{up.url}/api/hosts").json()["hosts"]
    machine = Machine(wall_ns=int(time.time() - 3600) * SECOND)
    at_ms = machine.wall_ns // 1_000_000 + 7000
    machine.start(10, "before-it")
    blocks = [machine.block(10), machine.block(10)]
    machine.wall_ns -= 15 * SECOND
    machine.end(10)
    machine.start(11, "after-it")
    blocks += [machine.block(10), machine.block(10)]

    async def put() -> None:
        store = await Store.open(up.data)
        try:
            assert await store.facts.blocks.put([(host["host_id"], block) for block in blocks]) == [None] * 4
        finally:
            await store.close()

    # The browser's own loop runs in this thread.
    with ThreadPoolExecutor(1) as beside:
        beside.submit(asyncio.run, put()).result()
    page.goto(f"{up.url}/over-time?from={at_ms - 20_000}&to={at_ms + 20_000}&at={at_ms}")
    samples = page.get_by_role("group", name="Samples of this second")
    expect(samples).to_contain_text("this second passed 2 times", timeout=10_000)
    expect(row(page, 11)).to_be_visible()
    samples.get_by_role("button", name="1").click()
    expect(row(page, 10)).to_be_visible()
    expect(row(page, 11)).to_have_count(0)
    expect(samples.get_by_role("button", name="1")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="+1 s").click()
    expect(row(page, 11)).to_be_visible()
