"""The one writer: what waits, what is tried again, who is told."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
import pytest

from tests.support.hub import HOST
from tests.support.record import WALL, Machine, hello_of
from tests.support.waiting import until
from tukur.hub.bus import Bus
from tukur.hub.hosts.presence import Presence
from tukur.hub.ingest import writer as module
from tukur.hub.ingest.writer import BATCH, IngestWriter
from tukur.hub.store.backends.database import Database
from tukur.hub.store.errors import BadBlockError, DiskFullError
from tukur.hub.store.store import Store
from tukur.protocol.messages import Block, Gap


class Failing(Store):
    """The real store, behind a disk that is full as long as a test says."""

    full = False
    tries = 0
    poison = 0
    """first_ns of a block at which the store breaks as nobody foresaw."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.batches: list[list[int]] = []
        self._put = self.facts.blocks.put
        self.facts.blocks.put = self.put  # type: ignore[method-assign]

    async def put(self, items: Sequence[tuple[str, Block | Gap]]) -> list[BadBlockError | None]:
        self.tries += 1
        if self.full:
            raise DiskFullError("no space left")
        if any(block.first_ns == self.poison for _, block in items):
            raise ZeroDivisionError
        self.batches.append([block.first_ns for _, block in items])
        return await self._put(items)


@pytest.fixture
async def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Failing]:
    monkeypatch.setattr(module, "_RETRY_S", (0.01, 0.05))
    opened = await Failing.open(tmp_path)
    await opened.control.enrolments.enrol(HOST, bytes(32), "owl", WALL)
    yield opened
    await opened.close()


@contextlib.asynccontextmanager
async def recording(store: Store) -> AsyncIterator[tuple[IngestWriter, Presence]]:
    presence = Presence(Bus())
    presence.connected(hello_of(HOST), WALL)
    recorder = IngestWriter(store.facts, presence)
    task = asyncio.create_task(recorder.run())
    try:
        yield recorder, presence
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait([task])


def blocks(count: int) -> list[Block]:
    machine = Machine()
    machine.start(10, "worker")
    return [machine.block(1) for _ in range(count)]


async def last_ms(store: Store) -> int | None:
    return (await store.hosts())[0].last_ms


async def test_put_returns_when_the_block_is_in_the_database(store: Failing) -> None:
    async with recording(store) as (recorder, _):
        (block,) = blocks(1)
        await recorder.put(HOST, block)
        assert await last_ms(store) == block.last_wall_ns // 1_000_000


async def test_blocks_that_wait_together_are_committed_together_and_in_order(store: Failing) -> None:
    made = blocks(BATCH + 5)
    async with recording(store) as (recorder, _):
        await asyncio.gather(*(recorder.put(HOST, block) for block in made))
    assert [first for batch in store.batches for first in batch] == [block.first_ns for block in made]
    assert len(store.batches) < 5
    assert max(len(batch) for batch in store.batches) <= BATCH


async def test_while_the_disk_is_full_blocks_wait_and_afterwards_all_are_stored(store: Failing) -> None:
    store.full = True
    made = blocks(3)
    async with recording(store) as (recorder, presence):
        puts = [asyncio.create_task(recorder.put(HOST, block)) for block in made]
        await until(lambda: store.tries >= 3)
        fault = recorder.fault
        assert fault is not None
        assert fault.code == "disk_full"
        assert not any(put.done() for put in puts)
        state = presence.get(HOST)
        assert state is not None
        assert state.faults["hub.store"] >= 2
        store.full = False
        await asyncio.gather(*puts)
    assert recorder.fault is None
    assert [first for batch in store.batches for first in batch] == [block.first_ns for block in made]


async def test_a_block_that_can_never_be_stored_is_told_to_its_sender_alone(store: Failing) -> None:
    first, bad, last = blocks(3)
    bad = msgspec.structs.replace(bad, tasks=b"?")
    async with recording(store) as (recorder, _):
        results = await asyncio.gather(
            *(recorder.put(HOST, block) for block in (first, bad, last)), return_exceptions=True
        )
        assert [type(result) for result in results] == [type(None), BadBlockError, type(None)]
        assert recorder.fault is None
        await recorder.put(HOST, blocks(4)[3])


async def test_a_block_that_breaks_the_store_as_nobody_foresaw_is_refused_alone(store: Failing) -> None:
    made = blocks(5)
    store.poison = made[2].first_ns
    async with recording(store) as (recorder, _):
        results = await asyncio.gather(*(recorder.put(HOST, b) for b in made), return_exceptions=True)
        assert [type(result) for result in results] == [type(None)] * 2 + [BadBlockError] + [type(None)] * 2
        assert "ZeroDivisionError" in str(results[2])
        await recorder.put(HOST, blocks(6)[5])


async def test_a_block_whose_connection_ended_while_it_waited_is_not_stored(store: Failing) -> None:
    store.full = True
    first, second, third = blocks(3)
    async with recording(store) as (recorder, _):
        waiting = asyncio.create_task(recorder.put(HOST, first))
        await until(lambda: store.tries >= 1)
        gone = asyncio.create_task(recorder.put(HOST, second))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait([gone])
        store.full = False
        await waiting
        await recorder.put(HOST, third)
    assert [ns for batch in store.batches for ns in batch] == [first.first_ns, third.first_ns]
