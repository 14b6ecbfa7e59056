"""A role on a group of hosts ends at the group's edge, whatever is asked."""

import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.support.hub import HOST, OTHER, RunningHub, agent, running_hub
from tests.support.record import Machine
from tests.support.waiting import until
from tukur.hub.auth.identity import Rights, Role
from tukur.hub.auth.rights import ANY_HOST_ROLE, RIGHTS

pytestmark = pytest.mark.asyncio(loop_scope="module")

ORDER = {"boot_id": HOST, "pid": 10, "start_ns": "1", "signal": "TERM"}
VALUES = {
    "boot_id": HOST,
    "pid": "1",
    "start_ns": "1",
    "order_id": "none",
    "file_path": "sign-in",
    "name": "nobody",
}


@contextlib.asynccontextmanager
async def grouped_hub(folder: Path) -> AsyncIterator[RunningHub]:
    async with running_hub(folder) as running:
        await running.parts.store.control.enrolments.change(HOST, group_names="cache web")
        await running.parts.store.control.enrolments.change(OTHER, group_names="db")
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningHub]:
    async with grouped_hub(tmp_path_factory.mktemp("groups")) as running:
        yield running


async def somebody(hub: RunningHub, role: Role, name: str) -> httpx.AsyncClient:
    """Who has a role on the hosts of the group web and nothing else."""
    token = await hub.parts.auth.new_token(name, Rights(Role.NONE, {"web": role}), 1)
    return hub.client(Authorization=f"Bearer {token}")


def filled(path: str, host_id: str) -> str:
    return re.sub(r"{(\w+)}", lambda found: {**VALUES, "host_id": host_id}[found[1]], path)


async def status(client: httpx.AsyncClient, method: str, path: str) -> tuple[int, str]:
    body = ORDER if path.endswith("/orders") else {}
    answer = await client.request(method, path, json=body if method in ("POST", "PATCH") else None)
    code = answer.json().get("code", "") if answer.headers.get("content-type") == "application/json" else ""
    return answer.status_code, code


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.ADMIN])
async def test_every_route_of_a_host_outside_the_group_says_there_is_none(
    hub: RunningHub, role: Role
) -> None:
    async with await somebody(hub, role, f"all {role.label}") as limited:
        for (method, path), least in RIGHTS.items():
            if least is None or "{host_id}" not in path or method == "WEBSOCKET":
                continue
            assert await status(limited, method, filled(path, OTHER)) == (404, "host_unknown"), path
            if role < least:
                inside = await status(limited, method, filled(path, HOST))
                assert inside == (403, "role_too_low"), (method, path)
            elif method == "GET":
                assert (await status(limited, method, filled(path, HOST)))[0] not in (401, 403), path


async def test_what_is_the_fleets_as_a_whole_is_not_for_a_group(hub: RunningHub) -> None:
    async with await somebody(hub, Role.ADMIN, "fleet") as limited:
        for (method, path), least in RIGHTS.items():
            if least is None or "{host_id}" in path or (method, path) in ANY_HOST_ROLE:
                continue
            assert await status(limited, method, filled(path, HOST)) == (403, "role_too_low"), (method, path)


async def test_lists_show_the_hosts_of_the_group_alone(hub: RunningHub) -> None:
    async with await somebody(hub, Role.OPERATOR, "lists") as limited:
        hosts = (await limited.get("/api/hosts")).json()["hosts"]
        assert [(host["host_id"], host["role"]) for host in hosts] == [(HOST, "operator")]
        session = (await limited.get("/api/session")).json()
        assert (session["role"], session["grants"]) == ("none", {"web": "operator"})
    async with await hub.bearer("viewer", "all hosts") as viewer:
        assert len((await viewer.get("/api/hosts")).json()["hosts"]) == 2


@pytest_asyncio.fixture(loop_scope="module")
async def grouped(tmp_path: Path) -> AsyncIterator[RunningHub]:
    """A hub of its own: an order is watched until its deadline, or until the hub ends."""
    async with grouped_hub(tmp_path) as running:
        yield running


