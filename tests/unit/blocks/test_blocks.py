"""A block gives back just what was put in, whatever it was."""

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from tukur.blocks import (
    MAX_SAMPLES,
    BlockBuilder,
    BlockDamagedError,
    decode_host,
    decode_host_samples,
    decode_samples,
    decode_table,
    decode_totals,
)
from tukur.blocks.container import pack, unpack
from tukur.blocks.layout import HOST_MAGIC, TASK_MAGIC, HostHeader, TaskHeader
from tukur.records import ENDED, TASK, HostSample, Snapshot

SECOND = 10**9
WALL = 1_700_000_000 * SECOND
BOOT = 5_000 * SECOND
NAMES = ("cpu.total.user", "cpu.total.idle", "mem.total", "mem.available")


def host(step: int) -> HostSample:
    return HostSample(NAMES, np.array([step * SECOND, step * SECOND, 8_000, 6_000], dtype=np.int64))


def snapshot(step: int, tasks: Any) -> Snapshot:
    return Snapshot(WALL + step * SECOND, BOOT + step * SECOND, host(step), tasks)


def tasks_of(*rows: dict[str, Any]) -> Any:
    tasks = np.zeros(len(rows), dtype=TASK)
    for at, row in enumerate(rows):
        for name, value in row.items():
            tasks[name][at] = value
    return tasks


def block_of(*tables: Any, baseline: Any = None) -> Any:
    builder = BlockBuilder()
    if baseline is not None:
        builder.add(snapshot(-1, baseline))
        builder.finish()
    for step, table in enumerate(tables):
        builder.add(snapshot(step, table))
    return builder.finish()


@st.composite
def histories(draw: st.DrawFn) -> list[Any]:
    """Tables of processes of any bytes whatever; PIDs come, go and come back with another start."""
    tables = []
    for _ in range(draw(st.integers(1, 8))):
        pids = sorted(draw(st.sets(st.integers(1, 12), max_size=8)))
        table = draw(npst.arrays(np.uint8, (len(pids), TASK.itemsize))).reshape(-1)
        table = table.view(TASK).copy() if pids else np.empty(0, dtype=TASK)
        table["pid"] = pids
        table["start_ns"] = [draw(st.integers(0, 2)) for _ in pids]
        tables.append(table)
    return tables


@settings(max_examples=150, deadline=None)
@given(histories(), st.booleans())
def test_any_sequence_of_tables_comes_back_byte_for_byte(tables: list[Any], with_baseline: bool) -> None:
    baseline, rest = (tables[0], tables[1:]) if with_baseline and len(tables) > 1 else (None, tables)
    encoded = block_of(*rest, baseline=baseline)
    decoded = list(decode_samples(encoded.tasks))
    assert len(decoded) == len(rest) == encoded.samples
    for step, (wall_ns, boot_ns, found) in enumerate(decoded):
        assert (wall_ns, boot_ns) == (WALL + step * SECOND, BOOT + step * SECOND)
        assert found.tobytes() == rest[step].tobytes()


