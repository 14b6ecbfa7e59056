"""A grown record moves to a server while it grows: again and again, until nothing differs."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import delete, func, select

from tests.store.test_merging import merge_all, minutes
from tests.store.test_store import START, put
from tests.support.hub import HOST, KEYS, OTHER
from tests.support.record import WALL, Machine
from tukur.hub.store import schema
from tukur.hub.store.backends.address import ServerAddress
from tukur.hub.store.maintenance.copying import Copied, ForeignRecordError
from tukur.hub.store.maintenance.retention_policy import Cutoffs
from tukur.hub.store.record.rollups import HOUR_MS
from tukur.hub.store.store import Store
from tukur.protocol import auth


@pytest.fixture
async def grown(tmp_path: Path) -> Store:
    """A record in a file, with rows in nearly every table."""
    store = await Store.open(tmp_path)
    for host_id in (HOST, OTHER):
        await store.control.enrolments.enrol(
            host_id, auth.public_key(KEYS[host_id]), f"Host {host_id[0]} ", WALL
        )
    machine = Machine()
    for pid in range(1000, 2200):
        machine.start(pid, f"näme-{pid % 7}", "cmd", "x" * (pid % 90))
    await put(store, *minutes(4, machine=machine))
    await store.facts.rollups.add_up(START + 9 * HOUR_MS, 100)
    return store


async def copied(source: Store, target: Store) -> dict[str, Copied]:
    """Each table's last state."""
    return {state.table: state async for state in source.copy_to(target).run()}


async def counts(store: Store) -> dict[str, int]:
    async with store.database.read() as connection:
        return {
            table.name: (await connection.execute(select(func.count()).select_from(table))).scalar_one()
            for table in schema.metadata.sorted_tables
        }


async def changes(source: Store, target: Store) -> int:
    return sum(state.written + state.deleted for state in (await copied(source, target)).values())


async def opened(tmp_path: Path, server: ServerAddress | None) -> Store:
    folder = tmp_path / "target"
    folder.mkdir(exist_ok=True)
    return await Store.open(folder, server)


async def test_a_copy_has_every_row_and_a_second_run_finds_nothing_to_do(
    grown: Store, tmp_path: Path, server: ServerAddress | None
) -> None:
    target = await opened(tmp_path, server)
    first = await copied(grown, target)
    assert await counts(target) == await counts(grown)
    assert first["process"].rows == first["process"].written == 1225
    assert await changes(grown, target) == 0
    host = (await target.hosts(HOST))[0]
    found = await target.facts.blocks.near(host.number, START + 100_000)
    assert found == await grown.facts.blocks.near(host.number, START + 100_000)
    await target.close()
    await grown.close()


async def test_what_changes_meanwhile_is_found_by_the_next_run(
    grown: Store, tmp_path: Path, server: ServerAddress | None
) -> None:
    target = await opened(tmp_path, server)
    machine = Machine(wall_ns=WALL + 600 * 10**9, boot_ns=10_000 * 10**9)
    more = minutes(2, machine=machine)

    async def grow() -> None:
        for block in more:
            await put(grown, block)

    await asyncio.gather(copied(grown, target), grow())
    # Merging and deleting take rows away that were copied before.
    assert await merge_all(grown) > 0
    async for _ in grown.retention.trim(Cutoffs(START + 60_000, 0, START + 30_000)):
        pass
    assert await changes(grown, target) > 0
    assert await changes(grown, target) == 0
    assert await counts(target) == await counts(grown)
    await target.close()
    await grown.close()


async def test_a_copy_that_was_broken_off_goes_on(
    grown: Store, tmp_path: Path, server: ServerAddress | None
) -> None:
    target = await opened(tmp_path, server)
    async for state in grown.copy_to(target).run():
        if state.table == "process" and state.rows > 500:
            break
    async with target.database.write() as connection:
        await connection.execute(delete(schema.process).where(schema.process.c.pid == 1100))
    found = await copied(grown, target)
    assert 0 < found["process"].written < found["process"].rows
    assert await counts(target) == await counts(grown)
    await target.close()
    await grown.close()


async def test_a_target_with_another_record_is_left_alone(
    grown: Store, tmp_path: Path, server: ServerAddress | None
) -> None:
    target = await opened(tmp_path, server)
    await target.control.enrolments.enrol("77777777-2222-3333-4444-555555555555", b"k" * 32, "foreign", WALL)
    before = await counts(target)
    with pytest.raises(ForeignRecordError, match="an empty database expected"):
        await copied(grown, target)
    assert await counts(target) == before
    await target.close()
    await grown.close()
