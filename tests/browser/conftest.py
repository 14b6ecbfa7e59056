"""A real Chromium on a real ``tukur up``."""

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from tests.support.running import Up, running, the_host, tukur

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
BUSY = "import time\nuntil = time.time() + 120\nwhile time.time() < until: sum(range(1000))"
IDLE = "import time; time.sleep(120)"

Spawn = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with running(tmp_path_factory.mktemp("page") / "data") as started:
        with contextlib.closing(started.sign_in()) as client:
            the_host(client)
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        if not Path(CHROMIUM).exists():
            pytest.fail(f"{CHROMIUM} is not there; `build_tools/setup system-test` installs it")
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield chromium
        chromium.close()


def new_link(up: Up) -> str:
    """A link that signs in once."""
    return tukur("sign-in-link", "--data", str(up.data)).stdout.strip()


@pytest.fixture(scope="module")
def context(up: Up, browser: Browser) -> Iterator[BrowserContext]:
    """Signed in."""
    opened = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="dark")
    page = opened.new_page()
    page.goto(new_link(up))
    page.wait_for_selector("main[data-state=live]", timeout=15_000)
    page.close()
    yield opened
    opened.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complained about: console errors, uncaught exceptions, refusals by the CSP."""
    return []


def listen(page: Page, complaints: list[str]) -> None:
    """Notes every complaint of a page."""

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(f"{message.type}: {message.text}")

    page.on("console", note)
    page.on("pageerror", lambda error: complaints.append(f"uncaught: {error}"))


@pytest.fixture
def page(context: BrowserContext, complaints: list[str]) -> Iterator[Page]:
    """A tab, signed in. A complaint of the browser's fails the test."""
    opened = context.new_page()
    listen(opened, complaints)
    yield opened
    opened.close()
    assert complaints == []


@pytest.fixture
def live(page: Page, up: Up) -> Page:
    """The live page, with rows, the pointer away from the table."""
    page.goto(up.url)
    page.wait_for_selector("main[data-state=live] [role=row][data-pid]", timeout=15_000)
    page.mouse.move(700, 20)
    return page


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """Starts Python processes that end with the test."""
    children: list[subprocess.Popen[bytes]] = []

    def start(code: str, *arguments: str) -> "subprocess.Popen[bytes]":
        children.append(subprocess.Popen([sys.executable, "-c", code, *arguments]))
        return children[-1]

    yield start
    for child in children:
        child.kill()
        child.wait()
