"""Users as administrators manage them, and what each does with its own account."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.support.hub import HOST, RunningHub, running_hub
from tukur.hub.auth import service, users
from tukur.hub.auth.gate import COOKIE
from tukur.hub.auth.identity import Rights, Role
from tukur.hub.auth.users import Change
from tukur.hub.console.users import UserConsole
from tukur.hub.errors import ProblemError
from tukur.hub.store.control import sessions

CLIENTS: list[httpx.AsyncClient] = []
"""What a test opened: closed with the hub."""
GOOD, OTHER = "four owls on a wire", "five owls on a roof"


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[RunningHub]:
    async with running_hub(tmp_path) as running:
        yield running
        while CLIENTS:
            await CLIENTS.pop().aclose()


@pytest.fixture
async def admin(hub: RunningHub) -> AsyncIterator[httpx.AsyncClient]:
    async with await hub.signed_in() as client:
        yield client


def token_of(answer: httpx.Response) -> str:
    assert answer.status_code == 201, answer.text
    return str(answer.json()["link"].partition("#token=")[2])


async def by_link(hub: RunningHub, token: str) -> httpx.AsyncClient:
    client = hub.client(Origin=hub.url)
    CLIENTS.append(client)
    answer = await client.post("/api/session", json={"token": token})
    assert answer.status_code == 201, answer.text
    return client


async def by_password(hub: RunningHub, name: str, password: str = GOOD) -> httpx.AsyncClient:
    client = hub.client(Origin=hub.url)
    CLIENTS.append(client)
    answer = await client.post("/api/session", json={"user": name, "password": password})
    assert answer.status_code == 201, answer.text
    return client


async def added(hub: RunningHub, admin: httpx.AsyncClient, name: str, **rights: object) -> httpx.AsyncClient:
    """A new user, signed in by its link, with a password."""
    client = await by_link(hub, token_of(await admin.post("/api/users", json={"name": name, **rights})))
    assert (await client.put("/api/account/password", json={"new": GOOD})).status_code == 204
    return client


async def test_a_new_user_comes_by_a_link_sets_a_password_and_comes_by_that(
    hub: RunningHub, admin: httpx.AsyncClient
) -> None:
    client = await by_link(hub, token_of(await admin.post("/api/users", json={"name": "ada"})))
    account = (await client.get("/api/account")).json()
    assert (account["role"], account["password"], account["needs_present"]) == ("viewer", False, False)
    await client.put("/api/account/password", json={"new": GOOD})
    account = (await (await by_password(hub, "ada")).get("/api/account")).json()
    assert (account["password"], account["needs_present"]) == (True, True)
    assert [each["via"] for each in account["sessions"]] == ["password", "link"]
    assert [each["current"] for each in account["sessions"]] == [True, False]


async def test_to_set_a_password_takes_the_present_one_or_a_link_just_used(
    hub: RunningHub, admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await added(hub, admin, "ada")
    own = await by_password(hub, "ada")
    for present in ("", OTHER):
        answer = await own.put("/api/account/password", json={"new": OTHER, "present": present})
        assert (answer.status_code, answer.json()["code"]) == (403, "credentials_not_valid")
    assert (await own.put("/api/account/password", json={"new": OTHER, "present": GOOD})).status_code == 204
    await by_password(hub, "ada", OTHER)
    linked = await by_link(hub, await hub.parts.auth.new_link("ada"))
    monkeypatch.setattr(users, "FRESH_MS", 0)
    assert (await linked.put("/api/account/password", json={"new": GOOD})).status_code == 403
    monkeypatch.undo()
    assert (await linked.put("/api/account/password", json={"new": GOOD})).status_code == 204


async def test_whoever_found_an_open_session_cannot_guess_the_password_by_it(
    hub: RunningHub, admin: httpx.AsyncClient
) -> None:
    await added(hub, admin, "ada")
    own = await by_password(hub, "ada")
    told = [
        (await own.put("/api/account/password", json={"new": OTHER, "present": f"{n} guesses"})).status_code
        for n in range(11)
    ]
    assert told == [403] * 10 + [429]


async def test_another_password_ends_every_other_session(hub: RunningHub, admin: httpx.AsyncClient) -> None:
    first = await added(hub, admin, "ada")
    second = await by_password(hub, "ada")
    changed = await second.put("/api/account/password", json={"new": OTHER, "present": GOOD})
    assert changed.status_code == 204
    assert (await first.get("/api/session")).status_code == 401
    assert (await second.get("/api/session")).status_code == 200


@pytest.mark.parametrize("password", ["short", "password1234", "x" * 129, "adaadaadaada"])
async def test_a_bad_password_is_refused_and_changes_nothing(
    hub: RunningHub, admin: httpx.AsyncClient, password: str
) -> None:
    client = await added(hub, admin, "ada")
    answer = await client.put("/api/account/password", json={"new": password})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_password")
    await by_password(hub, "ada", GOOD)


async def test_sessions_are_listed_and_ended_one_by_one_or_all_others(
    hub: RunningHub, admin: httpx.AsyncClient
) -> None:
    await added(hub, admin, "ada")
    first, second, third = [await by_password(hub, "ada") for _ in range(3)]
    listed = (await first.get("/api/account")).json()["sessions"]
    assert len(listed) == 4
    assert all(each["address"] == "127.0.0.1" and each["browser"] for each in listed)
    (own,) = [each for each in (await second.get("/api/account")).json()["sessions"] if each["current"]]
    assert (await first.delete(f"/api/account/sessions/{own['session_id']}")).status_code == 204
    assert (await second.get("/api/session")).status_code == 401
    assert (await first.delete(f"/api/account/sessions/{own['session_id']}")).status_code == 404
    (others,) = [each for each in (await admin.get("/api/account")).json()["sessions"] if each["current"]]
    assert (await first.delete(f"/api/account/sessions/{others['session_id']}")).status_code == 404
    assert (await first.delete("/api/account/sessions")).status_code == 204
    assert (await third.get("/api/session")).status_code == 401
    assert len((await first.get("/api/account")).json()["sessions"]) == 1
    assert (await admin.get("/api/session")).status_code == 200


async def test_a_session_that_nobody_uses_ends_and_one_in_use_goes_on(
    hub: RunningHub, admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = service.now_ms()
    for hours in (12, 24, 36, 48):
        monkeypatch.setattr(service, "now_ms", lambda hours=hours: real + hours * 3_600_000)
        assert (await admin.get("/api/session")).status_code == 200, hours
    later = real + 48 * 3_600_000 + sessions.IDLE_MS + 1000
    monkeypatch.setattr(service, "now_ms", lambda: later)
    assert (await admin.get("/api/session")).status_code == 401


async def test_a_session_ends_after_a_week_however_much_it_is_used(
    hub: RunningHub, admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = service.now_ms()
    for hours in range(12, 168, 12):
        monkeypatch.setattr(service, "now_ms", lambda hours=hours: real + hours * 3_600_000)
        assert (await admin.get("/api/session")).status_code == 200, hours
    monkeypatch.setattr(service, "now_ms", lambda: real + 168 * 3_600_000 + 10_000)
    assert (await admin.get("/api/session")).status_code == 401


async def test_a_disabled_user_is_out_at_once_also_of_live_connections(
    hub: RunningHub, admin: httpx.AsyncClient
) -> None:
    client = await added(hub, admin, "ada")
    cookie = {"Cookie": f"{COOKIE}={client.cookies[COOKIE]}", "Origin": hub.url}
    async with connect(hub.socket(f"/api/live/{HOST}"), additional_headers=cookie, proxy=None) as socket:
        await socket.recv()
        assert (await admin.patch("/api/users/ada", json={"disabled": True})).json()["disabled"]
        with pytest.raises(ConnectionClosed):
            async with asyncio.timeout(20):
                await socket.recv()
        assert socket.close_code == 4401
    assert (await client.get("/api/session")).status_code == 401
    await admin.patch("/api/users/ada", json={"disabled": False})
    assert (await client.get("/api/session")).status_code == 401
    assert (await (await by_password(hub, "ada")).get("/api/session")).status_code == 200


async def test_an_administrator_ends_a_users_sessions(hub: RunningHub, admin: httpx.AsyncClient) -> None:
    client = await added(hub, admin, "ada")
    assert (await admin.delete("/api/users/ada/sessions")).status_code == 204
    assert (await client.get("/api/session")).status_code == 401
    await by_password(hub, "ada")


async def test_a_reset_takes_the_password_and_gives_a_link(hub: RunningHub, admin: httpx.AsyncClient) -> None:
    client = await added(hub, admin, "ada")
    token = token_of(await admin.post("/api/users/ada/reset", json={}))
    assert (await client.get("/api/session")).status_code == 401
    async with hub.client() as old:
        answer = await old.post("/api/session", json={"user": "ada", "password": GOOD})
        assert answer.status_code == 401
    again = await by_link(hub, token)
    assert (await again.put("/api/account/password", json={"new": OTHER})).status_code == 204


async def test_roles_on_all_hosts_and_on_groups_are_given_and_shown(
    hub: RunningHub, admin: httpx.AsyncClient
) -> None:
    client = await added(hub, admin, "ada", role="none", grants={"web": "operator"})
    assert (await client.get("/api/session")).json()["grants"] == {"web": "operator"}
    answer = await admin.patch("/api/users/ada", json={"role": "viewer"})
    assert (answer.json()["role"], answer.json()["grants"]) == ("viewer", {"web": "operator"})
    answer = await admin.patch("/api/users/ada", json={"role": "operator", "grants": {}})
    assert (answer.json()["role"], answer.json()["grants"]) == ("operator", {})
    assert (await client.get("/api/session")).json()["role"] == "operator"


async def test_the_last_administrator_cannot_be_removed_disabled_or_demoted(
    hub: RunningHub, admin: httpx.AsyncClient
) -> None:
    for answer in (
        await admin.delete("/api/users/a admin"),
        await admin.patch("/api/users/a admin", json={"disabled": True}),
        await admin.patch("/api/users/a admin", json={"role": "operator"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "last_admin")
    await added(hub, admin, "eve", role="admin")
    assert (await admin.delete("/api/users/a admin")).status_code == 204
    assert (await admin.get("/api/session")).status_code == 401


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"name": "token:ci"}, "bad_name"),
        ({"name": "local:root"}, "bad_name"),
        ({"name": "Hub"}, "bad_name"),
        ({"name": "a b"}, "bad_name"),
        ({"name": "x" * 65}, "bad_name"),
        ({"name": "ada", "role": "root"}, "bad_request"),
        ({"name": "ada", "role": "none"}, "bad_role"),
        ({"name": "ada", "grants": {"No Group": "viewer"}}, "bad_group"),
        ({"name": "ada", "password": "x"}, "bad_request"),
    ],
)
async def test_a_user_that_makes_no_sense_is_refused(
    admin: httpx.AsyncClient, body: dict[str, object], code: str
) -> None:
    answer = await admin.post("/api/users", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


async def test_names_are_taken_once_and_unknown_ones_are_told(admin: httpx.AsyncClient) -> None:
    token_of(await admin.post("/api/users", json={"name": "ada"}))
    answer = await admin.post("/api/users", json={"name": "ADA"})
    assert (answer.status_code, answer.json()["code"]) == (409, "user_known")
    for method, path in (
        ("PATCH", "/api/users/eve"),
        ("DELETE", "/api/users/eve"),
        ("POST", "/api/users/eve/reset"),
        ("DELETE", "/api/users/eve/sessions"),
    ):
        answer = await admin.request(method, path, json=None if method == "DELETE" else {})
        assert (answer.status_code, answer.json()["code"]) == (404, "user_unknown"), path


async def test_whatever_is_done_to_users_is_in_the_audit_log(
    hub: RunningHub, admin: httpx.AsyncClient
) -> None:
    client = await added(hub, admin, "ada", role="operator")
    await client.delete("/api/account/sessions")
    await admin.patch("/api/users/ada", json={"role": "viewer"})
    await admin.post("/api/users/ada/reset", json={})
    await admin.delete("/api/users/ada/sessions")
    await admin.delete("/api/users/ada")
    told = (await admin.get("/api/audit", params={"target": "ada"})).json()["entries"][::-1]
    assert [(each["actor"], each["action"]) for each in told] == [
        ("a admin", "user.add"),
        ("ada", "user.password"),
        ("ada", "session.revoke"),
        ("a admin", "user.change"),
        ("a admin", "user.reset"),
        ("a admin", "session.revoke"),
        ("a admin", "user.remove"),
    ]
    assert json.loads(told[0]["detail"]) == {"role": "operator", "grants": ""}
    assert json.loads(told[3]["detail"]) == {"role": "viewer", "grants": ""}


async def test_a_command_beside_the_hub_does_the_same(hub: RunningHub, tmp_path: Path) -> None:
    token = await UserConsole(tmp_path).add("ada", Rights(Role.ADMIN))
    client = await by_link(hub, token)
    await client.put("/api/account/password", json={"new": GOOD})
    (row,) = await UserConsole(tmp_path).all()
    assert (row.name, row.role, row.disabled, row.password is not None) == ("ada", "admin", False, True)
    with pytest.raises(ProblemError, match="last administrator"):
        await UserConsole(tmp_path).change("ada", Change(disabled=True))
    await UserConsole(tmp_path).reset("ada", second_factor=True)
    assert (await client.get("/api/session")).status_code == 401
    await UserConsole(tmp_path).add("eve", Rights(Role.ADMIN))
    await UserConsole(tmp_path).remove("ada")
    assert [row.name for row in await UserConsole(tmp_path).all()] == ["eve"]
