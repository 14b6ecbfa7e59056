"""Signing in by password: who gets in, who must wait, who is not kept out."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from argon2 import PasswordHasher

from tests.support.hub import RunningHub, running_hub
from tukur.hub.auth.gate import COOKIE
from tukur.hub.auth.identity import Rights, Role
from tukur.hub.auth.users import Change

GOOD, OTHER = "four owls on a wire", "five owls on a roof"


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[RunningHub]:
    async with running_hub(tmp_path) as running:
        await add(running, "ada")
        yield running


async def add(hub: RunningHub, name: str, password: str = GOOD) -> None:
    await hub.parts.users.add(name, Rights(Role.VIEWER))
    passwords = hub.parts.users._passwords
    await hub.parts.store.control.users.change(name, {"password": await passwords.hash(password)})


async def sign_in(client: httpx.AsyncClient, user: str, password: str, code: str = "") -> httpx.Response:
    asked = {"user": user, "password": password, "code": code}
    return await client.post("/api/session", json=asked, headers={"Origin": str(client.base_url).rstrip("/")})


async def test_a_name_and_its_password_sign_in(hub: RunningHub) -> None:
    async with hub.client() as browser:
        answer = await sign_in(browser, "ada", GOOD)
        assert (answer.status_code, answer.json()["user"], answer.json()["role"]) == (201, "ada", "viewer")
        assert (await browser.get("/api/session")).json() == answer.json()
        assert GOOD not in str(answer.headers)


async def test_an_unknown_user_and_a_wrong_password_are_refused_in_the_same_words(hub: RunningHub) -> None:
    await hub.parts.users.add("linked", Rights(Role.VIEWER))
    await add(hub, "off")
    await hub.parts.users.change("off", Change(disabled=True))
    async with hub.client() as browser:
        tries = (("ada", OTHER), ("nobody", GOOD), ("linked", ""), ("off", GOOD), ("ada", ""))
        told = {(await sign_in(browser, *each)).text for each in tries}
    assert len(told) == 1
    assert "credentials_not_valid" in told.pop()


async def test_a_password_hashed_by_lesser_parameters_is_hashed_anew_at_sign_in(hub: RunningHub) -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(GOOD)
    await hub.parts.store.control.users.change("ada", {"password": weak})
    async with hub.client() as browser:
        assert (await sign_in(browser, "ada", GOOD)).status_code == 201
        row = await hub.parts.store.control.users.user("ada")
        assert row is not None
        assert "m=19456,t=2" in str(row.password)
        assert (await sign_in(browser, "ada", GOOD)).status_code == 201


async def test_whoever_guesses_at_an_account_must_wait_from_wherever(hub: RunningHub) -> None:
    limit = hub.parts.sign_in.by_address
    async with hub.client() as guesser:
        for _ in range(10):
            assert (await sign_in(guesser, "ada", OTHER)).status_code == 401
            limit.undo_failure("127.0.0.1")
        answer = await sign_in(guesser, "ADA", GOOD)
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_requests")
        assert 0 < int(answer.headers["Retry-After"]) <= 900
        assert (await sign_in(guesser, "nobody", OTHER)).status_code == 401


async def test_who_is_guessed_at_still_gets_in_by_a_known_browser_by_a_link_and_by_an_open_session(
    hub: RunningHub,
) -> None:
    limit = hub.parts.sign_in.by_address
    async with hub.client() as own, hub.client() as guesser, hub.client() as another:
        assert (await sign_in(own, "ada", GOOD)).status_code == 201
        for _ in range(12):
            await sign_in(guesser, "ada", OTHER)
            limit.undo_failure("127.0.0.1")
        assert (await sign_in(guesser, "ada", GOOD)).status_code == 429
        assert (await own.get("/api/hosts")).status_code == 200
        assert (await sign_in(own, "ada", GOOD)).status_code == 201
        link = await hub.parts.auth.new_link("ada")
        assert (await another.post("/api/session", json={"token": link})).status_code == 201
        assert (await sign_in(another, "ada", GOOD)).status_code == 201, "known since the link"


async def test_a_known_browser_is_braked_by_itself_and_is_none_for_another_user(hub: RunningHub) -> None:
    await add(hub, "bob", OTHER)
    limit = hub.parts.sign_in.by_address
    async with hub.client() as own, hub.client() as fresh:
        await sign_in(own, "bob", OTHER)
        for _ in range(11):
            answer = await sign_in(own, "bob", GOOD)
            limit.undo_failure("127.0.0.1")
        assert answer.status_code == 429
        assert (await sign_in(fresh, "bob", OTHER)).status_code == 201
        for _ in range(10):
            await sign_in(fresh, "ada", OTHER)
            limit.undo_failure("127.0.0.1")
        assert (await sign_in(own, "ada", GOOD)).status_code == 429


async def test_guessing_from_one_address_is_braked_whatever_the_names(hub: RunningHub) -> None:
    async with hub.client() as guesser:
        for number in range(10):
            assert (await sign_in(guesser, f"user-{number}", OTHER)).status_code == 401
        assert (await sign_in(guesser, "ada", GOOD)).status_code == 429


async def test_a_new_session_has_a_new_secret_and_ends_the_one_before(hub: RunningHub) -> None:
    async with hub.client() as browser:
        await sign_in(browser, "ada", GOOD)
        first = browser.cookies[COOKIE]
        await sign_in(browser, "ada", GOOD)
        assert browser.cookies[COOKIE] != first
        async with hub.client(Cookie=f"{COOKIE}={first}") as thief:
            assert (await thief.get("/api/session")).status_code == 401
        async with hub.client(Cookie=f"{COOKIE}=planted") as victim:
            answer = await sign_in(victim, "ada", GOOD)
            assert "planted" not in answer.headers["set-cookie"]


@pytest.mark.parametrize("body", [{}, {"user": "ada", "token": "x"}, {"user": ""}, {"user": "x" * 101}])
async def test_a_sign_in_is_by_a_link_or_by_a_password(hub: RunningHub, body: dict[str, str]) -> None:
    async with hub.client() as browser:
        answer = await browser.post("/api/session", json=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


async def test_failures_are_in_the_audit_log_and_never_what_was_typed_for_a_name(hub: RunningHub) -> None:
    async with hub.client() as browser, await hub.bearer("admin") as admin:
        await sign_in(browser, "ada", OTHER)
        await sign_in(browser, "my-secret-in-the-wrong-field", "")
        await sign_in(browser, "ada", GOOD)
        text = (await admin.get("/api/audit/export")).text
        told = (await admin.get("/api/audit", params={"action": "session.begin"})).json()["entries"]
    assert [(e["actor"], e["target"], e["result"]) for e in told] == [
        ("ada", "", "done"),
        ("", "", "credentials_not_valid"),
        ("", "ada", "credentials_not_valid"),
    ]
    assert "my-secret" not in text
    assert GOOD not in text
    assert OTHER not in text
