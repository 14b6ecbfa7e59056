"""A client that leaves in the middle of its question, on a real hub."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from tests.support.hub import RunningHub, running_hub
from tests.support.waiting import until
from tukur.hub.history.history import History
from tukur.hub.store.errors import EndedError, StoreError

ENDLESS = (
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 3000000000) SELECT SUM(x) FROM n"
)


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[RunningHub]:
    async with running_hub(tmp_path) as running:
        yield running


async def test_the_database_stops_when_the_client_that_asked_has_left(
    hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends: list[type[StoreError]] = []

    async def hosts(*_: Any, **__: Any) -> Any:
        try:
            async with hub.parts.store.database.read() as connection:
                await connection.execute(text(ENDLESS))
        except StoreError as error:
            ends.append(type(error))
            raise

    monkeypatch.setattr(History, "hosts", hosts)
    async with await hub.bearer("viewer") as viewer:
        for _ in range(6):
            with pytest.raises(httpx.ReadTimeout):
                await viewer.get("/api/hosts", timeout=0.2)
        await until(lambda: len(ends) == 6)
    assert set(ends) == {EndedError}
    monkeypatch.undo()
    async with await hub.bearer("admin") as viewer:
        assert len((await viewer.get("/api/hosts", timeout=2)).json()["hosts"]) == 2


async def test_what_is_answered_in_time_is_answered_as_ever(hub: RunningHub) -> None:
    async with await hub.bearer("viewer") as viewer:
        answers = await asyncio.gather(*(viewer.get("/api/hosts") for _ in range(20)))
        assert {answer.status_code for answer in answers} == {200}
        assert (await viewer.get("/api/hosts/none")).status_code == 404


async def test_a_question_with_a_body_is_answered_too(hub: RunningHub) -> None:
    async with await hub.bearer("viewer") as viewer:
        answer = await viewer.request("GET", "/api/hosts", content=b"x" * 1000)
        assert answer.status_code == 200
