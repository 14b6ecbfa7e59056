"""Where things are on the page."""

from collections.abc import Callable
from typing import TypeVar

from playwright.sync_api import Locator, Page

from tests.support.running import Up
from tests.support.waiting import eventually

T = TypeVar("T")

KEEP_OFF = (700, 20)
"""A place where the pointer rests on nothing."""


def row(page: Page, pid: int) -> Locator:
    """The table's row of a process."""
    return page.locator(f'[role=row][data-pid="{pid}"]')


def cell(page: Page, pid: int, column: str) -> Locator:
    """One cell of it."""
    return row(page, pid).locator(f'[data-column="{column}"]')


def type_filter(page: Page, text: str) -> None:
    """Types into the filter, as a person does."""
    page.keyboard.press("/")
    page.get_by_label("Filter processes").fill(text)


def order_of(page: Page) -> list[int]:
    """The PIDs of the rows in the document, from the top down."""
    pids: list[int] = page.evaluate(
        """() => [...document.querySelectorAll('[role=row][data-pid]')]
            .sort((a, b) => Number(a.ariaRowIndex) - Number(b.ariaRowIndex) || 0)
            .map((row) => Number(row.dataset.pid))"""
    )
    return pids


def open_dialog(page: Page, pid: int) -> Locator:
    """Opens the dialog from the row's own button and waits until it knows the process."""
    row(page, pid).hover()
    row(page, pid).get_by_role("button", name="Details and actions").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("Command", exact=True).wait_for()
    return dialog


def until(page: Page, check: Callable[[], T | None], seconds: float, what: str) -> T:
    """The first true result of `check`. The browser's news, such as another address, come in meanwhile."""
    return eventually(check, seconds, what, pause=lambda pause_s: page.wait_for_timeout(pause_s * 1000))


def next_samples(live: Page, count: int) -> None:
    """Waits until the live page has shown so many more samples."""

    def shown() -> int:
        return int(live.locator("main").get_attribute("data-frames") or 0)

    before = shown()
    until(live, lambda: shown() >= before + count, 5 + 2 * count, f"{count} more samples are shown")


def recorded(page: Page, up: Up, at_ms: int, pid: int) -> None:
    """Waits until the record has this process at that second: blocks reach the store within ten seconds."""
    (host,) = page.request.get(f"{up.url}/api/hosts").json()["hosts"]
    path = f"{up.url}/api/hosts/{host['host_id']}/processes?at={at_ms}"

    def there() -> bool:
        answer = page.request.get(path)
        return answer.ok and any(row["pid"] == pid for row in answer.json()["processes"])

    until(page, there, 25, f"process {pid} is on record")
