"""The live page: what runs now, and how it is stopped."""

import re
import subprocess
import sys

from playwright.sync_api import Browser, Page, expect

from tests.browser._parts import KEEP_OFF, cell, next_samples, open_dialog, order_of, row, type_filter, until
from tests.browser.conftest import BUSY, IDLE, Spawn, listen, new_link
from tests.support.running import Up

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('ready', flush=True)
time.sleep(120)
"""


VERY_BUSY = f"import os; os.nice(-39)\n{BUSY}"
"""More than half a core, whatever else runs on the machine."""


def test_the_link_signs_in_once_and_leaves_no_token_behind(
    up: Up, browser: Browser, complaints: list[str]
) -> None:
    link = new_link(up)
    with browser.new_context() as context:
        page = context.new_page()
        listen(page, complaints)
        page.goto(link)
        page.wait_for_selector("main[data-state=live]")
        assert "token" not in page.url
        page.go_back()
        assert "token" not in page.url
        assert complaints == []
    with browser.new_context() as other:
        page = other.new_page()
        page.goto(link)
        expect(page.get_by_role("alert")).to_contain_text("did not work")
        expect(page.get_by_text("tukur sign-in-link").first).to_be_visible()


def test_without_a_session_every_page_leads_to_the_sign_in_page_and_back(up: Up, browser: Browser) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        path = "/over-time?from=1000000000000&to=1000000300000&at=1000000100000&filter=user%3Aroot"
        page.goto(up.url + path)
        page.wait_for_url("**/sign-in")
        page.goto(new_link(up))
        # With its whole query, to which the page adds the host that it shows.
        page.wait_for_url(re.compile(re.escape(path) + "&host=[0-9a-f-]{36}$"))
        expect(page.get_by_label("Filter processes")).to_have_value("user:root")
        page.context.clear_cookies()
        page.goto(f"{up.url}/audit?actor=nobody")
        page.wait_for_url("**/sign-in")
        page.goto(new_link(up))
        page.wait_for_url("**/audit?actor=nobody")


def test_a_process_that_begins_is_in_the_table_within_two_seconds(live: Page, spawn: Spawn) -> None:
    type_filter(live, "newcomer-4711")
    expect(live.get_by_text("No process matches the filter.")).to_be_visible()
    child = spawn(IDLE, "newcomer-4711")
    expect(row(live, child.pid)).to_be_visible(timeout=2000)
    expect(cell(live, child.pid, "command")).to_contain_text("newcomer-4711")
    expect(cell(live, child.pid, "name")).to_contain_text("python")
    child.kill()
    child.wait()
    live.mouse.move(*KEEP_OFF)
    expect(row(live, child.pid)).to_have_count(0, timeout=3000)


def test_a_process_is_killed_from_its_row_and_the_page_says_how_it_ended(live: Page, spawn: Spawn) -> None:
    child = spawn(BUSY, "victim")
    type_filter(live, f"pid:{child.pid}")
    expect(row(live, child.pid)).to_be_visible()
    dialog = open_dialog(live, child.pid)
    # Begun just now, so that the record does not know it yet: the row did.
    expect(dialog).to_contain_text("victim")
    dialog.get_by_role("radio", name=re.compile("^KILL")).check()
    dialog.get_by_role("button", name=re.compile(rf"Send KILL to python.* \({child.pid}\)")).click()
    expect(dialog.locator("[data-outcome=exited]")).to_contain_text(
        re.compile(r"Exited by signal 9 after (under )?\d+ ms")
    )
    assert child.wait(2) == -9
    dialog.get_by_role("button", name="Close").last.click()
    live.get_by_role("button", name="Recent orders").click()
    expect(live.get_by_role("group", name="Recent orders")).to_contain_text("Exited by signal 9")


def test_a_process_that_ignores_term_is_still_there_and_kill_is_offered(live: Page) -> None:
    with subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.read(5) == b"ready"
        type_filter(live, f"pid:{child.pid}")
        dialog = open_dialog(live, child.pid)
        dialog.get_by_role("button", name=re.compile("Send TERM to")).click()
        alive = dialog.locator("[data-outcome=alive]")
        expect(alive).to_contain_text("Still running after 5 s", timeout=8000)
        alive.get_by_role("button", name=re.compile("Send KILL to")).click()
        expect(dialog.locator("[data-outcome=exited]")).to_contain_text("Exited by signal 9", timeout=8000)
        assert child.wait(2) == -9


def test_stop_and_cont_show_in_the_process_state(live: Page, spawn: Spawn) -> None:
    child = spawn(BUSY)
    type_filter(live, f"pid:{child.pid}")
    dialog = open_dialog(live, child.pid)
    dialog.get_by_role("radio", name=re.compile("^STOP")).check()
    dialog.get_by_role("button", name=re.compile("Send STOP to")).click()
    expect(dialog.locator("[data-outcome=stopped]")).to_be_visible()
    expect(cell(live, child.pid, "state")).to_have_text("T", timeout=3000)
    dialog.get_by_role("radio", name=re.compile("^CONT")).check()
    dialog.get_by_role("button", name=re.compile("Send CONT to")).click()
    expect(dialog.locator("[data-outcome=running]")).to_be_visible()
    expect(cell(live, child.pid, "state")).to_have_text("R", timeout=3000)


def test_rows_keep_their_places_while_a_dialog_is_open(live: Page, spawn: Spawn) -> None:
    quiet, loud = spawn(IDLE, "hold-still"), spawn(BUSY, "hold-still")
    type_filter(live, "hold-still")
    expect(row(live, quiet.pid)).to_be_visible()
    live.mouse.move(*KEEP_OFF)
    until(live, lambda: order_of(live) == [loud.pid, quiet.pid], 5, "the busy one is on top")
    dialog = open_dialog(live, quiet.pid)
    # The pointer leaves the table: it is the dialog alone that holds the order.
    live.mouse.move(*KEEP_OFF)
    loud.kill()
    loud.wait()
    newcomer = spawn(BUSY, "hold-still")
    expect(row(live, newcomer.pid)).to_be_visible(timeout=3000)
    next_samples(live, 2)
    assert order_of(live) == [loud.pid, quiet.pid, newcomer.pid]
    expect(cell(live, loud.pid, "name")).to_contain_text("ended")
    expect(dialog.get_by_role("heading")).to_contain_text(str(quiet.pid))
    expect(live.get_by_text("order pinned")).to_be_visible()
    live.keyboard.press("Escape")
    until(live, lambda: order_of(live) == [newcomer.pid, quiet.pid], 5, "the order moves again")


def test_rows_keep_their_places_under_the_pointer(live: Page, spawn: Spawn) -> None:
    quiet = spawn(IDLE, "under-pointer")
    type_filter(live, "under-pointer")
    row(live, quiet.pid).hover()
    expect(live.get_by_text("order pinned")).to_be_visible()
    busy = spawn(BUSY, "under-pointer")
    expect(row(live, busy.pid)).to_be_visible(timeout=3000)
    next_samples(live, 2)
    assert order_of(live) == [quiet.pid, busy.pid]
    live.mouse.move(*KEEP_OFF)
    until(live, lambda: order_of(live) == [busy.pid, quiet.pid], 3, "the order moves again")


def test_a_pointer_that_rests_does_not_hide_a_busy_process_and_keeps_its_row(
    live: Page, spawn: Spawn
) -> None:
    quiet = [spawn(IDLE, "rest-on-me") for _ in range(3)]
    first, chosen, last = sorted(quiet, key=lambda child: child.pid)
    type_filter(live, "rest-on-me")
    pids = [first.pid, chosen.pid, last.pid]
    until(live, lambda: order_of(live) == pids, 8, "all are there, and none does anything any more")
    row(live, chosen.pid).hover()
    busy = spawn(BUSY, "rest-on-me")
    expect(row(live, busy.pid)).to_be_visible(timeout=3000)
    expect(live.get_by_text("order pinned")).to_be_visible()
    pids = [busy.pid, chosen.pid, first.pid, last.pid]
    until(
        live,
        lambda: order_of(live) == pids,
        9,
        "the busy one is on top, the others beneath the pointer's row",
    )
    expect(live.get_by_text("the row under the pointer stays in its place")).to_be_visible()
    # It stays where it is even if it ends; a press meets it and nothing else.
    chosen.kill()
    chosen.wait()
    expect(cell(live, chosen.pid, "name")).to_contain_text("ended", timeout=3000)
    next_samples(live, 1)
    assert order_of(live)[1] == chosen.pid
    live.mouse.down()
    live.mouse.up()
    expect(row(live, chosen.pid)).to_have_attribute("aria-selected", "true")
    # It moves again: the others are pinned again, before anything can be pressed.
    expect(live.get_by_text("order pinned")).to_be_visible()
    busy.kill()
    busy.wait()
    next_samples(live, 2)
    assert order_of(live)[:2] == [busy.pid, chosen.pid]
    live.mouse.move(*KEEP_OFF)
    expect(row(live, chosen.pid)).to_have_count(0)


def test_a_busy_process_out_of_sight_is_counted_and_gone_to(live: Page, spawn: Spawn) -> None:
    busy = spawn(VERY_BUSY)
    cpu = cell(live, busy.pid, "cpu")
    until(live, lambda: float(cpu.inner_text()) > 50, 8, "it is busy and on top")
    grid = live.locator(".grid")
    grid.evaluate("(grid) => { grid.scrollTop = grid.scrollHeight; }")
    expect(row(live, busy.pid)).to_have_count(0)
    live.get_by_role("button", name=re.compile(r"above 50 % (is|are) out of sight")).click()
    # Another process may be busier still.
    until(live, lambda: grid.evaluate("(grid) => grid.scrollTop") < 2000, 3, "it scrolls to the top")
    expect(row(live, busy.pid)).to_be_visible()


def test_a_row_that_has_just_ended_tells_that_at_once_and_how_as_soon_as_it_is_recorded(
    live: Page, spawn: Spawn
) -> None:
    child = spawn("import time; time.sleep(1.5); raise SystemExit(7)", "soon-over")
    type_filter(live, "soon-over")
    row(live, child.pid).hover()
    child.wait()
    expect(cell(live, child.pid, "name")).to_contain_text("ended", timeout=3000)
    dialog = open_dialog(live, child.pid)
    expect(dialog.get_by_text("This process has ended")).to_be_visible(timeout=1000)
    expect(dialog).to_contain_text("soon-over")
    expect(dialog.get_by_text("Started")).to_be_visible()
    expect(dialog.get_by_role("alert")).to_have_count(0)
    expect(dialog.get_by_role("button", name=re.compile("^Send"))).to_have_count(0)
    # Blocks reach the store within ten seconds.
    expect(dialog.get_by_text("exited with code 7")).to_be_visible(timeout=25_000)


def test_a_click_on_a_live_chart_may_slip_and_leads_to_its_second_of_this_host(live: Page) -> None:
    box = live.locator(".u-over").first.bounding_box()
    assert box is not None
    x, y = box["x"] + 0.7 * box["width"], box["y"] + 40
    live.mouse.move(x, y)
    live.mouse.down()
    live.mouse.move(x + 2, y + 1)
    live.mouse.up()
    live.wait_for_url(re.compile(r"/over-time\?host=[0-9a-f-]{36}&from=\d+&to=\d+&at=\d+"))


def test_the_keyboard_alone_filters_chooses_and_opens(live: Page, spawn: Spawn) -> None:
    child = spawn(IDLE, "keys-only")
    type_filter(live, "keys-only")
    expect(row(live, child.pid)).to_be_visible()
    live.keyboard.press("Enter")
    expect(row(live, child.pid)).to_have_attribute("aria-selected", "true")
    live.keyboard.press("Delete")
    dialog = live.get_by_role("dialog")
    expect(dialog.get_by_role("heading")).to_contain_text(str(child.pid))
    live.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_what_the_policy_protects_cannot_be_sent_a_signal(live: Page) -> None:
    type_filter(live, "pid:1")
    dialog = open_dialog(live, 1)
    expect(dialog.get_by_text("PID 1 runs the machine")).to_be_visible()
    expect(dialog.get_by_role("button", name=re.compile("Send TERM"))).to_be_disabled()


def test_the_tree_stands_children_under_their_parents_and_sums_closed_branches(
    live: Page, spawn: Spawn
) -> None:
    code = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', sys.argv[1], 'tree-child'])"
    parent = spawn(code, BUSY, "tree-parent")
    type_filter(live, "tree-child")
    child = until(live, lambda: next((p for p in order_of(live) if p != parent.pid), None), 5, "the child")
    live.get_by_role("button", name="Tree", exact=True).click()
    try:
        expect(row(live, parent.pid)).to_have_attribute("aria-expanded", "true")
        levels = [int(row(live, pid).get_attribute("aria-level") or 0) for pid in (parent.pid, child)]
        assert levels[1] == levels[0] + 1
        type_filter(live, "")
        row(live, parent.pid).get_by_role("button", name="Collapse the branch").click()
        expect(row(live, child)).to_have_count(0)
        live.mouse.move(*KEEP_OFF)
        cpu = cell(live, parent.pid, "cpu")
        until(live, lambda: float(cpu.inner_text()) > 20, 5, "the closed branch shows its sum")
    finally:
        live.get_by_role("button", name="Tree", exact=True).click()
        subprocess.run(["kill", str(child)], check=False)


def test_columns_are_chosen_and_remembered(live: Page) -> None:
    live.get_by_role("button", name="Choose columns").click()
    live.get_by_role("checkbox", name="PPID").check()
    expect(live.get_by_role("columnheader", name="PPID")).to_be_visible()
    live.reload()
    expect(live.get_by_role("columnheader", name="PPID")).to_be_visible()
    live.get_by_role("button", name="Choose columns").click()
    live.get_by_role("button", name="Reset columns").click()
    expect(live.get_by_role("columnheader", name="PPID")).to_have_count(0)


def test_a_lost_hub_is_told_and_comes_back_by_itself(up: Up, live: Page, complaints: list[str]) -> None:
    up.kill("hub")
    expect(live.get_by_text("Connection to the hub lost")).to_be_visible(timeout=5000)
    expect(live.get_by_text("no response from the hub since")).to_be_visible(timeout=5000)
    expect(live.locator("header .online")).to_have_count(0)
    expect(live.locator(".grid.stale")).to_be_visible()
    live.wait_for_selector("main[data-state=live]", timeout=30_000)
    expect(live.locator(".grid.stale")).to_have_count(0)
    expect(live.locator("header .online")).to_have_text("online")
    # That requests fail while there is no hub is what this is about.
    complaints.clear()
