"""How hub parts reach each other."""

import asyncio
from typing import Any

import pytest

from tukur.hub.bus import Bus, NobodyThereError


async def test_what_is_published_reaches_everyone_who_is_subscribed_in_order() -> None:
    bus = Bus()
    bus.publish("a", 0)
    async with bus.subscribe("a", "b") as both, bus.subscribe("a") as one:
        for topic, item in (("a", 1), ("b", 2), ("a", 3), ("c", 4)):
            bus.publish(topic, item)
        assert [await both.get() for _ in range(3)] == [1, 2, 3]
        assert [await one.get() for _ in range(2)] == [1, 3]
    bus.publish("a", 5)
    assert not bus._topics, "nothing is kept for those who left"


async def test_a_subscriber_that_does_not_keep_up_loses_the_oldest_and_nobody_else_does() -> None:
    bus = Bus()
    async with bus.subscribe("a", size=3) as slow, bus.subscribe("a") as patient:
        for item in range(5):
            bus.publish("a", item)
        assert slow.dropped == 3
        assert [await slow.get() for _ in range(2)] == [3, 4]
        assert [await patient.get() for _ in range(5)] == [0, 1, 2, 3, 4]


async def test_a_request_is_answered_by_the_newest_responder() -> None:
    bus = Bus()

    async def first(_: Any) -> str:
        return "first"

    async def second(_: Any) -> str:
        return "second"

    with bus.respond("agent", first):
        assert await bus.request("agent", None, 1) == "first"
        with bus.respond("agent", second):
            assert await bus.request("agent", None, 1) == "second"
        with pytest.raises(NobodyThereError):
            await bus.request("agent", None, 1)


async def test_the_end_of_an_older_responder_leaves_the_newer_one_in_place() -> None:
    bus = Bus()

    async def old(_: Any) -> str:
        return "old"

    async def new(_: Any) -> str:
        return "new"

    older, newer = bus.respond("agent", old), bus.respond("agent", new)
    older.__enter__()
    newer.__enter__()
    older.__exit__(None, None, None)
    assert await bus.request("agent", None, 1) == "new"
    newer.__exit__(None, None, None)


async def test_a_responder_that_does_not_answer_in_time_is_told() -> None:
    bus = Bus()

    async def slow(_: Any) -> None:
        await asyncio.sleep(10)

    with bus.respond("agent", slow), pytest.raises(TimeoutError):
        await bus.request("agent", None, 0.01)
