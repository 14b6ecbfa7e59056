"""Blocks that come in any order leave the record that they leave in order."""

import itertools
import random
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from tests.store.conftest import DATABASES
from tests.support.hub import HOST
from tests.support.mariadb import MariaDb
from tests.support.record import SECOND, Machine
from tukur.hub.store import schema
from tukur.hub.store.record.commands import IMAGE_COLUMNS, IMAGES
from tukur.hub.store.search_tokens import COMMAND_TEXTS
from tukur.hub.store.store import Store
from tukur.protocol.messages import Block, OomKill

TABLES = (
    schema.boot,
    schema.block,
    schema.process,
    schema.host_minute,
    schema.process_minute,
    schema.life_group,
    schema.oom_kill,
    schema.recorded_hour,
    schema.run,
)


Record = dict[str, list[Any]]
Deliver = Callable[[Sequence[Block]], Awaitable[Record]]


def history() -> list[Block]:
    """Three runs of an agent over one boot: lives that begin, end, exec, and change between the runs."""
    machine = Machine()
    machine.start(10, "stays")
    machine.start(11, "ends-told")
    machine.start(12, "ends-unseen")
    machine.start(13, "execs")
    machine.start(14, "execs-unseen")
    blocks = [machine.block(3)]
    machine.execute(13, "execs-again", "execs-again", "--now")
    machine.start(15, "late", ppid=11)
    machine.work(10, cpu_s=0.5, read_bytes=4096)
    machine.work(12, cpu_s=0.5, read_bytes=4096)
    machine.set(12, rss_anon=2**30)
    blocks.append(machine.block(3))
    machine.set(12, rss_anon=2**20)
    machine.exit(11, status=256, utime_ns=SECOND, cpu_ns=SECOND)
    machine.flash(16, "flash", "flash", "--quick", status=9)
    machine.together("forked", lives=5, cpu_ns=100)
    blocks.append(machine.block(2))
    machine.start(17, "ends-in-the-last")
    blocks.append(machine.block(2))
    # Nobody watches for a while.
    machine.skip(20)
    machine.end(12)
    machine.execute(14, "another", "another", "--program")
    machine.restart_agent()
    blocks.append(machine.block(3))
    machine.start(18, "second-run")
    machine.execute(10, "stays-no-more", "stays", "--changed")
    blocks.append(machine.block(3))
    machine.exit(15, status=9)
    blocks.append(machine.block(3))
    machine.skip(5)
    machine.end(18)
    machine.end(17)
    machine.restart_agent()
    blocks.append(machine.block(2))
    machine.end(13)
    machine.start(19, "third-run")
    return [*blocks, machine.block(3), machine.block(3)]


@pytest.fixture(params=DATABASES)
async def deliver(request: pytest.FixtureRequest, tmp_path: Path) -> Deliver:
    """Blocks to what they leave in a new, empty database."""
    if request.param == "sqlite":
        numbers = itertools.count()

        async def to_file(blocks: Sequence[Block]) -> Record:
            folder = tmp_path / str(next(numbers))
            folder.mkdir()
            return await the_record(await Store.open(folder), blocks)

        return to_file
    server: MariaDb = request.getfixturevalue("mariadb")

    async def to_server(blocks: Sequence[Block]) -> Record:
        address = server.new_database()
        try:
            return await the_record(await Store.open(tmp_path, address), blocks)
        finally:
            server.drop(address)

    return to_server


async def the_record(store: Store, blocks: Sequence[Block]) -> Record:
    """Every row that these blocks leave, each delivered by itself, in this order."""
    try:
        await store.control.enrolments.enrol(HOST, b"k" * 32, "owl", 0)
        for block in blocks:
            assert await store.facts.blocks.put([(HOST, block)]) == [None]
        found = {}
        async with store.database.read() as connection:
            for table in TABLES:
                rows = await connection.execute(select(table).order_by(*table.primary_key))
                found[table.name] = [_rounded(row._asdict()) for row in rows]
            columns = schema.image.c
            ordered = (columns.start_ns, columns.pid, columns.since_ns)
            rows = await connection.execute(select(*IMAGE_COLUMNS).select_from(IMAGES).order_by(*ordered))
            found["image"] = _changes(list(rows))
        return found
    finally:
        await store.close()


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    """Sums of floating-point numbers depend on their order in the last digits."""
    return {name: round(value, 6) if isinstance(value, float) else value for name, value in row.items()}


def _changes(rows: list[Any]) -> list[Any]:
    """What each life ran from when on: a row that says what the one before it said tells nothing new."""
    told: dict[tuple[int, int], Any] = {}
    found = []
    for row in rows:
        key, content = (row.start_ns, row.pid), tuple(getattr(row, name) for name in COMMAND_TEXTS)
        if told.get(key) != content:
            found.append((key, row.since_ns, row.since_ms, content))
            told[key] = content
    return found


async def test_in_reverse_order(deliver: Deliver) -> None:
    blocks = history()
    in_order = await deliver(blocks)
    assert await deliver(blocks[::-1]) == in_order
    lives = {row["pid"]: row for row in in_order["process"]}
    assert {pid for pid, row in lives.items() if row["ended"]} == {11, 12, 13, 15, 16, 17, 18}
    assert lives[12]["last_ms"] == in_order["block"][3]["last_ms"]
    assert (lives[12]["cpu_ns"], lives[12]["rss_peak"], lives[12]["exact"]) == (SECOND // 2, 2**30, False)
    assert (lives[10]["cpu_ns"], lives[10]["rss_peak"]) == (None, None), "it lives"


async def test_in_shuffled_order(deliver: Deliver) -> None:
    blocks = history()
    in_order = await deliver(blocks)
    for seed in range(12):
        random.Random(seed).shuffle(blocks)
        assert await deliver(blocks) == in_order, seed


async def test_the_present_first_and_then_the_past_newest_first(deliver: Deliver) -> None:
    blocks = history()
    in_order = await deliver(blocks)
    for split in range(1, len(blocks)):
        assert await deliver(blocks[split:] + blocks[:split][::-1]) == in_order, split


async def test_a_kill_for_want_of_memory_that_is_told_after_the_death(deliver: Deliver) -> None:
    machine = Machine()
    begun = machine.start(10, "hungry")
    blocks = [machine.block(2)]
    machine.exit(10, status=9)
    blocks.append(machine.block(2))
    kill = OomKill(at_ns=machine.boot_ns, at_wall_ns=machine.wall_ns, pid=10, start_ns=begun, name="hungry")
    blocks.append(msgspec.structs.replace(machine.block(2), ooms=[kill]))
    in_order = await deliver(blocks)
    assert in_order["process"][0]["cause"] == "oom"
    for order in ((2, 1, 0), (1, 2, 0), (2, 0, 1), (0, 2, 1), (1, 0, 2)):
        assert await deliver([blocks[at] for at in order]) == in_order


async def test_a_block_that_became_part_of_a_longer_one_is_known(store: Store) -> None:
    parts, whole = Machine(), Machine()
    for machine in (parts, whole):
        machine.start(10, "x")
    sent = [whole.block(8), parts.block(4), parts.block(4)]
    assert await store.facts.blocks.put([(HOST, block) for block in sent]) == [None] * 3
    async with store.database.read() as connection:
        (row,) = await connection.execute(select(schema.block))
        (minute,) = await connection.execute(select(schema.host_minute))
    assert (row.samples, minute.samples) == (8, 8)
