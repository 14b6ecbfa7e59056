"""`tukur doctor` asks the hub of the data directory whether it works."""

import asyncio
from pathlib import Path

import pytest

from tests.support.hub import running_hub
from tests.support.waiting import until
from tukur.cli import main
from tukur.hub.address import HubAddress, write_address
from tukur.hub.orders.orders import Orders
from tukur.supervisor import Supervisor


async def doctor(folder: Path) -> int:
    return await asyncio.to_thread(main, ["doctor", "--data", str(folder)])


async def test_a_hub_that_works_is_said_to_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with running_hub(tmp_path) as hub:
        write_address(tmp_path, HubAddress(hub.url))
        assert await doctor(tmp_path) == 0
        assert f"ok       hub at {hub.url}: works" in capsys.readouterr().out


async def test_a_task_that_does_not_run_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def failing(_: object) -> None:
        raise RuntimeError("unexpected")

    monkeypatch.setattr(Orders, "run", failing)
    monkeypatch.setattr("tukur.hub.app.Supervisor", lambda: Supervisor(wait_s=(30, 30)))
    async with running_hub(tmp_path) as hub:
        write_address(tmp_path, HubAddress(hub.url))
        await until(lambda: hub.parts.supervisor.failing() == ["orders"])
        assert await doctor(tmp_path) == 0
        told = capsys.readouterr().out
    assert f"missing  hub at {hub.url}: background tasks that do not run: orders" in told


async def test_a_hub_that_does_not_answer_is_no_reason_to_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_address(tmp_path, HubAddress("http://127.0.0.1:9"))
    assert await doctor(tmp_path) == 0
    assert "missing  hub at http://127.0.0.1:9: no answer" in capsys.readouterr().out


async def test_without_a_hub_nothing_is_said_of_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await doctor(tmp_path) == 0
    assert "hub at" not in capsys.readouterr().out
