"""Background tasks of the hub: a crash is logged, shown by the health check, and followed by a restart."""

import logging
from pathlib import Path

import pytest

from tests.support.hub import running_hub
from tests.support.waiting import until
from tukur.hub.maintenance import maintenance as module
from tukur.hub.orders.orders import Orders
from tukur.hub.store.control.orders import OrderRow, OrderTable
from tukur.supervisor import Supervisor


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tukur.hub.app.Supervisor", lambda: Supervisor(wait_s=(0.3, 0.3)))


async def test_an_unexpected_error_at_the_start_does_not_end_the_following_of_orders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    due_orders, fails, tries = OrderTable.due_orders, True, 0

    async def failing(self: OrderTable, now_ms: int) -> list[OrderRow]:
        nonlocal tries
        tries += 1
        if fails:
            raise RuntimeError("unexpected: secret/path")
        return await due_orders(self, now_ms)

    monkeypatch.setattr(OrderTable, "due_orders", failing)
    with caplog.at_level(logging.ERROR):
        async with running_hub(tmp_path) as hub, hub.client() as nobody:
            await until(lambda: hub.parts.supervisor.failing() == ["orders"])
            answer = await nobody.get("/healthz")
            assert (answer.status_code, answer.json()["code"]) == (503, "task_failed")
            assert "orders" in answer.json()["detail"]
            assert "secret" not in answer.text, "an error's text is not for strangers"
            fails = False
            await until(lambda: not hub.parts.supervisor.failing())
            answer = await nobody.get("/healthz")
            assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert tries >= 2
    assert "task orders crashed" in caplog.text
    assert "Traceback" in caplog.text


async def test_an_unexpected_error_does_not_end_the_maintenance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROUND_S", 0.01)
    rounds = 0

    async def failing(_: object) -> None:
        nonlocal rounds
        rounds += 1
        if rounds <= 2:
            raise RuntimeError("unexpected")

    monkeypatch.setattr(module.Maintenance, "round", failing)
    async with running_hub(tmp_path) as hub:
        await until(lambda: rounds > 4)
        assert hub.parts.supervisor.crashes() == {"maintenance": 2}
        await until(lambda: hub.parts.supervisor.failing() == [])


async def test_a_task_that_returns_is_shown_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def returning(_: object) -> None:
        return

    monkeypatch.setattr(Orders, "run", returning)
    async with running_hub(tmp_path) as hub, hub.client() as nobody:
        await until(lambda: hub.parts.supervisor.crashes().get("orders", 0) > 1)
        await until(lambda: hub.parts.supervisor.failing() == ["orders"])
        assert (await nobody.get("/healthz")).status_code == 503
