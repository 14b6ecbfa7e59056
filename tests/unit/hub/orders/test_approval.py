"""Orders that wait for a second person, and orders beyond one signal."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.hub import HOST, RunningHub, agent, running_hub
from tests.support.record import BOOT
from tukur.hub.orders.machine import Limits
from tukur.protocol import messages


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[RunningHub]:
    async with running_hub(tmp_path) as running:
        await running.parts.store.control.enrolments.change(HOST, needs_approval=True)
        yield running


@pytest.fixture
async def ada(hub: RunningHub) -> AsyncIterator[httpx.AsyncClient]:
    async with await hub.signed_in("operator") as client:
        yield client


@pytest.fixture
async def ben(hub: RunningHub) -> AsyncIterator[httpx.AsyncClient]:
    async with await hub.signed_in("admin") as client:
        yield client


async def ask(client: httpx.AsyncClient, **changed: Any) -> httpx.Response:
    body = {"boot_id": BOOT, "pid": 10, "start_ns": "1234", "signal": "KILL", **changed}
    body = {name: value for name, value in body.items() if value is not None}
    return await client.post(f"/api/hosts/{HOST}/orders", json=body)


async def decide(client: httpx.AsyncClient, order: dict[str, Any], *, approve: bool) -> httpx.Response:
    return await client.post(f"/api/orders/{order['order_id']}/decision", json={"approve": approve})


async def test_nothing_is_sent_until_somebody_else_approves(
    hub: RunningHub, ada: httpx.AsyncClient, ben: httpx.AsyncClient
) -> None:
    async with agent(hub) as owl:
        order = (await ask(ada, reason="it hurts")).json()
        assert (order["outcome"], order["final"], order["approver"]) == ("waiting", False, "")
        assert not [each for each in owl.heard if isinstance(each, messages.Order)]
        decided = (await decide(ben, order, approve=True)).json()
        assert (decided["outcome"], decided["approver"], decided["actor"]) == (
            "pending",
            "a admin",
            "a operator",
        )
        body = messages.order_body.decode((await owl.hear(messages.Order)).body)
        assert (body.order_id, body.signal, body.actor) == (order["order_id"], "KILL", "a operator")
        lines = b"".join([each async for each in hub.parts.audit.lines()])
        assert b"order.request" in lines
        assert lines.index(b"order.decide") < lines.index(b"order.issue")


async def test_whoever_asks_does_not_approve_and_neither_does_a_token_or_a_viewer(
    hub: RunningHub, ada: httpx.AsyncClient
) -> None:
    async with agent(hub) as owl, await hub.bearer("admin") as token, await hub.signed_in("viewer") as viewer:
        order = (await ask(ada)).json()
        refusals = [await decide(each, order, approve=True) for each in (ada, token, viewer)]
        assert [each.json()["code"] for each in refusals] == ["own_order", "person_needed", "role_too_low"]
        assert not [each for each in owl.heard if isinstance(each, messages.Order)]


async def test_an_order_is_approved_once_and_one_that_was_declined_never(
    hub: RunningHub, ada: httpx.AsyncClient, ben: httpx.AsyncClient
) -> None:
    async with agent(hub) as owl:
        first, second = (await ask(ada)).json(), (await ask(ada)).json()
        assert (await decide(ben, first, approve=True)).status_code == 200
        assert (await decide(ben, first, approve=True)).json()["code"] == "not_waiting"
        declined = (await decide(ben, second, approve=False)).json()
        assert (declined["outcome"], declined["final"]) == ("declined", True)
        assert (await decide(ben, second, approve=True)).json()["code"] == "not_waiting"
        await owl.hear(messages.Order)
        assert len([each for each in owl.heard if isinstance(each, messages.Order)]) <= 1


async def test_an_order_that_nobody_approves_is_declined_in_the_end(
    hub: RunningHub, ada: httpx.AsyncClient
) -> None:
    hub.parts.orders.limits = Limits(approval_s=0.05)
    async with agent(hub):
        order = (await ask(ada)).json()
        last = (await ada.get(f"/api/orders/{order['order_id']}", params={"wait_s": 5})).json()
        assert (last["outcome"], last["final"]) == ("declined", True)


async def test_a_hub_that_wants_reasons_sends_nothing_without_one(tmp_path: Path) -> None:
    async with running_hub(tmp_path, reason_needed=True) as hub, agent(hub) as owl:
        async with await hub.signed_in("operator") as ada:
            assert (await ask(ada, reason="  ")).json()["code"] == "reason_needed"
            assert (await ask(ada, reason="it hurts")).status_code == 201
        assert messages.order_body.decode((await owl.hear(messages.Order)).body).reason == "it hurts"


# --- beyond one signal


async def test_an_action_reaches_the_agent_whole_and_no_older_agent_takes_it_for_a_signal(
    tmp_path: Path,
) -> None:
    async with running_hub(tmp_path) as hub, agent(hub) as owl, await hub.bearer("operator") as ops:
        asked = {"scope": "unit", "of": "web.service"}
        order = (await ask(ops, **asked)).json()
        body = messages.order_body.decode((await owl.hear(messages.Order)).body)
        assert body.signal == ""
        assert body.action == messages.Action(scope="unit", signal="KILL", of="web.service")
        member = messages.Member(pid=10, start_ns=1234, name="web", outcome="exited")
        await owl.send(
            messages.OrderResult(
                order_id=order["order_id"], outcome="exited", final=True, freed=4096, members=[member], more=7
            )
        )
        last = (await ops.get(f"/api/orders/{order['order_id']}", params={"wait_s": 5})).json()
        assert (last["scope"], last["of"], last["freed"], last["more"]) == ("unit", "web.service", 4096, 7)
        assert last["members"] == [
            {"pid": 10, "start_ns": "1234", "name": "web", "outcome": "exited", "detail": ""}
        ]
        order = (await ask(ops, verb="renice", signal=None, value="10")).json()
        body = messages.order_body.decode((await owl.hear(messages.Order)).body)
        assert body.action == messages.Action(verb="renice", value="10")


@pytest.mark.parametrize(
    "changed",
    [
        {"signal": None},
        {"verb": "renice"},
        {"verb": "renice", "signal": None, "value": "low"},
        {"verb": "ionice", "signal": None, "value": "realtime:0"},
        {"verb": "freeze", "signal": None},
        {"scope": "unit"},
        {"scope": "tree", "of": "web.service"},
        {"scope": "galaxy"},
        {"verb": "reboot"},
    ],
)
async def test_an_order_that_makes_no_sense_is_told_and_not_sent(
    tmp_path: Path, changed: dict[str, Any]
) -> None:
    async with running_hub(tmp_path) as hub, agent(hub) as owl, await hub.bearer("operator") as ops:
        answer = await ask(ops, **changed)
        assert answer.status_code == 400
        assert answer.json()["detail"]
        assert not [each for each in owl.heard if isinstance(each, messages.Order)]
