"""An order on its way: signed, sent, followed, and kept."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.hub import HOST, ORDER_KEY, OTHER, RunningHub, agent, recorded, running_hub
from tests.support.record import BOOT, Machine
from tukur.hub.orders.machine import Limits
from tukur.protocol import auth, messages


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[RunningHub]:
    async with running_hub(tmp_path) as running:
        yield running


@pytest.fixture
async def operator(hub: RunningHub) -> AsyncIterator[httpx.AsyncClient]:
    async with await hub.bearer("operator", "ops") as client:
        yield client


def request(**changed: Any) -> dict[str, Any]:
    return {"boot_id": BOOT, "pid": 10, "start_ns": "123456789012345678", "signal": "TERM", **changed}


async def issue(operator: httpx.AsyncClient, host_id: str = HOST, **changed: Any) -> dict[str, Any]:
    answer = await operator.post(f"/api/hosts/{host_id}/orders", json=request(**changed))
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def follow(operator: httpx.AsyncClient, order_id: str, wait_s: float = 0) -> dict[str, Any]:
    answer = await operator.get(f"/api/orders/{order_id}", params={"wait_s": wait_s})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def result(
    order_id: str, outcome: Any = "exited", *, final: bool = True, **more: Any
) -> messages.OrderResult:
    return messages.OrderResult(order_id=order_id, outcome=outcome, final=final, **more)


async def test_an_order_reaches_the_agent_signed_by_the_hub_and_says_all_of_it(
    hub: RunningHub, operator: httpx.AsyncClient
) -> None:
    async with agent(hub) as owl:
        begun = time.time_ns()
        order = await issue(operator, signal="KILL", reason="it eats all memory")
        assert (order["final"], order["outcome"], order["actor"]) == (False, "pending", "token:ops")
        sent = await owl.hear(messages.Order)
        assert auth.verify(auth.public_key(ORDER_KEY), auth.order_text(sent.body), sent.signature)
        body = messages.order_body.decode(sent.body)
        assert (body.order_id, body.host_id, body.signal) == (order["order_id"], HOST, "KILL")
        assert body.target == messages.ProcessKey(BOOT, 10, 123456789012345678)
        assert (body.actor, body.reason) == ("token:ops", "it eats all memory")
        assert begun <= body.issued_wall_ns <= time.time_ns()
        assert body.expires_wall_ns - body.issued_wall_ns == Limits().expires_s * 10**9
        await issue(operator)
        assert messages.order_body.decode((await owl.hear(messages.Order)).body).nonce != body.nonce


async def test_what_the_agent_tells_is_kept_to_the_last_word(
    hub: RunningHub, operator: httpx.AsyncClient
) -> None:
    async with agent(hub) as owl:
        order_id = (await issue(operator))["order_id"]
        following = asyncio.create_task(follow(operator, order_id, 10))
        await owl.send(result(order_id, "delivered", final=False, after_ms=0.1))
        await owl.send(result(order_id, after_ms=12.5, exit_signal=15, respawned_pid=99))
        told = await following
        if not told["final"]:
            told = await follow(operator, order_id, 10)
        assert (told["outcome"], told["final"], told["after_ms"]) == ("exited", True, 12.5)
        assert (told["exit_signal"], told["exit_code"], told["respawned_pid"]) == (15, None, 99)
        assert await follow(operator, order_id) == told


async def test_a_final_word_is_the_last(hub: RunningHub, operator: httpx.AsyncClient) -> None:
    async with agent(hub) as owl:
        order_id = (await issue(operator))["order_id"]
        await owl.send(result(order_id, "refused", code="policy"), result(order_id, "exited"))
        told = await follow(operator, order_id, 10)
        other = (await issue(operator))["order_id"]
        await owl.send(result(other))
        assert (await follow(operator, other, 10))["final"], "by now both words were heard"
        assert await follow(operator, order_id) == told
        assert (told["outcome"], told["code"]) == ("refused", "policy")


async def test_another_host_cannot_answer_for_this_one(hub: RunningHub, operator: httpx.AsyncClient) -> None:
    async with agent(hub) as owl, agent(hub, OTHER) as other:
        order_id = (await issue(operator))["order_id"]
        await other.send(result(order_id, "exited"))
        with pytest.raises(TimeoutError):
            await other.hear(messages.Order, 0.1)
        assert not (await follow(operator, order_id, 0.1))["final"]
        await owl.send(result("no such order"), result(order_id, "alive"))
        assert (await follow(operator, order_id, 10))["outcome"] == "alive"


async def test_who_waits_for_news_is_woken_by_it(hub: RunningHub, operator: httpx.AsyncClient) -> None:
    async with agent(hub) as owl:
        order_id = (await issue(operator))["order_id"]
        begun = time.monotonic()
        following = asyncio.create_task(follow(operator, order_id, 20))
        # Long enough for an answer that does not wait.
        await asyncio.sleep(0.1)
        assert not following.done()
        await owl.send(result(order_id))
        assert (await following)["final"]
        assert time.monotonic() - begun < 5


async def test_who_waits_in_vain_gets_what_is_known(hub: RunningHub, operator: httpx.AsyncClient) -> None:
    async with agent(hub) as owl:
        order_id = (await issue(operator))["order_id"]
        await owl.send(result(order_id, "delivered", final=False))
        told = await follow(operator, order_id, 0.3)
        assert (told["outcome"], told["final"]) == ("delivered", False)


async def test_a_host_that_is_offline_takes_no_order(hub: RunningHub, operator: httpx.AsyncClient) -> None:
    answer = await operator.post(f"/api/hosts/{HOST}/orders", json=request())
    assert (answer.status_code, answer.json()["code"]) == (409, "host_offline")
    assert (await operator.get("/api/orders")).json() == {"orders": []}
    answer = await operator.post("/api/hosts/nobody/orders", json=request())
    assert (answer.status_code, answer.json()["code"]) == (404, "host_unknown")
    answer = await operator.get("/api/orders/nothing")
    assert (answer.status_code, answer.json()["code"]) == (404, "order_unknown")


async def test_an_order_that_nobody_answers_ends_as_no_answer(
    hub: RunningHub, operator: httpx.AsyncClient
) -> None:
    hub.parts.orders.limits = Limits(expires_s=1, observed_s=-0.8)
    async with agent(hub) as owl:
        order_id = (await issue(operator))["order_id"]
        told = await follow(operator, order_id, 10)
        await owl.hear(messages.Order)
    assert (told["outcome"], told["final"]) == ("no_answer", True)
    assert told["detail"] == "the host has not reported what happened"


async def test_an_order_that_was_under_way_when_the_hub_ended_gets_a_last_word_after_its_start(
    tmp_path: Path,
) -> None:
    async with running_hub(tmp_path) as hub, agent(hub), await hub.bearer("operator", "ops") as operator:
        hub.parts.orders.limits = Limits(expires_s=1, observed_s=0)
        order_id = (await issue(operator))["order_id"]
    async with running_hub(tmp_path) as again, await again.bearer("operator", "more") as operator:
        assert (await follow(operator, order_id, 10))["outcome"] == "no_answer"


async def test_an_agent_that_goes_while_it_is_told_is_offline_and_the_order_is_in_the_record(
    hub: RunningHub, operator: httpx.AsyncClient
) -> None:
    async with agent(hub):
        hub.parts.bus._responders.clear()
        answer = await operator.post(f"/api/hosts/{HOST}/orders", json=request())
        assert (answer.status_code, answer.json()["code"]) == (409, "host_offline")
    (order,) = (await operator.get("/api/orders")).json()["orders"]
    assert (order["outcome"], order["final"], order["code"]) == ("no_answer", True, "host_offline")


async def test_the_list_has_the_newest_first_with_the_name_that_was_recorded(
    hub: RunningHub, operator: httpx.AsyncClient
) -> None:
    machine = Machine()
    start_ns = machine.start(10, "worker")
    await recorded(hub, machine.block(2))
    async with agent(hub) as owl:
        first = await issue(operator, start_ns=str(start_ns))
        # They are ordered by milliseconds.
        await asyncio.sleep(0.005)
        second = await issue(operator, start_ns=str(start_ns + 1))
        assert (first["name"], second["name"]) == ("worker", "")
        listed = (await operator.get("/api/orders")).json()["orders"]
        assert [order["order_id"] for order in listed] == [second["order_id"], first["order_id"]]
        assert len((await operator.get("/api/orders?limit=1")).json()["orders"]) == 1
        await owl.send(result(first["order_id"]))
        await follow(operator, first["order_id"], 10)


@pytest.mark.parametrize(
    "changed",
    [
        {"start_ns": str(2**63)},
        {"start_ns": "9" * 20},
        {"boot_id": "no boot"},
        {"boot_id": ""},
        {"boot_id": BOOT.upper().replace("9", "F")},
    ],
)
async def test_a_key_that_no_process_can_have_is_told_and_reaches_no_agent(
    hub: RunningHub, operator: httpx.AsyncClient, changed: dict[str, Any]
) -> None:
    async with agent(hub) as owl:
        answer = await operator.post(f"/api/hosts/{HOST}/orders", json=request(**changed))
        assert answer.status_code == 400, answer.text
        with pytest.raises(TimeoutError):
            await owl.hear(messages.Order, 0.05)
