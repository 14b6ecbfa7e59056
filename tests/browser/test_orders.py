"""Orders beyond one signal to one process, and those that wait for a second person."""

import re
import subprocess

from playwright.sync_api import Browser, Page, expect

from tests.browser._parts import open_dialog, type_filter, until
from tests.browser.conftest import IDLE, Spawn, listen, new_link
from tests.support.running import Up, tukur

FAMILY = """
import subprocess, sys, time
kid = [sys.executable, '-c', 'import time; time.sleep(120)', 'tukur-kid']
children = [subprocess.Popen(kid) for _ in range(2)]
time.sleep(120)
"""


def test_a_process_is_stopped_with_all_that_it_began(live: Page, spawn: Spawn) -> None:
    parent = spawn(FAMILY, "tukur-family")
    type_filter(live, "tukur-kid")
    until(live, lambda: live.locator("[role=row][data-pid]").count() >= 2, 10, "both children")
    type_filter(live, "tukur-family")
    dialog = open_dialog(live, parent.pid)
    dialog.get_by_role("combobox").select_option("tree")
    dialog.get_by_role("radio", name=re.compile("KILL")).check()
    dialog.get_by_role("button", name="Send KILL to 3 processes").click()
    outcome = dialog.locator(".outcome[data-final=true]")
    expect(outcome).to_contain_text("3 exited", timeout=10_000)
    outcome.get_by_text("3 processes").click()
    expect(outcome.get_by_role("listitem")).to_have_count(3)
    parent.wait(5)
    left = subprocess.run(["pkill", "-f", "tukur-kid"], check=False)
    assert left.returncode == 1, "there was none left to end"


def test_a_priority_is_changed_and_the_dialog_says_so(live: Page, spawn: Spawn) -> None:
    child = spawn(IDLE, "tukur-nice")
    type_filter(live, "tukur-nice")
    dialog = open_dialog(live, child.pid)
    expect(dialog.get_by_role("radio", name=re.compile("^FREEZE"))).to_be_disabled()
    dialog.get_by_role("radio", name=re.compile("NICE")).check()
    dialog.get_by_role("button", name=re.compile("^NICE: ")).click()
    expect(dialog.locator(".outcome[data-outcome=changed]")).to_contain_text("verified", timeout=10_000)
    nice = subprocess.run(
        ["ps", "-o", "ni=", "-p", str(child.pid)], capture_output=True, text=True, check=True
    )
    assert nice.stdout.strip() == "10"


def test_an_order_waits_until_another_person_approves_it(
    live: Page, up: Up, browser: Browser, spawn: Spawn, complaints: list[str]
) -> None:
    folder = ("--data", str(up.data))
    host_id = tukur("host", "list", *folder).stdout.split("\t")[0]
    assert tukur("host", "approval", host_id, "on", *folder).returncode == 0
    try:
        child = spawn(IDLE, "tukur-awaits")
        live.reload()
        live.wait_for_selector("main[data-state=live] [role=row][data-pid]")
        type_filter(live, "tukur-awaits")
        dialog = open_dialog(live, child.pid)
        expect(dialog.get_by_text("require approval by a second person")).to_be_visible()
        dialog.get_by_label("Reason").fill("it hurts")
        dialog.get_by_role("button", name=re.compile("^Send TERM")).click()
        expect(dialog.locator(".outcome")).to_contain_text("Waiting for approval by a second person")
        assert child.poll() is None
        # The same person in another browser sees it wait, and cannot approve.
        assert _decides(browser, new_link(up), complaints) == 0
        assert child.poll() is None
        added = tukur("user", "add", "ben", "--role", "operator", *folder)
        link = re.search(r"http\S+", added.stdout + added.stderr)
        assert link, added
        assert _decides(browser, link[0], complaints) == 1
        child.wait(10)
        expect(dialog.locator(".outcome[data-final=true]")).to_contain_text("Exited", timeout=10_000)
    finally:
        assert tukur("host", "approval", host_id, "off", *folder).returncode == 0


def _decides(browser: Browser, link: str, complaints: list[str]) -> int:
    """Approves the order that waits, where that is offered; how often it is."""
    with browser.new_context() as context:
        page = context.new_page()
        listen(page, complaints)
        page.goto(link)
        page.wait_for_selector("main[data-state=live]")
        page.get_by_text("it hurts").wait_for()
        approve = page.get_by_role("button", name="Approve")
        offered = approve.count()
        if offered:
            approve.click()
            expect(approve).to_have_count(0)
        else:
            expect(page.get_by_text("A second person must approve it")).to_be_visible()
        return offered
