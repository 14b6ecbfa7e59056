"""Gaps that agents tell, and stretches that nobody tells of."""

import pytest
from msgspec.structs import replace

from tests.support.hub import HOST
from tests.support.record import BOOT, BOOTED, SECOND, WALL, Machine
from tukur.hub.store.errors import BadBlockError
from tukur.hub.store.record.gaps import Hole
from tukur.hub.store.store import Store
from tukur.protocol.messages import Gap

START = WALL // 1_000_000
OTHER_BOOT = "88888888-2222-3333-4444-555555555555"


def gap(first_s: int, last_s: int, reason: str = "spool_full", boot_id: str = BOOT) -> Gap:
    """Of the samples from one second after the first sample to another."""
    return Gap(
        boot_id=boot_id,
        first_ns=BOOTED + first_s * SECOND,
        last_ns=BOOTED + last_s * SECOND,
        first_wall_ns=WALL + first_s * SECOND,
        last_wall_ns=WALL + last_s * SECOND,
        blocks=1,
        samples=last_s - first_s + 1,
        reason=reason,
    )


async def told(store: Store, from_s: int = 0, to_s: int = 10_000) -> list[tuple[int, int, int, str]]:
    boots = list(await store.facts.lives.boots(1))
    rows = await store.facts.gaps.reported(boots, START + from_s * 1000, START + to_s * 1000, 100)
    return [
        ((row.first_ms - START) // 1000, (row.last_ms - START) // 1000, row.samples, row.reason)
        for row in rows
    ]


async def holes(store: Store, from_s: int = -100, to_s: int = 10_000) -> list[tuple[int, int]]:
    """(last second before, first second after) of each."""
    found = await store.facts.gaps.holes(1, START + from_s * 1000, START + to_s * 1000, 100)
    assert all(isinstance(hole, Hole) for hole in found)
    return [((hole.last_ms - START) // 1000, (hole.first_ms - START) // 1000) for hole in found]


async def test_a_gap_that_comes_again_or_has_grown_is_one(store: Store) -> None:
    for sent in (gap(0, 9), gap(0, 9), gap(0, 19), gap(0, 9)):
        assert await store.facts.blocks.put([(HOST, sent)]) == [None]
    assert await told(store) == [(0, 19, 20, "spool_full")]


async def test_gaps_are_found_by_what_they_touch(store: Store) -> None:
    sent = [gap(0, 9), gap(20, 29, "damaged"), gap(40, 49, "disk_full", OTHER_BOOT)]
    assert await store.facts.blocks.put([(HOST, entry) for entry in sent]) == [None] * 3
    assert [entry[3] for entry in await told(store)] == ["spool_full", "damaged", "disk_full"]
    assert [entry[3] for entry in await told(store, 9, 20)] == ["spool_full"]
    assert [entry[3] for entry in await told(store, 10, 20)] == []
    assert [entry[3] for entry in await told(store, 25, 41)] == ["damaged", "disk_full"]


async def test_a_gap_that_ends_before_it_begins_or_is_of_no_host_is_refused(store: Store) -> None:
    results = await store.facts.blocks.put(
        [(HOST, gap(9, 0)), ("33333333-2222-3333-4444-555555555555", gap(0, 9)), (HOST, gap(1, 2))]
    )
    assert [type(result) for result in results] == [BadBlockError, BadBlockError, type(None)]


async def test_where_nobody_recorded_there_is_a_hole(store: Store) -> None:
    machine = Machine()
    machine.start(10, "x")
    blocks = [machine.block(10)]
    machine.skip(30)
    blocks.append(machine.block(10))
    machine.skip(1)
    blocks.append(machine.block(10))
    machine.skip(3)
    blocks.append(machine.block(10))
    await store.facts.blocks.put([(HOST, block) for block in blocks])
    assert await holes(store) == [(9, 40), (60, 64)]
    assert await holes(store, 0, 9) == []
    assert await holes(store, 12, 20) == [(9, 40)], "blocks on both sides lie outside the range"
    assert await holes(store, 62, 63) == [(60, 64)]
    assert await holes(store, 40, 60) == []


async def reasons(store: Store) -> list[tuple[int, int, str]]:
    found = await store.facts.gaps.holes(1, START - 1000, START + 10_000_000, 100)
    return [((hole.last_ms - START) // 1000, (hole.first_ms - START) // 1000, hole.reason) for hole in found]


@pytest.mark.parametrize("merged", [False, True])
async def test_where_a_block_pauses_there_is_a_hole(store: Store, merged: bool) -> None:
    machine = Machine()
    machine.start(10, "x")
    first = machine.block(10)
    for _ in range(4):
        machine.sample()
    machine.skip(15)
    second = machine.block(3)
    machine.sample()
    machine.skip(1)  # a single one is missing: that is none
    await store.facts.blocks.put([(HOST, block) for block in (first, second, machine.block(5))])
    if merged:
        (number,) = await store.facts.lives.boots(1)
        done = await store.merging.merge(number, 2**62)
        assert done is not None
        assert (done.blocks, done.made) == (3, 1)
    assert await reasons(store) == [(13, 29, "not_sampled")]
    assert await holes(store, 20, 21) == [(13, 29)]


async def test_an_agent_that_missed_samples_between_two_blocks_did_not_stop_running(store: Store) -> None:
    machine = Machine()
    machine.start(10, "x")
    blocks = [machine.block(10)]
    machine.skip(15)
    blocks += [replace(machine.block(10), missed=15), machine.block(10)]
    await store.facts.blocks.put([(HOST, block) for block in blocks])
    assert await reasons(store) == [(9, 25, "not_sampled")]


async def test_blocks_that_are_missing_and_an_agent_that_was_restarted_are_not_recorded(store: Store) -> None:
    machine = Machine()
    machine.start(10, "x")
    blocks = [machine.block(10)]
    machine.block(10)  # it has not come
    blocks.append(machine.block(10))
    machine.skip(5)
    machine.restart_agent()
    blocks.append(replace(machine.block(10), missed=5))
    await store.facts.blocks.put([(HOST, block) for block in blocks])
    assert await reasons(store) == [(9, 20, "not_recorded"), (29, 35, "not_recorded")]


async def test_a_wall_clock_that_is_set_forward_leaves_a_hole_and_its_reason(store: Store) -> None:
    machine = Machine()
    machine.start(10, "x")
    blocks = [machine.block(10), machine.block(10)]
    machine.wall_ns += 3600 * SECOND
    blocks += [machine.block(10), machine.block(10)]
    await store.facts.blocks.put([(HOST, block) for block in blocks])
    assert await reasons(store) == [(19, 3620, "clock_set")]


async def test_a_wall_clock_that_is_set_back_leaves_none(store: Store) -> None:
    machine = Machine()
    machine.start(10, "x")
    blocks = [machine.block(10), machine.block(10)]
    machine.wall_ns -= 15 * SECOND
    blocks += [machine.block(10), machine.block(10)]
    await store.facts.blocks.put([(HOST, block) for block in blocks])
    assert await reasons(store) == []


async def test_a_stretch_that_is_recorded_after_the_clock_was_set_back_is_no_hole(store: Store) -> None:
    machine = Machine()
    machine.start(10, "x")
    blocks = [machine.block(10)]
    machine.wall_ns += 30 * SECOND
    blocks.append(machine.block(10))
    machine.wall_ns -= 40 * SECOND
    blocks += [machine.block(10) for _ in range(3)]
    await store.facts.blocks.put([(HOST, block) for block in blocks])
    assert await reasons(store) == []


async def test_a_reboot_leaves_a_hole(store: Store) -> None:
    before = Machine()
    after = Machine(OTHER_BOOT, wall_ns=WALL + 60 * SECOND, boot_ns=5 * SECOND)
    await store.facts.blocks.put([(HOST, before.block(10)), (HOST, after.block(10))])
    assert await holes(store) == [(9, 60)]