@settings(max_examples=60, deadline=None)
@given(histories(), st.integers(-2, 9))
def test_the_table_at_an_instant_is_the_nearest_sample_with_the_one_before(
    tables: list[Any], second: int
) -> None:
    encoded = block_of(*tables[1:], baseline=tables[0]) if len(tables) > 1 else block_of(*tables)
    samples = tables[1:] if len(tables) > 1 else tables
    wanted = min(max(second, 0), len(samples) - 1)
    table = decode_table(encoded.tasks, WALL + second * SECOND + SECOND // 10)
    assert table.wall_ns == WALL + wanted * SECOND
    assert table.tasks.tobytes() == samples[wanted].tobytes()
    if wanted > 0:
        assert table.previous.tobytes() == samples[wanted - 1].tobytes()
    elif len(tables) > 1:
        assert table.previous.tobytes() == tables[0].tobytes()
    else:
        assert len(table.previous) == 0


def test_an_empty_table_and_a_hundred_thousand_processes_fit_in_a_block() -> None:
    many = np.zeros(100_000, dtype=TASK)
    many["pid"] = np.arange(1, 100_001)
    encoded = block_of(np.empty(0, dtype=TASK), many, np.empty(0, dtype=TASK))
    assert [len(tasks) for _, _, tasks in decode_samples(encoded.tasks)] == [0, 100_000, 0]
    assert encoded.lives == 100_000
    assert encoded.process_samples == 100_000


def test_idle_processes_cost_next_to_nothing() -> None:
    idle = np.zeros(1000, dtype=TASK)
    idle["pid"] = np.arange(1, 1001)
    idle["rss_anon"] = np.arange(1000) * 4096
    few = block_of(*([idle] * 2))
    many = block_of(*([idle] * MAX_SAMPLES))
    assert len(many.tasks) - len(few.tasks) < 300


def test_totals_count_what_happened_inside_the_range_only() -> None:
    def busy(cpu_ms: int, rss: int) -> Any:
        return tasks_of({"pid": 7, "start_ns": 1, "cpu_ns": cpu_ms * 10**6, "rss_anon": rss})

    encoded = block_of(busy(110, 5), busy(150, 9), busy(151, 3), busy(500, 4), baseline=busy(100, 50))
    whole = decode_totals(encoded.tasks, 0, 2**62)
    assert (whole["cpu_ns"][0], whole["rss_peak"][0]) == (400 * 10**6, 9)
    inside = decode_totals(encoded.tasks, WALL + SECOND, WALL + 3 * SECOND)
    assert (inside["cpu_ns"][0], inside["rss_peak"][0]) == (41 * 10**6, 9)
    assert len(decode_totals(encoded.tasks, 0, WALL)) == 0


def test_totals_of_neighbouring_blocks_add_up_to_the_whole() -> None:
    builder = BlockBuilder()
    payloads = []
    for step in range(30):
        row = {"pid": 7, "start_ns": 1, "cpu_ns": 1000 + step * step, "write_bytes": step * 512}
        builder.add(snapshot(step, tasks_of(row)))
        if step % 10 == 9:
            payloads.append(builder.finish().tasks)
    cpu = sum(int(decode_totals(p, 0, 2**62)["cpu_ns"].sum()) for p in payloads)
    written = sum(int(decode_totals(p, 0, 2**62)["write_bytes"].sum()) for p in payloads)
    assert (cpu, written) == (29 * 29, 29 * 512)


def test_a_life_that_begins_inside_the_block_counts_whole_and_an_older_one_from_its_first_sight() -> None:
    empty = np.empty(0, dtype=TASK)
    newborn = {"pid": 8, "start_ns": BOOT - SECOND // 2, "cpu_ns": 300}
    elder = {"pid": 9, "start_ns": 5, "cpu_ns": 10**12}
    encoded = block_of(tasks_of(newborn, elder), baseline=empty)
    totals = {int(row["pid"]): int(row["cpu_ns"]) for row in decode_totals(encoded.tasks, 0, 2**62)}
    assert totals == {8: 300, 9: 0}


def test_a_life_that_no_sample_saw_counts_whole_though_its_end_is_told_late() -> None:
    empty = np.empty(0, dtype=TASK)
    unseen = {"pid": 8, "start_ns": BOOT - 5 * SECOND, "cpu_ns": 300, "flags": ENDED}
    encoded = block_of(tasks_of(unseen), baseline=empty)
    assert decode_totals(encoded.tasks, 0, 2**62)["cpu_ns"].tolist() == [300]


def test_a_life_that_ends_inside_the_range_is_there_and_marked() -> None:
    a, b = {"pid": 3, "start_ns": 1, "cpu_ns": 5}, {"pid": 4, "start_ns": 1}
    encoded = block_of(tasks_of(a, b), tasks_of(b))
    totals = decode_totals(encoded.tasks, 0, 2**62)
    assert {int(row["pid"]): bool(row["ended"]) for row in totals} == {3: True, 4: False}


def test_a_counter_that_goes_back_gives_no_negative_total() -> None:
    encoded = block_of(tasks_of({"pid": 3, "cpu_ns": 50}), baseline=tasks_of({"pid": 3, "cpu_ns": 80}))
    assert decode_totals(encoded.tasks, 0, 2**62)["cpu_ns"][0] == 0


def test_the_hosts_figures_come_back_for_each_sample() -> None:
    encoded = block_of(*([tasks_of({"pid": 1})] * 3), baseline=tasks_of({"pid": 1}))
    points = decode_host(encoded.host)
    assert [point.wall_ns for point in points] == [WALL, WALL + SECOND, WALL + 2 * SECOND]
    assert [point.rates.cpu for point in points] == [0.5, 0.5, 0.5]
    assert points[0].rates.mem_used == 2000
    assert points[0].rates.processes == 1


def test_a_disk_that_comes_in_mid_block_is_recorded() -> None:
    builder = BlockBuilder()
    empty = np.empty(0, dtype=TASK)
    few, more = ("mem.total",), ("mem.total", "disk.sdb.read_bytes", "disk.sdb.write_bytes")
    given = [(few, [5]), (more, [5, 10**12, 0]), (more, [5, 10**12 + 100, 0]), (few, [5]), (more, [5, 7, 0])]
    for step, (names, values) in enumerate(given):
        builder.add(
            Snapshot(WALL + step * SECOND, BOOT + step * SECOND, HostSample(names, np.array(values)), empty)
        )
    host = builder.finish().host
    # Neither its appearance nor its return is traffic.
    rates = [point.rates.disk_read for point in decode_host(host)]
    assert rates[2] == 100
    assert all(np.isnan([*rates[:2], *rates[3:]]))
    samples = [sample for _, _, sample in decode_host_samples(host).samples]
    assert [(sample.names, sample.values.tolist()) for sample in samples] == given


def test_in_a_block_of_an_older_agent_a_device_without_counts_was_not_there() -> None:
    names = ("mem.total", "disk.sda.read_bytes", "disk.sdb.read_bytes", "disk.sdb.write_bytes")
    rows = [(5, 100, 0, 0), (5, 200, 10**12, 9), (5, 300, 10**12 + 1, 9)]
    builder = BlockBuilder()
    for step, row in enumerate(rows):
        sample = HostSample(names, np.array(row))
        builder.add(Snapshot(WALL + step * SECOND, BOOT + step * SECOND, sample, np.empty(0, dtype=TASK)))
    header, body = unpack(HOST_MAGIC, HostHeader, builder.finish().host)
    older = pack(HOST_MAGIC, msgspec.structs.replace(header, absent=None), body)
    assert [point.rates.disk_read for point in decode_host(older)][1:] == [100, 101]


@pytest.mark.parametrize("absent", [{"mem.nothing": [0]}, {"mem.total": [7]}, {"mem.total": [-1]}])
def test_a_step_or_name_that_is_not_there_cannot_lack(absent: dict[str, list[int]]) -> None:
    header, body = unpack(HOST_MAGIC, HostHeader, block_of(tasks_of({"pid": 1})).host)
    damaged = pack(HOST_MAGIC, msgspec.structs.replace(header, absent=absent), body)
    with pytest.raises(BlockDamagedError, match="is absent in steps"):
        decode_host(damaged)


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_a_changed_byte_is_always_noticed(data: st.DataObject) -> None:
    encoded = block_of(tasks_of({"pid": 1, "cpu_ns": 7}, {"pid": 2}))
    damaged = bytearray(encoded.tasks)
    at = data.draw(st.integers(0, len(damaged) - 1))
    damaged[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BlockDamagedError):
        decode_table(bytes(damaged), WALL)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_bytes_that_are_no_block_are_refused_in_words(junk: bytes) -> None:
    with pytest.raises(BlockDamagedError):
        decode_table(junk, WALL)
    with pytest.raises(BlockDamagedError):
        decode_host(b"TKH1" + junk)


def test_a_truncated_block_is_refused() -> None:
    encoded = block_of(tasks_of({"pid": 1}))
    for length in range(0, len(encoded.tasks), 7):
        with pytest.raises(BlockDamagedError):
            decode_table(encoded.tasks[:length], WALL)


def test_a_sample_that_is_not_later_is_refused() -> None:
    builder = BlockBuilder()
    builder.add(snapshot(1, tasks_of({"pid": 1})))
    with pytest.raises(ValueError, match="after one at"):
        builder.add(snapshot(1, tasks_of({"pid": 1})))


def test_a_wall_clock_that_jumps_back_loses_nothing() -> None:
    builder = BlockBuilder()
    for step, wall in enumerate((WALL, WALL + SECOND, WALL - 3600 * SECOND)):
        builder.add(Snapshot(wall, BOOT + step * SECOND, host(step), tasks_of({"pid": 1})))
    walls = [wall for wall, _, _ in decode_samples(builder.finish().tasks)]
    assert walls == [WALL, WALL + SECOND, WALL - 3600 * SECOND]


def test_a_full_block_takes_no_more() -> None:
    builder = BlockBuilder()
    for step in range(MAX_SAMPLES):
        builder.add(snapshot(step, tasks_of({"pid": 1})))
    with pytest.raises(ValueError, match="full"):
        builder.add(snapshot(MAX_SAMPLES, tasks_of({"pid": 1})))


@pytest.mark.parametrize(
    "change",
    [{"lives": 2**40}, {"changes": 2**40}, {"gone": -1}, {"steps": 0}, {"steps": 1000}, {"words": 10**6}],
)
def test_a_header_that_asks_for_any_amount_of_memory_is_refused(change: dict[str, int]) -> None:
    header, body = unpack(TASK_MAGIC, TaskHeader, block_of(tasks_of({"pid": 1})).tasks)
    hostile = pack(TASK_MAGIC, msgspec.structs.replace(header, **change), body)
    with pytest.raises(BlockDamagedError):
        decode_table(hostile, WALL)


@pytest.mark.parametrize("life", [-1, 2, 2**40])
def test_a_change_of_a_life_that_is_not_there_is_refused(life: int) -> None:
    builder = BlockBuilder()
    builder.add(snapshot(0, tasks_of({"pid": 1}, {"pid": 2})))
    builder.add(snapshot(1, tasks_of({"pid": 1, "cpu_ns": 5}, {"pid": 2})))
    builder._steps[1].changed[0] = life
    with pytest.raises(BlockDamagedError, match="none of the block's 2"):
        decode_table(builder.finish().tasks, WALL)
