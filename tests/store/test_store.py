"""What the hub keeps: the same for every database."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from sqlalchemy import func, select, update

from tests.support.hub import HOST, OTHER
from tests.support.record import BOOT, GIB, SECOND, WALL, Machine, facts_of
from tukur.hub.store import schema
from tukur.hub.store.errors import BadBlockError
from tukur.hub.store.store import HostRow, Store
from tukur.protocol.messages import Block, MinMaxMean

SECOND_BOOT = "88888888-2222-3333-4444-555555555555"
START = WALL // 1_000_000
"""Of the first sample, milliseconds since the epoch."""


async def counts(store: Store) -> dict[str, int]:
    """Rows of each table that blocks fill, and what the minutes add up to."""
    found = {}
    async with store.database.read() as connection:
        for table in (
            schema.boot,
            schema.block,
            schema.process,
            schema.image,
            schema.host_minute,
            schema.process_minute,
        ):
            count = await connection.execute(select(func.count()).select_from(table))
            found[table.name] = count.scalar_one()
        samples = await connection.execute(select(func.sum(schema.host_minute.c.samples)))
        cpu = await connection.execute(select(func.sum(schema.process_minute.c.cpu_ns)))
        found["samples"], found["cpu_ns"] = int(samples.scalar() or 0), int(cpu.scalar() or 0)
    return found


async def put(store: Store, *blocks: Block, host_id: str = HOST) -> None:
    assert await store.facts.blocks.put([(host_id, block) for block in blocks]) == [None] * len(blocks)


async def the_host(store: Store) -> HostRow:
    return (await store.hosts(HOST))[0]


def busy_machine() -> Machine:
    machine = Machine()
    machine.start(10, "worker", "worker", "--fast")
    machine.start(11, "idle")
    machine.sample()
    machine.work(10, cpu_s=0.5, read_bytes=4096)
    machine.sample()
    machine.end(11)
    machine.work(10, cpu_s=0.25)
    return machine


# --- blocks


async def test_a_block_that_comes_twice_changes_nothing(store: Store) -> None:
    machine = busy_machine()
    first, second = machine.block(2), machine.block(3)
    await put(store, first, second)
    once = await counts(store)
    assert once["block"] == 2
    assert once["process"] == once["image"] == 2
    assert once["cpu_ns"] == int(0.75 * SECOND)
    await put(store, first, second)
    await put(store, second, first, first)
    assert await counts(store) == once


async def test_a_block_that_comes_twice_in_one_transaction_is_kept_once(store: Store) -> None:
    block = busy_machine().block(2)
    await put(store, block, block)
    assert (await counts(store))["block"] == 1


async def test_the_blocks_of_several_hosts_pass_in_one_transaction(store: Store) -> None:
    here, there = Machine(), Machine(SECOND_BOOT)
    here.start(10, "here")
    there.start(10, "there")
    blocks = [(HOST, here.block(2)), (OTHER, there.block(2)), (HOST, here.block(2))]
    assert await store.facts.blocks.put(blocks) == [None, None, None]
    assert [(row.first_ms, row.last_ms) for row in await store.hosts()] == [
        (START, START + 3000),
        (START, START + 1000),
    ]


async def test_a_bad_block_among_good_ones_is_refused_alone(store: Store) -> None:
    machine = busy_machine()
    good, bad, after = machine.block(2), machine.block(2), machine.block(2)
    unknown = "33333333-2222-3333-4444-555555555555"
    results = await store.facts.blocks.put(
        [
            (HOST, good),
            (HOST, msgspec.structs.replace(bad, last_ns=bad.first_ns - 1)),
            (HOST, msgspec.structs.replace(bad, tasks=b"columns")),
            (unknown, bad),
            (HOST, after),
        ]
    )
    assert [type(result) for result in results] == [
        type(None),
        BadBlockError,
        BadBlockError,
        BadBlockError,
        type(None),
    ]
    assert "before it begins" in str(results[1])
    assert "not enrolled" in str(results[3])
    assert (await counts(store))["block"] == 2


@pytest.mark.parametrize(
    "bad",
    [
        {"lives": 2**63},
        {"missed": 2**63},
        {"lives": 2**64 - 1},
        {"figure": float("nan")},
    ],
)
async def test_figures_that_no_column_can_hold_refuse_their_block_and_no_other(
    store: Store, bad: dict[str, Any]
) -> None:
    machine = busy_machine()
    good, odd, after = machine.block(2), machine.block(2), machine.block(2)
    if "figure" in bad:
        spread = MinMaxMean(bad["figure"], bad["figure"], bad["figure"])
        minute = msgspec.structs.replace(odd.host_minute, figures={"cpu": spread})
        odd = msgspec.structs.replace(odd, host_minute=minute)
    else:
        odd = msgspec.structs.replace(odd, **bad)
    results = await store.facts.blocks.put([(HOST, good), (HOST, odd), (HOST, after)])
    assert results[0] is None
    assert isinstance(results[1], BadBlockError)
    assert results[2] is None
    assert (await counts(store))["block"] == 2


async def test_minutes_keep_the_lowest_and_highest_second_and_add_up(store: Store) -> None:
    machine = Machine()
    machine.start(10, "worker")
    machine.sample(0.5)
    machine.work(10, cpu_s=0.5, write_bytes=100)
    first = machine.block(9, busy=0.25)
    machine.work(10, cpu_s=0.25, write_bytes=11)
    machine.set(10, rss_anon=3 * GIB)
    second = machine.block(10, busy=0.75)
    await put(store, first, second)
    host = await the_host(store)
    levels = store.facts.rollups
    (cpu,) = await levels.figures(host.number, START, START + 60_000, coarse=False)
    assert (cpu.cpu_low, cpu.cpu_high) == (0.25, 0.75)  # the first sample of a run has no rate yet
    assert cpu.samples == 20
    # A second without a figure does not pull the mean down.
    assert cpu.cpu_total == pytest.approx(10 * 0.25 + 10 * 0.75)
    (life,) = await levels.process_sums(host.number, START, START + 60_000)
    assert (life.cpu_ns, life.write_bytes, life.rss_peak) == (int(0.75 * SECOND), 111, 3 * GIB)


async def test_a_block_belongs_to_the_minute_in_which_it_begins(store: Store) -> None:
    machine = Machine(wall_ns=WALL + 50 * SECOND)
    machine.start(10, "worker")
    machine.sample()
    machine.work(10, cpu_s=1)
    await put(store, machine.block(9), machine.block(10))
    host = await the_host(store)
    levels = store.facts.rollups
    minutes = await levels.figures(host.number, START, START + 120_000, coarse=False)
    assert {row.at_ms: row.samples for row in minutes} == {START: 10, START + 60_000: 10}
    assert await levels.figures(host.number, START + 1, START + 60_000, coarse=False) == []


# --- the block of an instant


async def near(store: Store, at_ms: int) -> int | None:
    row = await store.facts.blocks.near((await the_host(store)).number, at_ms)
    return None if row is None else row.first_ms - START


async def test_the_nearest_block_is_found_within_between_before_and_after(store: Store) -> None:
    assert await near(store, START) is None
    machine = Machine()
    machine.start(10, "worker")
    first = machine.block(10)  # 0 to 9 s
    machine.skip(90)
    second = machine.block(10)  # 100 to 109 s
    await put(store, first, second)
    for at_s, expected_s in (
        (-1000, 0),
        (0, 0),
        (4.5, 0),
        (9, 0),
        (10, 0),
        (54, 0),
        (55, 100),
        (99, 100),
        (100, 100),
        (105, 100),
        (5000, 100),
    ):
        assert await near(store, START + int(at_s * 1000)) == expected_s * 1000, at_s


async def test_the_nearest_block_is_found_across_boots(store: Store) -> None:
    before = Machine()
    before.start(10, "old")
    after = Machine(SECOND_BOOT, wall_ns=WALL + 60 * SECOND, boot_ns=20 * SECOND)
    after.start(10, "new")
    await put(store, before.block(10), after.block(10))
    assert await near(store, START + 20_000) == 0
    assert await near(store, START + 50_000) == 60_000
    row = await store.facts.blocks.near((await the_host(store)).number, START + 65_000)
    assert row is not None
    boots = await store.facts.lives.boots((await the_host(store)).number)
    assert boots[row.boot] == (SECOND_BOOT, START + 40_000)


async def test_after_the_wall_clock_was_set_back_an_instant_still_has_a_block(store: Store) -> None:
    machine = Machine()
    machine.start(10, "worker")
    first = machine.block(10)
    machine.wall_ns -= 3600 * SECOND
    second = machine.block(10)
    await put(store, first, second)
    assert await near(store, START + 5_000) == 0
    assert await near(store, START - 3_588_000) == -3_590_000
    host = await the_host(store)
    rows = await store.facts.blocks.between(host.number, START - 4_000_000, START + 60_000, tasks=False)
    assert [row.first_ms - START for row in rows] == [-3_590_000, 0]
    assert [row.tasks for row in rows] == [b"", b""]


async def test_blocks_of_a_range_are_those_with_a_sample_in_it(store: Store) -> None:
    machine = Machine()
    machine.start(10, "worker")
    await put(store, *(machine.block(10) for _ in range(4)))
    host = await the_host(store)

    async def found(begin_s: float, end_s: float) -> list[int]:
        rows = await store.facts.blocks.between(
            host.number, START + int(begin_s * 1000), START + int(end_s * 1000), tasks=True
        )
        assert all(row.tasks.startswith(b"TKT1") for row in rows)
        return [(row.first_ms - START) // 1000 for row in rows]

    assert await found(0, 40) == [0, 10, 20, 30]
    assert await found(9, 10) == [0]
    assert await found(9.001, 10) == []
    assert await found(10, 20.001) == [10, 20]
    assert await found(100, 200) == []


# --- lives and images


async def test_an_image_is_the_one_that_held_at_the_instant(store: Store) -> None:
    machine = Machine()
    start_ns = machine.start(10, "sh", "sh", "-c", "exec sleep 9")
    first = machine.block(5)
    executed_ns = machine.boot_ns
    machine.execute(10, "sleep", "sleep", "9")
    await put(store, first, machine.block(5))
    (number,) = await store.facts.lives.boots((await the_host(store)).number)

    async def name(at_ns: int) -> str:
        return str((await store.facts.images.at(number, [start_ns], at_ns))[start_ns, 10].name)

    assert await name(executed_ns - 1) == "sh"
    assert await name(executed_ns) == "sleep"
    assert await name(2**63 - 1) == "sleep"
    assert await name(0) == "sh", "before anything was known the oldest image is the best there is"
    image = (await store.facts.images.at(number, [start_ns], executed_ns))[start_ns, 10]
    assert (image.cmdline, image.exe, image.unit) == ("sleep 9", "/usr/bin/sleep", "owl.service")
    assert await store.facts.images.name_of(HOST, BOOT, 10, start_ns) == "sleep"
    assert await store.facts.images.name_of(HOST, BOOT, 10, start_ns + 1) == ""
    assert await store.facts.images.name_of(OTHER, BOOT, 10, start_ns) == ""


async def test_a_new_run_of_the_agent_doubles_no_image(store: Store) -> None:
    machine = busy_machine()
    machine.start(12, "other")
    await put(store, machine.block(5))
    before = await counts(store)
    for _ in range(3):
        machine.restart_agent()
        await put(store, machine.block(2))
    after = await counts(store)
    assert (after["image"], after["process"]) == (before["image"], before["process"])


async def test_what_changed_while_no_agent_ran_is_a_new_image(store: Store) -> None:
    machine = Machine()
    start_ns = machine.start(10, "sh")
    await put(store, machine.block(2))
    machine.execute(10, "sleep", "sleep", "9")
    machine.restart_agent()
    await put(store, machine.block(2))
    (number,) = await store.facts.lives.boots((await the_host(store)).number)
    assert (await store.facts.images.at(number, [start_ns], 2**63 - 1))[start_ns, 10].name == "sleep"
    assert (await counts(store))["image"] == 2


async def test_what_a_new_run_of_the_agent_does_not_see_has_ended(store: Store) -> None:
    machine = Machine()
    gone_ns, stays_ns = machine.start(10, "gone"), machine.start(11, "stays")
    await put(store, machine.block(5))
    machine.end(10)
    reused_ns = machine.start(10, "reused")
    machine.restart_agent()
    await put(store, machine.block(2))
    (number,) = await store.facts.lives.boots((await the_host(store)).number)
    lives = await store.facts.lives.rows(number, [gone_ns, stays_ns, reused_ns])
    assert {key: life.ended for key, life in lives.items()} == {
        (gone_ns, 10): True,
        (stays_ns, 11): False,
        (reused_ns, 10): False,
    }
    assert lives[gone_ns, 10].last_ms == START + 4000


async def test_a_life_that_ended_unseen_has_the_totals_that_were_last_recorded(store: Store) -> None:
    machine = Machine()
    begun = machine.start(10, "worker"), machine.start(11, "idle", ppid=0, cpu_ns=SECOND, rss_anon=4096)
    machine.sample()
    machine.work(10, cpu_s=2, read_bytes=7, write_bytes=9)
    machine.set(10, rss_anon=GIB)
    blocks = [machine.block(8)]
    machine.set(10, rss_anon=4096)
    blocks.append(machine.block(10))
    machine.end(10)
    machine.end(11)
    machine.skip(30)
    machine.restart_agent()
    await put(store, *blocks, machine.block(2))
    (number,) = await store.facts.lives.boots((await the_host(store)).number)
    lives = await store.facts.lives.rows(number, begun)
    worker, idle = lives[begun[0], 10], lives[begun[1], 11]
    assert (worker.ended, worker.exact) == (True, False)
    assert worker[8:12] == (2 * SECOND, GIB, 7, 9), "the peak was in a minute, and not in the last sample"
    assert (idle.cpu_ns, idle.rss_peak) == (SECOND, 4096), "it is in no minute, and in the last sample"


async def test_what_a_life_used_that_only_its_minutes_know_is_kept_when_its_seconds_are_not(
    store: Store,
) -> None:
    machine = Machine()
    begun = machine.start(10, "worker"), machine.start(11, "idle")
    machine.sample()
    machine.work(10, cpu_s=2)
    machine.set(10, rss_anon=GIB)
    await put(store, machine.block(8))
    (number,) = await store.facts.lives.boots((await the_host(store)).number)
    async with store.database.write() as connection:
        await connection.execute(update(schema.block).values(tasks=b"TKT1 damaged"))
    machine.end(10)
    machine.end(11)
    machine.restart_agent()
    await put(store, machine.block(2))
    lives = await store.facts.lives.rows(number, begun)
    assert (lives[begun[0], 10].cpu_ns, lives[begun[0], 10].rss_peak) == (2 * SECOND, GIB)
    assert (lives[begun[1], 11].ended, lives[begun[1], 11].cpu_ns, lives[begun[1], 11].rss_peak) == (
        True,
        None,
        None,
    ), "what is unknown is not zero"


async def test_a_peak_that_the_agent_does_not_know_is_unknown(store: Store) -> None:
    machine = Machine()
    machine.sample()
    start_ns = machine.flash(10, "sleep", cpu_s=0.5)
    block = machine.block(2)
    block = replace(
        block,
        ended=[replace(end, rss_peak=None) for end in block.ended],
        process_minutes=[replace(row, rss_peak=None) for row in block.process_minutes],
    )
    await put(store, block)
    host_no = (await the_host(store)).number
    (number,) = await store.facts.lives.boots(host_no)
    assert (await store.facts.lives.rows(number, [start_ns]))[start_ns, 10].rss_peak is None
    (sums,) = await store.facts.rollups.process_sums(host_no, 0, START + 60_000)
    assert (sums.cpu_ns, sums.rss_peak) == (SECOND // 2, schema.UNKNOWN_PEAK)


async def test_a_life_that_ended_keeps_its_totals(store: Store) -> None:
    machine = Machine()
    start_ns = machine.start(10, "worker", utime_ns=SECOND, cpu_ns=SECOND)
    machine.sample()
    machine.work(10, cpu_s=2, read_bytes=7, write_bytes=9)
    machine.set(10, rss_anon=GIB)
    machine.sample()
    machine.set(10, rss_anon=4096)
    first = machine.block(1)
    machine.end(10)
    await put(store, first, machine.block(2))
    (number,) = await store.facts.lives.boots((await the_host(store)).number)
    life = (await store.facts.lives.rows(number, [start_ns]))[start_ns, 10]
    assert (life.ended, life.first_ms, life.last_ms) == (True, START, START + 2000)
    assert (life.cpu_ns, life.rss_peak, life.read_bytes, life.write_bytes) == (3 * SECOND, GIB, 7, 9)


async def test_thousands_of_lives_are_found_at_once(store: Store) -> None:
    machine = Machine()
    for pid in range(10, 8_010):
        machine.start(pid, "many", start_ns=pid)
    await put(store, machine.block(1))
    (number,) = await store.facts.lives.boots((await the_host(store)).number)
    starts = list(range(10, 8_010))
    assert (
        len(await store.facts.lives.rows(number, starts))
        == len(await store.facts.images.at(number, starts, 2**63 - 1))
        == 8_000
    )


# --- hosts


async def test_a_host_that_is_enrolled_again_keeps_its_record_and_gets_the_new_key(store: Store) -> None:
    await put(store, busy_machine().block(2))
    await store.control.enrolments.enrol(HOST, bytes(32), "another", WALL)
    known = await store.control.enrolments.key(HOST)
    assert known is not None
    assert known.public == bytes(32)
    row = await the_host(store)
    assert (row.name, row.last_ms) == ("host-1", START + 3000)
    assert len(await store.hosts()) == 2


async def test_what_a_host_said_of_itself_is_kept(store: Store) -> None:
    assert (await the_host(store)).facts is None
    await store.control.enrolments.save_facts(HOST, facts_of(hostname="señor-owl"), WALL)
    row = await the_host(store)
    assert row.facts == facts_of(hostname="señor-owl")
    assert row.seen_ms == START
    assert await store.control.enrolments.key("no such host") is None
    assert await store.hosts("no such host") == []
