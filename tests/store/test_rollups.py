"""Minutes become hours; what is asked over both is what the minutes alone would say."""

import pytest

from tests.store.test_store import START, put, the_host
from tests.support.hub import HOST, OTHER
from tests.support.record import SECOND, WALL, Machine
from tukur.hub.store.record.rollups import HOUR_MS, RollupStore
from tukur.hub.store.store import Store
from tukur.protocol.messages import Block

BEGIN = START - START % HOUR_MS
"""The hour of the first sample."""


def three_hours() -> list[Block]:
    """A block in the first and the third hour, two in the second; a worker, one second of CPU in each."""
    machine = Machine(wall_ns=WALL - WALL % (3600 * SECOND) + 10 * SECOND)
    machine.start(10, "worker")
    machine.start(11, "idle")
    machine.sample()
    blocks = []
    for at, hour in enumerate((0, 1, 1, 2)):
        wall_ns = WALL - WALL % (3600 * SECOND) + (hour * 3600 + 60 * at + 60) * SECOND
        machine.boot_ns += wall_ns - machine.wall_ns
        machine.wall_ns = wall_ns
        machine.work(10, cpu_s=1, write_bytes=7)
        machine.set(10, rss_anon=(at + 1) << 20)
        blocks.append(machine.block(9, busy=0.25 * (at + 1)))
    return blocks


async def told(levels: RollupStore, host_no: int, begin: int, end: int) -> tuple[int, int, int]:
    """CPU, peak and bytes of the worker over a range, whatever rows tell them."""
    rows = [row for row in await levels.process_sums(host_no, begin, end) if row.pid == 10]
    return (
        sum(int(row.cpu_ns) for row in rows),
        max(int(row.rss_peak) for row in rows),
        sum(int(row.write_bytes) for row in rows),
    )


async def test_hours_say_what_their_minutes_said(store: Store) -> None:
    await put(store, *three_hours())
    host, levels = await the_host(store), store.facts.rollups
    spans = [
        (BEGIN, BEGIN + 3 * HOUR_MS),
        (BEGIN + 60_000, BEGIN + 2 * HOUR_MS),
        (BEGIN, BEGIN + 2 * HOUR_MS + 60_000),
    ]
    before = [await told(levels, host.number, *span) for span in spans]
    cpu = await levels.figures(host.number, *spans[0], coarse=True)
    assert await levels.add_up(BEGIN + 3 * HOUR_MS, 100) == 3
    assert await levels.fresh_hours(host.number, *spans[0]) == [BEGIN + n * HOUR_MS for n in range(3)]
    assert [await told(levels, host.number, *span) for span in spans] == before
    assert before[0] == (4 * SECOND, 4 << 20, 28)
    hours = await levels.figures(host.number, *spans[0], coarse=True)
    assert [row.at_ms for row in hours] == [BEGIN + n * HOUR_MS for n in range(3)]
    assert sum(row.samples for row in hours) == sum(row.samples for row in cpu)
    assert sum(row.cpu_total for row in hours) == pytest.approx(sum(row.cpu_total for row in cpu))
    # The first sample has none before it: its CPU is not known, and is no 0.
    assert (max(row.cpu_high for row in hours), min(row.cpu_low for row in hours)) == (1.0, 0.25)
    assert len(await levels.figures(host.number, *spans[0], coarse=False)) > len(hours)


async def test_an_hour_is_added_up_once_it_is_over(store: Store) -> None:
    await put(store, *three_hours())
    levels = store.facts.rollups
    assert await levels.add_up(BEGIN + 2 * HOUR_MS - 1, 100) == 1
    assert await levels.add_up(BEGIN + 2 * HOUR_MS - 1, 100) == 0
    host = await the_host(store)
    assert await levels.fresh_hours(host.number, BEGIN, BEGIN + 9 * HOUR_MS) == [BEGIN]


async def test_a_block_that_comes_late_changes_its_hour(store: Store) -> None:
    first, second, third, last = three_hours()
    await put(store, first, second, last)
    levels, host = store.facts.rollups, await the_host(store)
    assert await levels.add_up(BEGIN + 3 * HOUR_MS, 100) == 3
    await put(store, third)
    whole = (BEGIN, BEGIN + 3 * HOUR_MS)
    assert await levels.fresh_hours(host.number, *whole) == [BEGIN, BEGIN + 2 * HOUR_MS]
    assert await told(levels, host.number, *whole) == (4 * SECOND, 4 << 20, 28)
    assert await levels.add_up(BEGIN + 3 * HOUR_MS, 100) == 1
    assert await told(levels, host.number, *whole) == (4 * SECOND, 4 << 20, 28)


async def test_a_repeat_does_not_make_an_hour_stale(store: Store) -> None:
    blocks = three_hours()
    await put(store, *blocks)
    levels = store.facts.rollups
    await levels.add_up(BEGIN + 3 * HOUR_MS, 100)
    await put(store, *blocks)
    assert await levels.add_up(BEGIN + 3 * HOUR_MS, 100) == 0


async def test_hosts_do_not_mix(store: Store) -> None:
    blocks = three_hours()
    await put(store, *blocks)
    await put(store, blocks[0], host_id=OTHER)
    levels = store.facts.rollups
    assert await levels.add_up(BEGIN + 3 * HOUR_MS, 2) == 2
    assert await levels.add_up(BEGIN + 3 * HOUR_MS, 100) == 2
    numbers = {host.host_id: host.number for host in await store.hosts()}
    whole = (BEGIN, BEGIN + 3 * HOUR_MS)
    assert (await told(levels, numbers[OTHER], *whole))[0] == SECOND
    assert (await told(levels, numbers[HOST], *whole))[0] == 4 * SECOND


async def test_hours_say_of_each_device_what_its_minutes_said(store: Store) -> None:
    await put(store, *three_hours())
    host, levels = await the_host(store), store.facts.rollups
    span = BEGIN, BEGIN + 3 * HOUR_MS

    async def totals(coarse: bool) -> dict[str, tuple[int, float, float, float | None]]:
        found: dict[str, tuple[int, float, float, float | None]] = {}
        for row in await levels.devices(host.number, *span, coarse=coarse):
            samples, read, high, busy = found.get(row.device, (0, 0.0, 0.0, None))
            busy = busy if row.busy_total is None else (busy or 0.0) + row.busy_total
            found[row.device] = (
                *(samples + row.samples, read + row.read_total, max(high, row.read_high)),
                busy,
            )
        return found

    minutes = await totals(coarse=False)
    assert set(minutes) == {"disk.vda", "net.eth0"}
    samples, read, high, busy = minutes["disk.vda"]
    assert [read / samples, high] == pytest.approx([3000, 3000])
    assert busy == pytest.approx(samples / 2)
    assert minutes["net.eth0"][3] is None
    assert await levels.add_up(BEGIN + 3 * HOUR_MS, 100) == 3
    assert len(await levels.devices(host.number, *span, coarse=True)) == 3 * 2
    hours = await totals(coarse=True)
    assert hours["disk.vda"] == pytest.approx(minutes["disk.vda"])
    assert hours["net.eth0"][:3] == pytest.approx(minutes["net.eth0"][:3])
