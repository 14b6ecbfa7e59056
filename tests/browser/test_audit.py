"""The audit log on the page."""

import re

from playwright.sync_api import Page, expect

from tests.support.running import Up


def test_who_signed_in_is_on_the_page_and_can_be_filtered(live: Page, up: Up) -> None:
    live.get_by_role("link", name="Audit").click()
    entries = live.get_by_role("region", name="Entries of the audit log")
    expect(entries.get_by_role("row").filter(has_text="session.begin").first).to_contain_text("127.0.0.1")
    expect(entries.get_by_role("row").filter(has_text="hub.start")).to_have_count(1)
    live.get_by_role("combobox", name="Action").fill("session")
    live.get_by_role("combobox", name="Action").press("Enter")
    expect(entries.get_by_role("row").filter(has_text="hub.start")).to_have_count(0)
    expect(live).to_have_url(re.compile(r"/audit\?(host=[^&]+&)?action=session"))
    live.get_by_role("textbox", name="Actor", exact=True).fill("nobody")
    live.get_by_role("textbox", name="Actor", exact=True).press("Enter")
    expect(entries).to_contain_text("No matching entries.")
    with live.expect_download() as download:
        live.get_by_role("link", name="Export").click()
    assert '"action":"hub.start"' in download.value.path().read_text()
    live.reload()
    expect(entries).to_contain_text("No matching entries.")