async def test_no_life_and_no_order_of_another_group_is_found(grouped: RunningHub) -> None:
    for host_id in (HOST, OTHER):
        machine = Machine(boot_id=host_id)
        machine.start(100, "owl")
        await grouped.parts.store.facts.blocks.put([(host_id, machine.block(10))])
        async with agent(grouped, host_id), await grouped.bearer("operator", f"orders {host_id}") as operator:
            made = await operator.post(f"/api/hosts/{host_id}/orders", json=ORDER)
            assert made.status_code == 201, made.text
    span = {"from": "1970-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"}
    async with (
        await somebody(grouped, Role.VIEWER, "found") as limited,
        await grouped.bearer("viewer", "v") as every,
    ):
        for client, wanted in ((limited, {HOST}), (every, {HOST, OTHER})):
            orders = (await client.get("/api/orders")).json()["orders"]
            assert {order["host_id"] for order in orders} == wanted
            lives = (await client.get("/api/lives", params={"q": "owl"})).json()["lives"]
            assert {life["host_id"] for life in lives} == wanted
            assert {
                each["host_id"] for each in (await client.get("/api/top", params=span)).json()["processes"]
            } <= wanted
        assert (await limited.get("/api/lives", params={"host": OTHER})).status_code == 404
        for order in (await every.get("/api/orders")).json()["orders"]:
            seen = (await limited.get(f"/api/orders/{order['order_id']}")).status_code
            assert seen == (200 if order["host_id"] == HOST else 404)


async def test_nobody_watches_a_host_of_another_group_live(hub: RunningHub) -> None:
    async with await somebody(hub, Role.ADMIN, "live") as limited:
        headers = {"Authorization": limited.headers["Authorization"]}
        async with connect(hub.socket(f"/api/live/{HOST}"), additional_headers=headers, proxy=None):
            pass
        with pytest.raises(InvalidStatus):
            async with connect(hub.socket(f"/api/live/{OTHER}"), additional_headers=headers, proxy=None):
                pass


async def test_whoever_watches_a_host_that_leaves_the_group_is_cut_off(
    hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tukur.hub.live.CHECK_S", 0.05)
    async with await somebody(hub, Role.VIEWER, "leaves") as limited:
        headers = {"Authorization": limited.headers["Authorization"]}
        async with connect(hub.socket(f"/api/live/{HOST}"), additional_headers=headers, proxy=None) as socket:
            await hub.parts.store.control.enrolments.change(HOST, group_names="cache")
            try:
                await until(lambda: socket.close_code == 4401)
            finally:
                await hub.parts.store.control.enrolments.change(HOST, group_names="cache web")


async def test_groups_are_changed_by_an_administrator_of_all_hosts_alone(hub: RunningHub) -> None:
    path = f"/api/hosts/{HOST}"
    async with await somebody(hub, Role.ADMIN, "group admin") as limited, await hub.bearer("admin") as admin:
        assert (await limited.patch(path, json={"name": "owl"})).json()["name"] == "owl"
        for change in ({"groups": ["web", "db"]}, {"needs_approval": True}):
            answer = await limited.patch(path, json=change)
            assert (answer.status_code, answer.json()["code"]) == (403, "role_too_low")
        assert (await admin.patch(path, json={"groups": ["a b"]})).json()["code"] == "bad_group"
        assert (await admin.patch(path, json={"groups": ["web", "cache"]})).json()["groups"] == [
            "cache",
            "web",
        ]


async def test_a_user_whose_rights_change_has_the_new_ones_at_once(hub: RunningHub) -> None:
    async with await hub.signed_in("viewer") as browser:
        assert (await browser.get("/api/store")).status_code == 200
        assert await hub.parts.store.control.users.change("a viewer", {"role": "none", "grants": "db=viewer"})
        assert (await browser.get("/api/store")).status_code == 403
        assert [host["host_id"] for host in (await browser.get("/api/hosts")).json()["hosts"]] == [OTHER]
