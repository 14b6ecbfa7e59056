"""What the agent costs, by part."""

import asyncio
import time

import pytest

from tukur.agent.cost import Cost

MS = 1_000_000


def burn(ms: float) -> None:
    until = time.thread_time_ns() + int(ms * MS)
    while time.thread_time_ns() < until:
        pass


def test_a_part_has_the_time_on_the_cpu_and_not_the_time_that_passed() -> None:
    cost = Cost()
    with cost.part("read"):
        burn(20)
        time.sleep(0.05)
    assert 20_000 <= cost.us()["read"] < 45_000


def test_a_part_that_fails_is_counted_all_the_same() -> None:
    cost = Cost()
    with pytest.raises(OSError, match="no disk"), cost.part("spool"):
        burn(5)
        raise OSError("no disk")
    assert cost.us()["spool"] >= 5_000


def test_the_parts_and_the_rest_add_up_to_what_the_process_used() -> None:
    cost = Cost()
    with cost.part("account"):
        burn(5)
    before = time.process_time_ns() // 1000
    whole = sum(cost.us().values())
    assert before <= whole <= time.process_time_ns() // 1000


async def test_what_others_do_while_a_part_waits_is_not_its_own() -> None:
    cost, others = Cost(), asyncio.Event()

    async def sending() -> str:
        burn(5)
        await others.wait()
        burn(5)
        return "sent"

    async def working() -> None:
        burn(60)
        others.set()

    async def measured() -> str:
        return await cost.awaited("send", sending())

    sent, _ = await asyncio.gather(measured(), working())
    assert sent == "sent"
    assert 10_000 <= cost.us()["send"] < 50_000


async def test_a_cancellation_reaches_what_is_awaited() -> None:
    ended = []

    async def waiting() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    async def measured() -> None:
        await Cost().awaited("send", waiting())

    task = asyncio.create_task(measured())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["cancelled"]
