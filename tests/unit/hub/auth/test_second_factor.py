"""Codes of an authenticator, and recovery codes."""

import base64
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from tests.support.hub import RunningHub, running_hub

GOOD = "four owls on a wire"


class Clock:
    def __init__(self) -> None:
        self.now = float(int(time.time()) // 30 * 30 + 5)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[RunningHub]:
    async with running_hub(tmp_path) as running:
        running.parts.second_factor._clock = Clock()
        yield running


@pytest.fixture
async def browser(hub: RunningHub) -> AsyncIterator[httpx.AsyncClient]:
    """Signed in by a link, with a password."""
    async with await hub.signed_in() as client:
        assert (await client.put("/api/account/password", json={"new": GOOD})).status_code == 204
        yield client


def clock(hub: RunningHub) -> Clock:
    found = hub.parts.second_factor._clock
    assert isinstance(found, Clock)
    return found


def code(hub: RunningHub, secret: str, periods: int = 0) -> str:
    totp = TOTP(base64.b32decode(secret), 6, SHA1(), 30)
    return totp.generate(int(clock(hub).now) + 30 * periods).decode()


async def switched_on(hub: RunningHub, browser: httpx.AsyncClient) -> tuple[str, list[str]]:
    """(secret, recovery codes); the next period has begun."""
    secret = (await browser.post("/api/account/second-factor")).json()["secret"]
    answer = await browser.put("/api/account/second-factor", json={"code": code(hub, secret)})
    assert answer.status_code == 200, answer.text
    clock(hub).now += 30
    return secret, answer.json()["codes"]


async def sign_in(hub: RunningHub, said: str) -> str:
    """What comes of name, password and this code: `in`, or why not."""
    hub.parts.sign_in.by_address.undo_failure("127.0.0.1")
    async with hub.client() as client:
        asked = {"user": "a admin", "password": GOOD, "code": said}
        answer = await client.post("/api/session", json=asked)
        return "in" if answer.status_code == 201 else str(answer.json()["code"])


async def test_a_secret_counts_only_once_a_code_of_it_was_given(
    hub: RunningHub, browser: httpx.AsyncClient
) -> None:
    begun = (await browser.post("/api/account/second-factor")).json()
    assert begun["uri"].startswith("otpauth://totp/tukur%20127.0.0.1")
    assert f"secret={begun['secret']}" in begun["uri"]
    assert begun["picture"].startswith("data:image/svg+xml")
    assert await sign_in(hub, "") == "in"
    answer = await browser.put("/api/account/second-factor", json={"code": "000000"})
    assert (answer.status_code, answer.json()["code"]) == (403, "code_not_valid")
    assert await sign_in(hub, "") == "in"
    answer = await browser.put("/api/account/second-factor", json={"code": code(hub, begun["secret"])})
    assert len(set(answer.json()["codes"])) == 10
    assert await sign_in(hub, "") == "code_needed"


async def test_a_code_is_good_once_and_only_in_its_time(hub: RunningHub, browser: httpx.AsyncClient) -> None:
    secret, _ = await switched_on(hub, browser)
    assert await sign_in(hub, code(hub, secret, -1)) == "code_not_valid", "it was used to switch it on"
    assert await sign_in(hub, code(hub, secret)) == "in"
    assert await sign_in(hub, code(hub, secret)) == "code_not_valid"
    assert await sign_in(hub, code(hub, secret, 1)) == "in"
    assert await sign_in(hub, code(hub, secret)) == "code_not_valid", "older than the one used last"
    clock(hub).now += 300
    assert await sign_in(hub, code(hub, secret, 2)) == "code_not_valid"
    assert await sign_in(hub, code(hub, secret, -2)) == "code_not_valid"
    assert await sign_in(hub, code(hub, secret, -1)) == "in"


async def test_a_recovery_code_is_good_once(hub: RunningHub, browser: httpx.AsyncClient) -> None:
    _, codes = await switched_on(hub, browser)
    assert await sign_in(hub, codes[3].upper().replace("-", " ")) == "in"
    assert await sign_in(hub, codes[3]) == "code_not_valid"
    assert await sign_in(hub, codes[4]) == "in"
    assert (await browser.get("/api/account")).json()["recovery_codes"] == 8


async def test_the_right_code_helps_nobody_with_a_wrong_password(
    hub: RunningHub, browser: httpx.AsyncClient
) -> None:
    secret, _ = await switched_on(hub, browser)
    async with hub.client() as client:
        asked = {"user": "a admin", "password": "another password", "code": code(hub, secret)}
        assert (await client.post("/api/session", json=asked)).json()["code"] == "credentials_not_valid"
    assert await sign_in(hub, code(hub, secret)) == "in", "it was not used up"


async def test_whoever_guesses_codes_must_wait(hub: RunningHub, browser: httpx.AsyncClient) -> None:
    await switched_on(hub, browser)
    told = [await sign_in(hub, f"{number:06}") for number in range(12)]
    assert told[:9] == ["code_not_valid"] * 9
    assert told[-1] == "too_many_requests"
    session = [
        (await browser.post("/api/account/second-factor/off", json={"code": "000000"})).status_code
        for _ in range(12)
    ]
    assert session == [403] * 10 + [429] * 2


async def test_it_is_switched_off_by_a_code_of_it_and_not_by_a_session_alone(
    hub: RunningHub, browser: httpx.AsyncClient
) -> None:
    secret, _ = await switched_on(hub, browser)
    assert (await browser.post("/api/account/second-factor")).status_code == 409
    answer = await browser.post("/api/account/second-factor/off", json={"code": ""})
    assert (answer.status_code, answer.json()["code"]) == (403, "code_needed")
    answer = await browser.post("/api/account/second-factor/off", json={"code": code(hub, secret)})
    assert answer.status_code == 204
    assert await sign_in(hub, "") == "in"


async def test_an_administrator_takes_it_off_for_whoever_lost_it(
    hub: RunningHub, browser: httpx.AsyncClient
) -> None:
    await switched_on(hub, browser)
    async with await hub.bearer("admin") as admin:
        answer = await admin.post("/api/users/a admin/reset", json={"second_factor": True})
        assert answer.status_code == 201, answer.text
        (user,) = (await admin.get("/api/users")).json()["users"]
        assert (user["second_factor"], user["password"]) == (False, False)
    assert (await browser.get("/api/session")).status_code == 401


async def test_whoever_has_the_database_has_neither_secret_nor_codes_nor_sessions(
    hub: RunningHub, browser: httpx.AsyncClient, tmp_path: Path
) -> None:
    secret, codes = await switched_on(hub, browser)
    with sqlite3.connect(tmp_path / "tukur.db") as database:
        dump = "\n".join(database.iterdump())
    raw = base64.b32decode(secret)
    for known in (secret, raw.hex(), *codes, *(each.replace("-", "") for each in codes), GOOD):
        assert known.lower() not in dump.lower()
    assert all(value not in dump for value in browser.cookies.values())
    assert "$argon2id$" in dump
