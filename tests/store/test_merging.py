"""Older blocks become longer ones; what they tell stays the same, to each second."""

from typing import Any

import numpy as np
import pytest
from sqlalchemy import select, update

from tests.store.test_store import START, counts, put, the_host
from tests.support.record import SECOND, WALL, Machine
from tukur.blocks import decode_host, decode_samples, decode_table
from tukur.hub.store import schema
from tukur.hub.store.store import Store
from tukur.protocol.messages import Block

LATER = START + 10**9


def minutes(count: int, *, machine: Machine | None = None) -> list[Block]:
    """Ten-second blocks of so many whole minutes, with a process that works and others that come and go."""
    machine = machine or Machine()
    machine.start(10, "worker")
    blocks = []
    for at in range(count * 6):
        machine.start(100 + at, "brief")
        machine.work(10, cpu_s=0.5)
        blocks.append(machine.block(5, busy=0.25))
        machine.end(100 + at)
        machine.wall_ns += 5 * SECOND
        machine.boot_ns += 5 * SECOND
    return blocks


async def merge_all(store: Store, before_ms: int = LATER) -> int:
    """How many blocks became part of longer ones."""
    merging, number = store.merging, 0
    for boot in await merging.boots():
        while done := await merging.merge(boot, before_ms):
            number += done.blocks
    return number


async def samples(store: Store) -> list[tuple[Any, ...]]:
    host = await the_host(store)
    rows = await store.facts.blocks.between(host.number, 0, LATER, tasks=True)
    return [
        (wall_ns, boot_ns, records.tobytes())
        for row in rows
        for wall_ns, boot_ns, records in decode_samples(row.tasks)
    ]


async def test_each_second_is_the_same_in_fewer_bytes(store: Store) -> None:
    await put(store, *minutes(3))
    before = await samples(store)
    host = await the_host(store)
    found = await store.facts.blocks.near(host.number, START + 63_000)
    assert found is not None
    table = decode_table(found.tasks, WALL + 63 * SECOND)
    assert await merge_all(store) == 18
    assert await samples(store) == before
    assert (await counts(store))["block"] == 3
    merged = await store.facts.blocks.near(host.number, START + 63_000)
    assert merged is not None
    assert len(merged.tasks) + len(merged.host_columns) < 6 * (len(found.tasks) + len(found.host_columns))
    again = decode_table(merged.tasks, WALL + 63 * SECOND)
    assert (again.wall_ns, again.previous_boot_ns) == (table.wall_ns, table.previous_boot_ns)
    assert np.array_equal(again.tasks, table.tasks)
    assert np.array_equal(again.previous, table.previous)
    assert len(decode_host(merged.host_columns)) == 30
    assert await merge_all(store) == 0


async def test_what_was_merged_and_comes_again_changes_nothing(store: Store) -> None:
    blocks = minutes(2)
    await put(store, *blocks)
    await merge_all(store)
    once, told = await counts(store), await samples(store)
    await put(store, *blocks)
    await put(store, *reversed(blocks))
    assert await counts(store) == once
    assert await samples(store) == told


async def test_the_newest_minutes_are_left_alone(store: Store) -> None:
    await put(store, *minutes(3))
    assert await merge_all(store, START + 60_000) == 6
    assert (await counts(store))["block"] == 13


async def test_a_hole_stays_a_hole(store: Store) -> None:
    blocks = minutes(2)
    del blocks[2]
    await put(store, *blocks)
    before = await samples(store)
    assert await merge_all(store) == 6
    assert (await counts(store))["block"] == 6
    assert await samples(store) == before


async def test_a_block_that_comes_after_its_minute_was_merged_is_kept_beside_it(store: Store) -> None:
    late, *blocks = minutes(2)
    await put(store, *blocks)
    await merge_all(store)
    await put(store, late)
    assert len(await samples(store)) == 60
    assert await merge_all(store) == 0


async def test_a_damaged_block_is_left_as_it_is_and_holds_up_no_other(store: Store) -> None:
    await put(store, *minutes(2))
    async with store.database.write() as connection:
        first = (await connection.execute(select(schema.block).limit(1))).one()
        await connection.execute(
            update(schema.block)
            .where(schema.block.c.first_ns == first.first_ns)
            .values(tasks=b"TKT1 damaged")
        )
    assert await merge_all(store) == 6
    assert (await counts(store))["block"] == 7


@pytest.mark.parametrize("agents", [2])
async def test_two_runs_of_the_agent_in_one_minute_are_not_taken_for_one(store: Store, agents: int) -> None:
    machine = Machine()
    machine.start(10, "worker")
    blocks = []
    for _ in range(agents):
        blocks += [machine.block(10), machine.block(10)]
        machine.restart_agent()
    await put(store, *blocks)
    before = await samples(store)
    await merge_all(store)
    assert await samples(store) == before
