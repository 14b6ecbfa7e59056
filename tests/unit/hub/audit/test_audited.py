"""What is done over HTTP is in the audit log."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.hub import HOST, ORDER_KEY, RunningHub, agent, running_hub
from tests.support.record import BOOT
from tukur.hub.store.control.audit import AuditStore
from tukur.hub.store.errors import DiskFullError
from tukur.protocol import auth, messages

ORDER = {"boot_id": BOOT, "pid": 10, "start_ns": "123", "signal": "KILL", "reason": "it eats all memory"}


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[RunningHub]:
    async with running_hub(tmp_path) as running:
        yield running


@pytest.fixture
async def admin(hub: RunningHub) -> AsyncIterator[httpx.AsyncClient]:
    async with await hub.bearer("admin") as client:
        yield client


async def entries(admin: httpx.AsyncClient, **asked: Any) -> list[dict[str, Any]]:
    answer = await admin.get("/api/audit", params=asked)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["entries"])


async def test_signing_in_and_out_and_failing_to_are_told_with_the_address(
    hub: RunningHub, admin: httpx.AsyncClient
) -> None:
    async with await hub.signed_in("operator") as browser:
        await browser.delete("/api/session")
    async with hub.client() as nobody:
        await nobody.post("/api/session", json={"token": "guessed"})
    told = [
        (e["actor"], e["action"], e["result"], e["origin"]) for e in await entries(admin, action="session")
    ]
    assert told == [
        ("", "session.begin", "link_not_valid", "127.0.0.1"),
        ("an operator" if told[1][0].startswith("an") else "a operator", "session.end", "done", "127.0.0.1"),
        (told[1][0], "session.begin", "done", "127.0.0.1"),
    ]


async def test_an_order_is_told_with_its_signature_and_its_outcome(
    hub: RunningHub, admin: httpx.AsyncClient
) -> None:
    async with agent(hub) as owl, await hub.bearer("operator", "ops") as operator:
        order_id = (await operator.post(f"/api/hosts/{HOST}/orders", json=ORDER)).json()["order_id"]
        sent = await owl.hear(messages.Order)
        (issued,) = await entries(admin, action="order")
        detail = json.loads(issued["detail"])
        assert (issued["actor"], issued["target"], issued["result"]) == ("token:ops", HOST, "done")
        assert (detail["order_id"], detail["pid"], detail["reason"]) == (order_id, 10, "it eats all memory")
        assert (bytes.fromhex(detail["body"]), bytes.fromhex(detail["signature"])) == (
            sent.body,
            sent.signature,
        )
        public = auth.public_key(ORDER_KEY)
        assert auth.verify(public, auth.order_text(sent.body), bytes.fromhex(detail["signature"]))
        await owl.send(
            messages.OrderResult(
                order_id=order_id, outcome="refused", final=True, code="protected_process", detail="PID 1"
            )
        )
        await operator.get(f"/api/orders/{order_id}", params={"wait_s": 5})
    outcome = (await entries(admin, action="order.outcome"))[0]
    assert (outcome["actor"], outcome["result"]) == (f"host:{HOST}", "refused")
    assert json.loads(outcome["detail"])["code"] == "protected_process"


async def test_what_a_role_forbids_is_told_where_it_would_have_changed_something(
    hub: RunningHub, admin: httpx.AsyncClient
) -> None:
    async with await hub.bearer("viewer", "curious") as viewer:
        await viewer.post(f"/api/hosts/{HOST}/orders", json=ORDER)
        await viewer.get("/api/audit")
    (refused,) = await entries(admin, actor="token:curious")
    assert (refused["action"], refused["result"]) == ("access", "role_too_low")


async def test_an_order_that_cannot_be_put_on_record_is_not_sent(
    hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: Any) -> None:
        raise DiskFullError("no space left")

    async with agent(hub) as owl, await hub.bearer("operator", "ops") as operator:
        monkeypatch.setattr(AuditStore, "append", full)
        answer = await operator.post(f"/api/hosts/{HOST}/orders", json=ORDER)
        assert (answer.status_code, answer.json()["code"]) == (503, "disk_full")
        monkeypatch.undo()
        await operator.post(f"/api/hosts/{HOST}/orders", json={**ORDER, "pid": 11})
        body = messages.order_body.decode((await owl.hear(messages.Order)).body)
        assert body.target.pid == 11


async def test_pages_and_the_export_hold_the_same_entries(hub: RunningHub, admin: httpx.AsyncClient) -> None:
    for at in range(7):
        await hub.parts.audit.add("admin", "host.rename", f"host {at}")
    first = (await admin.get("/api/audit", params={"limit": 5})).json()
    second = (await admin.get("/api/audit", params={"limit": 5, "before": first["next"]})).json()
    assert second["next"] is None
    exported = [json.loads(line) for line in (await admin.get("/api/audit/export")).text.splitlines()]
    assert exported == [*first["entries"], *second["entries"]][::-1]
    assert exported[0]["action"] == "hub.start"


@pytest.mark.parametrize("asked", [{"limit": 0}, {"before": -1}, {"from": "soon"}, {"actor": "x" * 300}])
async def test_a_question_that_makes_no_sense_is_told_so(
    admin: httpx.AsyncClient, asked: dict[str, Any]
) -> None:
    answer = await admin.get("/api/audit", params=asked)
    assert answer.status_code == 400
    assert answer.json()["code"] in ("bad_request", "bad_time")
