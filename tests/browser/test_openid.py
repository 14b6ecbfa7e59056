"""Signing in by a real OpenID provider, which is another site than the hub."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.openid import SECRET, provider
from tests.support.running import Up, free_port, running


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A hub with a provider: the gates of who is `ops` and who is `web` differ."""
    folder: Path = tmp_path_factory.mktemp("openid")
    secret, port = folder / "secret", free_port()
    secret.write_text(f"{SECRET}\n")
    secret.chmod(0o600)
    options = (
        *("--oidc-issuer", f"http://localhost:{port}", "--oidc-client-id", "tukur"),
        *("--oidc-client-secret-file", str(secret), "--oidc-name", "Owls"),
        *("--oidc-role", "ops=operator", "--oidc-role", "web=viewer"),
    )
    with (
        running(folder / "data", "--monitor-only", *options) as started,
        provider(port, f"{started.url}/api/oidc/return"),
    ):
        yield started


def sign_in(page: Page, up: Up, name: str) -> None:
    """All that a person does, from the hub's page to its end."""
    page.goto(f"{up.url}/over-time")
    page.get_by_role("link", name="Sign in with Owls").click()
    page.get_by_placeholder("Enter any login").fill(name)
    page.get_by_placeholder("and password").fill("any")
    page.get_by_role("button", name="Sign-in").click()
    page.get_by_role("button", name="Continue").click()


@pytest.fixture
def stranger(browser: Browser) -> Iterator[Page]:
    """A browser that nobody has used."""
    with contextlib.closing(browser.new_context()) as context:
        yield context.new_page()


def test_who_has_a_group_is_let_in_with_its_role_and_comes_back_to_where_it_was(
    up: Up, stranger: Page
) -> None:
    sign_in(stranger, up, "ada")
    stranger.wait_for_url("**/over-time*")
    expect(stranger.get_by_title("Signed in as ada (operator)")).to_be_visible()
    stranger.goto(f"{up.url}/account")
    expect(stranger.get_by_text("managed by the OpenID provider")).to_be_visible()
    stranger.get_by_role("button", name="Sign out").last.click()
    expect(stranger.get_by_role("heading", name="Sign in to tukur")).to_be_visible()


def test_who_has_none_of_the_groups_is_told_so(up: Up, stranger: Page) -> None:
    sign_in(stranger, up, "eve")
    expect(stranger.get_by_role("alert")).to_contain_text("you have no role here")
    assert stranger.request.get(f"{up.url}/api/session").status == 401


def test_an_answer_is_good_once_and_in_the_browser_that_began_alone(
    up: Up, stranger: Page, browser: Browser
) -> None:
    answers: list[str] = []
    stranger.on("request", lambda asked: answers.append(asked.url) if "/return?" in asked.url else None)
    sign_in(stranger, up, "ben")
    stranger.wait_for_url("**/over-time*")
    with contextlib.closing(browser.new_context()) as context:
        thief = context.new_page()
        thief.goto(answers[0])
        expect(thief.get_by_role("alert")).to_contain_text("did not sign you in")
        assert thief.request.get(f"{up.url}/api/session").status == 401
