"""The hub looks after its record by itself: hours, merges, ages, sizes."""

from pathlib import Path

import pytest
from sqlalchemy import func, select

from tests.store.test_merging import minutes, samples
from tests.store.test_store import START, counts, put
from tests.support.record import Machine
from tukur.hub.maintenance.maintenance import Maintenance
from tukur.hub.store import schema
from tukur.hub.store.maintenance.retention_policy import DAY_MS, RetentionPolicy
from tukur.hub.store.record.rollups import HOUR_MS
from tukur.hub.store.store import Store


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The wall clock that the keeper sees, in one place; it never rests."""
    monkeypatch.setattr("tukur.hub.maintenance.maintenance.SHARE", 1.0)
    return [START]


def keeper_of(store: Store, folder: Path, at: list[int], keep: RetentionPolicy) -> Maintenance:
    return Maintenance(store, keep, folder, lambda: at[0])


async def test_a_round_adds_up_merges_and_deletes(store: Store, tmp_path: Path, at: list[int]) -> None:
    await put(store, *minutes(4))
    keeper = keeper_of(store, tmp_path, at, RetentionPolicy(seconds_ms=2 * HOUR_MS))
    before = await samples(store)
    at[0] = START + HOUR_MS + 300_000
    await keeper.round()
    assert (await counts(store))["block"] == 4
    assert await samples(store) == before
    async with store.database.read() as connection:
        hours = await connection.execute(select(func.count()).select_from(schema.host_hour))
        assert hours.scalar_one() > 0
    at[0] = START + 2 * HOUR_MS + 120_000
    await keeper.round()
    assert (await counts(store))["block"] == 2


async def test_a_clock_that_jumps_ahead_by_years_deletes_nothing(
    store: Store, tmp_path: Path, at: list[int]
) -> None:
    await put(store, *minutes(2))
    before = await samples(store)
    at[0] = START + 5000 * DAY_MS
    await keeper_of(store, tmp_path, at, RetentionPolicy()).round()
    assert await samples(store) == before


async def test_past_its_size_the_record_loses_its_oldest_seconds(
    store: Store, tmp_path: Path, at: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tukur.hub.maintenance.maintenance.MIN_SECONDS_MS", 120_000)
    machine = Machine()
    for pid in range(300, 900):
        machine.start(pid, f"process-{pid}")
    await put(store, *minutes(12, machine=machine))
    at[0] = START + 12 * 60_000
    generous = keeper_of(store, tmp_path, at, RetentionPolicy(max_bytes=1 << 40))
    used = await generous.space.used()
    assert await generous.trim(at[0]) == 0
    bound = used - 20_000
    keeper = keeper_of(store, tmp_path, at, RetentionPolicy(max_bytes=bound))
    assert await keeper.trim(at[0]) > 0
    left = await samples(store)
    assert left
    assert min(entry[0] for entry in left) > START * 10**6
    if await generous.space.left(tmp_path) is not None:
        assert await keeper.space.used() <= bound
    # However small the bound: the newest stay.
    await keeper_of(store, tmp_path, at, RetentionPolicy(max_bytes=1)).trim(at[0])
    assert await samples(store)


async def test_the_outlook_tells_what_is_used_and_how_it_grows(
    store: Store, tmp_path: Path, at: list[int]
) -> None:
    keeper = keeper_of(store, tmp_path, at, RetentionPolicy(max_bytes=1 << 40))
    assert (await keeper.outlook()).forecast is None
    machine = Machine()
    for _ in range(7):
        await put(store, *minutes(1, machine=machine))
        machine.wall_ns += 900 * 10**9
        machine.boot_ns += 900 * 10**9
    at[0] = machine.wall_ns // 10**6
    outlook = await keeper.outlook()
    assert outlook.oldest is not None
    assert outlook.oldest.minutes_ms == START
    assert outlook.room_bytes is not None
    assert outlook.forecast is not None
    assert outlook.forecast.bytes_per_day > 0
    assert outlook.forecast.settles_at_bytes > outlook.used_bytes > 0
