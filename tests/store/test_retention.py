"""What is too old goes, level by level; what is not stays, and nobody waits for it."""

import asyncio
import logging
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select

from tests.store.test_merging import minutes
from tests.store.test_rollups import BEGIN, three_hours
from tests.store.test_store import SECOND_BOOT, START, counts, put, the_host
from tests.support.hub import OTHER
from tests.support.record import SECOND, WALL, Machine
from tukur.hub.store import schema
from tukur.hub.store.maintenance.retention_policy import DAY_MS, Cutoffs, RetentionPolicy
from tukur.hub.store.record.rollups import HOUR_MS
from tukur.hub.store.store import Store

NOTHING = Cutoffs(0, 0, 0)


async def trim(store: Store, **cutoffs: int) -> int:
    chosen = Cutoffs(**{name: cutoffs.get(name, 0) for name in ("seconds_ms", "minutes_ms", "hours_ms")})
    return sum([deleted async for deleted in store.retention.trim(chosen)])


async def rows(store: Store, *tables: Any) -> list[int]:
    async with store.database.read() as connection:
        return [
            (await connection.execute(select(func.count()).select_from(table))).scalar_one()
            for table in tables
        ]


async def test_blocks_go_by_their_last_sample_and_minutes_stay(store: Store) -> None:
    await put(store, *minutes(2))
    before = await rows(store, schema.host_minute, schema.process_minute, schema.process)
    assert await trim(store, seconds_ms=START + 60_000) == 6
    assert await rows(store, schema.block) == [6]
    assert await rows(store, schema.host_minute, schema.process_minute, schema.process) == before
    assert (await the_host(store)).first_ms == START + 60_000
    assert await trim(store, seconds_ms=START + 60_000) == 0


async def test_minutes_go_and_the_hours_made_of_them_stay(store: Store) -> None:
    await put(store, *three_hours())
    levels, host = store.facts.rollups, await the_host(store)
    await levels.add_up(BEGIN + 3 * HOUR_MS, 100)
    told = await levels.process_sums(host.number, BEGIN, BEGIN + 3 * HOUR_MS)
    assert await trim(store, minutes_ms=BEGIN + 2 * HOUR_MS) > 0
    async with store.database.read() as connection:
        oldest = select(func.min(schema.process_minute.c.minute_ms))
        assert (await connection.execute(oldest)).scalar_one() >= BEGIN + 2 * HOUR_MS
        oldest = select(func.min(schema.device_minute.c.minute_ms))
        assert (await connection.execute(oldest)).scalar_one() >= BEGIN + 2 * HOUR_MS
    again = await levels.process_sums(host.number, BEGIN, BEGIN + 3 * HOUR_MS)
    assert sum(int(row.cpu_ns) for row in again) == sum(int(row.cpu_ns) for row in told)
    assert not await levels.has_minutes(host.number, BEGIN)
    assert await levels.has_minutes(host.number, BEGIN + 2 * HOUR_MS)


async def test_hours_go_with_the_lives_that_ended_before(store: Store) -> None:
    await put(store, *minutes(2))
    await store.facts.rollups.add_up(START + 10 * HOUR_MS, 100)
    # Six brief lives a minute, each over within its ten seconds; the worker lives on.
    assert await rows(store, schema.process, schema.image) == [13, 13]
    await trim(store, hours_ms=START + 60_000)
    left, images = await rows(store, schema.process, schema.image)
    assert left == images
    assert 6 < left <= 8
    await trim(store, hours_ms=START + 10 * HOUR_MS)
    assert await rows(store, schema.host_hour, schema.process_hour, schema.recorded_hour) == [0, 0, 0]
    assert await rows(store, schema.device_hour) == [0]
    assert (await rows(store, schema.process))[0] <= 2


async def test_lives_of_a_former_boot_whose_end_nobody_saw_go_too(store: Store) -> None:
    first = Machine()
    first.start(10, "worker")
    await put(store, first.block(10))
    await trim(store, hours_ms=START + DAY_MS)
    assert await rows(store, schema.process) == [1]
    second = Machine(boot_id=SECOND_BOOT, wall_ns=WALL + 60 * SECOND)
    second.start(20, "worker")
    await put(store, second.block(10))
    await trim(store, hours_ms=START + 50_000)
    async with store.database.read() as connection:
        assert list((await connection.execute(select(schema.process.c.pid))).scalars()) == [20]


async def test_the_current_boot_is_the_one_begun_last_whichever_came_here_first(store: Store) -> None:
    first, second = Machine(), Machine(SECOND_BOOT, wall_ns=WALL + 60 * SECOND, boot_ns=SECOND)
    first.start(10, "worker")
    second.start(20, "worker", start_ns=0)
    await put(store, second.block(10), first.block(10))
    await trim(store, hours_ms=START + DAY_MS)
    async with store.database.read() as connection:
        assert list((await connection.execute(select(schema.process.c.pid))).scalars()) == [20]


async def test_with_nothing_too_old_nothing_goes(store: Store) -> None:
    await put(store, *minutes(1))
    assert await trim(store) == 0
    assert RetentionPolicy().cutoffs(START).seconds_ms == START - 7 * DAY_MS


async def test_the_oldest_and_the_newest_of_a_record(store: Store) -> None:
    retention = store.retention
    assert (await retention.oldest(), await retention.newest_ms()) == (None, None)
    await put(store, *minutes(2))
    oldest = await retention.oldest()
    assert oldest is not None
    assert (oldest.minutes_ms, oldest.seconds_ms) == (START, START + 4000)
    assert await retention.newest_ms() == START + 114_000


async def test_blocks_are_stored_and_read_while_old_ones_are_deleted(store: Store) -> None:
    machine = Machine()
    blocks = minutes(8, machine=machine)
    await put(store, *blocks)
    later = minutes(2, machine=machine)
    host = await the_host(store)

    async def read() -> None:
        for _ in range(20):
            assert await store.facts.blocks.near(host.number, START + 470_000) is not None

    await asyncio.gather(trim(store, seconds_ms=START + 420_000), put(store, *later), read())
    assert await rows(store, schema.block) == [6 + 12]


async def test_a_deleted_block_that_comes_again_counts_nothing_twice(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    blocks = minutes(3)
    await put(store, *blocks)
    await trim(store, seconds_ms=START + 120_000)
    before = await counts(store)
    with caplog.at_level(logging.INFO):
        await put(store, *blocks)
    assert await counts(store) == before
    assert "was deleted already" in caplog.text
    await trim(store, seconds_ms=START + DAY_MS)
    await put(store, *reversed(blocks))
    assert await counts(store) == {**before, "block": 0}


async def test_what_waited_longer_than_blocks_are_kept_is_counted(store: Store) -> None:
    blocks = minutes(4)
    await put(store, *blocks)
    whole = await counts(store)
    other = [msgspec.structs.replace(block, boot_id=SECOND_BOOT) for block in blocks]
    await put(store, *other[18:], host_id=OTHER)
    await trim(store, seconds_ms=START + DAY_MS)
    await put(store, *other[:18], host_id=OTHER)
    told = await counts(store)
    assert (told["samples"], told["cpu_ns"]) == (2 * whole["samples"], 2 * whole["cpu_ns"])
    assert told["block"] == 18


async def test_runs_go_with_the_hours(store: Store) -> None:
    machine = Machine()
    machine.start(10, "worker")
    await put(store, machine.block(10))
    machine.restart_agent()
    await put(store, machine.block(10))
    assert await rows(store, schema.run) == [2]
    await trim(store, hours_ms=START + 5000)
    assert await rows(store, schema.run) == [1]
