"""Users, passwords, the second factor and sessions on the page."""

import base64
import re
import time

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from playwright.sync_api import Browser, Page, expect

from tests.support.running import Up

PASSWORD = "four owls on a wire"


def sign_in(page: Page, up: Up, name: str, password: str) -> None:
    page.goto(f"{up.url}/sign-in")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def test_a_user_is_invited_sets_a_password_and_a_second_factor_and_signs_in_by_both(
    live: Page, up: Up, browser: Browser
) -> None:
    live.get_by_role("link", name="Users").click()
    live.get_by_role("textbox", name="Name").fill("ada")
    live.get_by_role("button", name="Add user").click()
    link = live.get_by_role("status").locator(".link").inner_text()
    context = browser.new_context()
    page = context.new_page()
    page.goto(link)
    page.get_by_role("link", name="Set one").click()
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_label("Confirm password").fill(PASSWORD)
    page.get_by_role("button", name="Set password").click()
    expect(page.get_by_role("status")).to_contain_text("The password is set")
    page.get_by_role("button", name="Set up an authenticator").click()
    totp = TOTP(base64.b32decode(page.locator(".secret").inner_text()), 6, SHA1(), 30)
    used = int(time.time())
    page.get_by_label("Code").fill(totp.generate(used).decode())
    page.get_by_role("button", name="Turn on").click()
    codes = page.get_by_role("list", name="Recovery codes").get_by_role("listitem")
    expect(codes).to_have_count(10)
    recovery = codes.first.inner_text()
    page.get_by_role("button", name="Sign out", exact=True).first.click()

    sign_in(page, up, "ada", "another password")
    expect(page.get_by_role("alert")).to_contain_text("no user has this name and password")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label(re.compile("^Code")).fill(totp.generate(used).decode())
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("used before")
    page.get_by_label(re.compile("^Code")).fill(recovery)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("link", name="Account")).to_be_visible()
    expect(page.get_by_role("link", name="Users")).to_have_count(0)

    row = live.get_by_role("row").filter(has_text="ada")
    row.get_by_role("button", name="Disable").click()
    expect(row).to_contain_text("disabled")
    page.reload()
    expect(page.get_by_role("heading", name="Sign in to tukur")).to_be_visible()
    context.close()


def test_another_browser_is_seen_in_the_list_and_signed_out_from_it(
    live: Page, up: Up, browser: Browser
) -> None:
    context = browser.new_context(user_agent="Mozilla/5.0 (Windows NT 10.0; rv:143.0) Firefox/143.0")
    other = context.new_page()
    live.goto(f"{up.url}/users")
    live.get_by_role("textbox", name="Name").fill("ben")
    live.get_by_role("button", name="Add user").click()
    other.goto(live.get_by_role("status").locator(".link").inner_text())
    # To leave the page ends what it asks, the sign-in too.
    other.get_by_role("link", name="Account").wait_for()
    other.goto(f"{up.url}/account")
    row = other.get_by_role("row").filter(has_text="this session")
    expect(row).to_contain_text("Firefox 143 on Windows")
    live.get_by_role("row").filter(has_text="ben").get_by_role("button", name="Sign out").click()
    expect(live.get_by_role("status")).to_have_count(0)
    other.reload()
    expect(other.get_by_role("heading", name="Sign in to tukur")).to_be_visible()
    context.close()
