"""Days as partitions on a server: made ahead, dropped whole, and nobody waits."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.dialects import mysql

from tests.store.test_store import put, the_host
from tests.support.hub import HOST, KEYS
from tests.support.mariadb import MariaDb
from tests.support.record import SECOND, WALL, Machine
from tukur.hub.maintenance.maintenance import Maintenance
from tukur.hub.store.backends.address import ServerAddress
from tukur.hub.store.maintenance.retention_policy import DAY_MS, Cutoffs, RetentionPolicy
from tukur.hub.store.schema import block, host_minute, process_minute
from tukur.hub.store.store import Store
from tukur.protocol import auth

NOON = WALL // SECOND // 86_400 * 86_400 * 1000 + DAY_MS // 2
"""The middle of the first recorded day, milliseconds."""


@pytest.fixture
async def store(empty: ServerAddress, tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(tmp_path, empty)
    await opened.control.enrolments.enrol(HOST, auth.public_key(KEYS[HOST]), "owl", WALL)
    yield opened
    await opened.close()


def machine_at(ms: int) -> Machine:
    machine = Machine(wall_ns=ms * 1_000_000, boot_ns=5_000_000 * SECOND + (ms - NOON) * 1_000_000)
    machine.start(10, "worker")
    return machine


async def record(store: Store, *days: int) -> None:
    """Ten busy seconds at noon of each day."""
    for day in days:
        machine = machine_at(NOON + day * DAY_MS)
        machine.sample()
        machine.work(10, cpu_s=0.5)
        await put(store, machine.block(9))


async def counts(store: Store) -> list[int]:
    async with store.database.read() as connection:
        return [
            (await connection.execute(select(func.count()).select_from(table))).scalar_one()
            for table in (block, host_minute, process_minute)
        ]


async def test_days_are_made_ahead_and_what_is_out_of_all_range_is_stored_too(store: Store) -> None:
    days = store.partitions
    assert [part.name for part in await days.partitions(block)] == ["later"]
    await record(store, 0)
    await days.ensure(NOON, NOON + DAY_MS)
    names = [part.name for part in await days.partitions(block)]
    assert names == ["d20231114", "d20231115", "d20231116", "later"]
    await days.ensure(NOON - DAY_MS, NOON + 2 * DAY_MS)
    assert [part.name for part in await days.partitions(process_minute)] == [
        "d20231113",
        "d20231114",
        "d20231115",
        "d20231116",
        "d20231117",
        "later",
    ]
    await record(store, -40, 1, 30_000)
    assert await counts(store) == [4, 4, 4]
    host = await the_host(store)
    for day in (-40, 0, 1, 30_000):
        found = await store.facts.blocks.near(host.number, NOON + day * DAY_MS)
        assert found is not None
        assert found.first_ms == NOON + day * DAY_MS
    await days.ensure(NOON, NOON + 5 * DAY_MS)
    assert await counts(store) == [4, 4, 4]


async def test_a_block_that_comes_again_is_known_whatever_day_it_is_said_to_be_of(store: Store) -> None:
    machine = machine_at(NOON)
    machine.sample()
    first = machine.block(9)
    await put(store, first)
    await store.partitions.ensure(NOON - 3 * DAY_MS, NOON)
    later = DAY_MS * 1_000_000
    moved = msgspec.structs.replace(
        first, first_wall_ns=first.first_wall_ns - later, last_wall_ns=first.last_wall_ns - later
    )
    await put(store, first, moved)
    assert (await counts(store))[0] == 1


async def test_only_whole_days_go_by_age_and_to_the_very_instant_where_room_is_wanted(store: Store) -> None:
    await store.partitions.ensure(NOON, NOON + 4 * DAY_MS)
    await record(store, 0, 1, 2, 3)
    retention = store.retention
    cutoff = NOON + 2 * DAY_MS + 60_000
    whole = await retention.align_to_partitions(Cutoffs(cutoff, cutoff, 0), cutoff + 2 * DAY_MS)
    assert whole.seconds_ms == whole.minutes_ms == NOON + 2 * DAY_MS - DAY_MS // 2
    assert sum([deleted async for deleted in retention.trim(whole)]) > 0
    assert await counts(store) == [2, 2, 2]
    assert [deleted async for deleted in retention.trim(Cutoffs(cutoff, 0, 0))]
    assert await counts(store) == [1, 2, 2]
    names = [part.name for part in await store.partitions.partitions(block)]
    assert names[0] == "d20231116"
    assert await retention.align_to_partitions(Cutoffs(cutoff, cutoff, 0), cutoff + DAY_MS) == Cutoffs(
        cutoff, cutoff, 0
    )


async def test_a_day_is_dropped_beside_readers_and_writers_and_none_of_them_waits(store: Store) -> None:
    days = store.partitions
    await days.ensure(NOON, NOON + 3 * DAY_MS)
    await record(store, 0, 1)
    host = await the_host(store)
    longest = 0.0
    async with store.database.read() as reader:
        await reader.execute(select(func.count()).select_from(block))

        async def drop() -> list[int]:
            return [rows async for rows in days.drop(NOON + DAY_MS)]

        dropping = asyncio.create_task(drop())
        until = time.monotonic() + 2
        day = 2
        while time.monotonic() < until:
            begun = time.monotonic()
            assert len(await store.facts.blocks.between(host.number, NOON, NOON + 60_000, tasks=False)) == 1
            machine = machine_at(NOON + 2 * DAY_MS + day * 20_000)
            await put(store, machine.block(5))
            longest = max(longest, time.monotonic() - begun)
            day += 1
            await asyncio.sleep(0.02)
        assert not dropping.done(), "it waits for the reader"
        still = await reader.execute(
            select(func.count()).select_from(block).where(block.c.first_ms < NOON + 1)
        )
        assert still.scalar_one() == 1
    assert len(await dropping) == 1
    assert longest < 1
    assert await store.facts.blocks.between(host.number, NOON, NOON + 60_000, tasks=False) == []


async def test_a_question_about_a_day_looks_at_no_other(store: Store) -> None:
    await store.partitions.ensure(NOON, NOON + 6 * DAY_MS)
    await record(store, *range(6))
    span = (NOON + 3 * DAY_MS, NOON + 3 * DAY_MS + 60_000)
    questions = (
        select(block.c.tasks).where(
            block.c.host == 1,
            block.c.last_ms >= span[0],
            block.c.first_ms < span[1],
            block.c.last_ms < span[1] + 120_000,
            block.c.first_ms >= span[0] - 120_000,
        ),
        select(process_minute).where(
            process_minute.c.boot == 1,
            process_minute.c.minute_ms >= span[0],
            process_minute.c.minute_ms < span[1],
        ),
    )
    async with store.database.read() as connection:
        for question in questions:
            options = {"literal_binds": True}
            words = str(question.compile(dialect=mysql.dialect(), compile_kwargs=options))
            (plan,) = (await connection.execute(text(f"EXPLAIN PARTITIONS {words}"))).mappings().all()
            assert plan["partitions"] == "d20231117"


async def test_the_keeper_makes_days_and_drops_them(store: Store, tmp_path: Path) -> None:
    await record(store, 0, 1, 2)
    keep = RetentionPolicy(seconds_ms=2 * DAY_MS, minutes_ms=2 * DAY_MS)
    now = NOON + 3 * DAY_MS - 60_000
    keeper = Maintenance(store, keep, tmp_path, lambda: now)
    await keeper.round()
    assert await counts(store) == [2, 2, 2]
    names = [part.name for part in await store.partitions.partitions(block)]
    assert names == ["d20231115", "d20231116", "d20231117", "d20231118", "later"]


async def test_without_the_right_to_change_tables_what_is_too_old_goes_row_by_row(
    store: Store, mariadb: MariaDb, empty: ServerAddress, caplog: pytest.LogCaptureFixture
) -> None:
    await store.partitions.ensure(NOON, NOON + DAY_MS)
    await record(store, 0, 1, 2)
    mariadb.sql(f"REVOKE ALTER, DROP ON {empty.database}.* FROM {empty.user}@'%'")
    await store.close()
    retention = store.retention
    await retention.prepare_partitions(NOON + 9 * DAY_MS)
    cutoff = NOON + DAY_MS + DAY_MS // 2
    assert sum([deleted async for deleted in retention.trim(Cutoffs(cutoff, cutoff, 0))]) > 0
    assert await counts(store) == [1, 1, 1]
    assert caplog.text.count("daily partitions cannot be changed") == 1
