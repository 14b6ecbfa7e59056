"""Rows of the process table: rates are over the time between two samples, and never negative."""

from typing import Any

import numpy as np
import pytest

from tukur.records import ENDED, PEAK_UNKNOWN, PROCESS_FIELDS, PROCESS_RATES, ROW, TASK, task_rows

SECOND = 1_000_000_000


def task(**values: Any) -> Any:
    row = np.zeros(1, dtype=TASK)
    for name, value in values.items():
        row[name] = value
    return row


def test_a_core_kept_busy_is_a_cpu_of_one() -> None:
    before, now = (task(pid=7, start_ns=5, cpu_ns=ns) for ns in (10 * SECOND, 12 * SECOND))
    row = task_rows(now, before, 102 * SECOND, 100 * SECOND)[0]
    assert row["cpu"] == pytest.approx(1.0)
    assert row["cpu_time"] == pytest.approx(12.0)


def test_a_newborn_counts_over_the_same_interval_as_all_others() -> None:
    now = task(pid=7, start_ns=100 * SECOND, cpu_ns=SECOND // 4)
    before = task(pid=7, start_ns=3, cpu_ns=50 * SECOND)
    row = task_rows(now, before, 100 * SECOND + SECOND // 2, 99 * SECOND)[0]
    assert row["cpu"] == pytest.approx(0.25 / 1.5)


def test_processes_one_after_another_add_up_to_one_core() -> None:
    # Each works 50 ms and begins the next; those that ended within the second are rows too.
    chain = [
        task(
            pid=at + 10,
            start_ns=100 * SECOND + at * SECOND // 20,
            cpu_ns=SECOND // 20,
            flags=ENDED if at % 3 == 0 else 0,
        )
        for at in range(20)
    ]
    rows = task_rows(np.concatenate(chain), chain[0][:0], 101 * SECOND, 100 * SECOND)
    assert rows["cpu"].sum() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("start_ns", "flags", "share"),
    [
        (100 * SECOND - 10_000_000, 0, 0.25),  # as /proc says it, to the clock tick
        (99 * SECOND, 0, np.nan),  # a source had missed it
        (99 * SECOND, ENDED, 0.25),  # its death was reported late: no sample has it
    ],
)
def test_what_a_process_did_before_a_sample_without_it_is_no_rate(
    start_ns: int, flags: int, share: float
) -> None:
    now = task(pid=7, start_ns=start_ns, cpu_ns=SECOND // 4, flags=flags)
    assert task_rows(now, now[:0], 101 * SECOND, 100 * SECOND)["cpu"].tolist() == pytest.approx(
        [share], nan_ok=True
    )


def test_without_a_sample_before_every_rate_is_unknown() -> None:
    now = task(pid=7, start_ns=5, cpu_ns=50 * SECOND, read_bytes=4096)
    rows = task_rows(now, now[:0], 100 * SECOND, 100 * SECOND)
    assert all(np.isnan(rows[name]).all() for name in PROCESS_RATES)
    assert rows["cpu_time"].tolist() == [50.0]
    shown = {each.name: each.to_api(rows[each.name]) for each in PROCESS_FIELDS}
    assert [shown[name] for name in PROCESS_RATES] == [[None]] * len(PROCESS_RATES)


def test_a_counter_that_went_back_gives_no_rate() -> None:
    before, now = (task(pid=7, start_ns=5, read_bytes=count) for count in (4096, 0))
    assert task_rows(now, before, 2 * SECOND, SECOND)["read_rate"].tolist() == [0.0]


def test_resident_memory_is_the_sum_of_its_kinds() -> None:
    now = task(pid=1, rss_anon=1 << 40, rss_file=2, rss_shmem=4)
    assert task_rows(now, now, 2, 1)["rss"][0] == (1 << 40) + 6


def test_the_memory_of_a_life_whose_peak_is_unknown_is_unknown_unless_a_sample_saw_it() -> None:
    rows = np.concatenate(
        [
            task_rows(task(pid=1, flags=flags, rss_anon=rss), np.empty(0, dtype=TASK), 2, 1)
            for flags, rss in ((ENDED | PEAK_UNKNOWN, 0), (ENDED | PEAK_UNKNOWN, 7), (ENDED, 0))
        ]
    )
    (figure,) = (field for field in PROCESS_FIELDS if field.name == "rss")
    assert figure.to_api(rows["rss"]) == [None, 7, 0]


def test_every_figure_is_made_of_fields_of_the_record() -> None:
    names = [field.name for field in PROCESS_FIELDS]
    assert len(set(names)) == len(names)
    for field in PROCESS_FIELDS:
        assert set(field.sources) <= set(TASK.names or ()), field.name


def test_the_row_on_the_wire_keeps_its_columns() -> None:
    # A column is only ever added, at the end.
    assert [(name, ROW[name].str.lstrip("|")) for name in (ROW.names or ())[:17]] == [
        *((name, "<u4") for name in ("pid", "ppid", "uid", "threads")),
        ("start_ns", "<u8"),
        *((name, "u1") for name in ("state", "flags")),
        ("nice", "<i2"),
        ("cpu", "<f4"),
        *((name, "<f8") for name in ("cpu_time", "rss", "swap", "vsz")),
        *((name, "<f4") for name in ("read_rate", "write_rate", "fault_rate", "switch_rate")),
    ]


def test_a_row_is_given_in_the_types_of_the_api() -> None:
    now = task(pid=7, start_ns=2**63, state=ord("S"), cpu_ns=SECOND // 3, vsz=4096)
    rows = task_rows(now, now[:0], 2**63 + SECOND, 2**63)
    shown = {field.name: field.to_api(rows[field.name])[0] for field in PROCESS_FIELDS if field.api}
    assert (shown["start_ns"], shown["state"], shown["vsz"], shown["cpu"]) == (str(2**63), "S", 4096, 0.33333)
    assert {name: type(value) for name, value in shown.items()} == {
        field.name: field.api for field in PROCESS_FIELDS if field.api
    }
