"""What the iterator's reader makes of records; the kernel itself is in tests/kernel."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tukur.records import TASK, THREAD
from tukur.sources.bpf.iterator import (
    IDLE,
    Table,
    add_threads,
    idle_numbers,
    split_cpu_time,
)


def rows(*values: dict[str, Any]) -> Any:
    made = np.zeros(len(values), dtype=TASK)
    for row, fields in zip(made, values, strict=True):
        for name, value in fields.items():
            row[name] = value
    return made


def process(pid: int, cpu_ns: int = 0, **more: Any) -> dict[str, Any]:
    return {"pid": pid, "start_ns": pid * 1000, "cpu_ns": cpu_ns, "utime_ns": cpu_ns, "threads": 1, **more}


def thread(pid: int, tid: int, cpu_ns: int = 0) -> dict[str, Any]:
    return {"pid": pid, "ns_pid": tid, "flags": THREAD, "cpu_ns": cpu_ns, "utime_ns": cpu_ns}


def idle(*numbers: int) -> Any:
    """Records of numbers as tasks.bpf.c writes them: 32 in each, the last one with the rest."""
    made = []
    for at in range(0, len(numbers), 32):
        some = numbers[at : at + 32]
        row = rows({"flags": IDLE, "threads": len(some)})
        row.view("<u4")[: len(some)] = some
        made.append(row)
    return np.concatenate(made) if made else rows()


def test_a_process_has_what_its_threads_used() -> None:
    table = Table().update(rows(process(5, 10), thread(5, 6, 100), process(7, 1), thread(5, 8, 1000)))
    assert table["pid"].tolist() == [5, 7]
    assert table["cpu_ns"].tolist() == [1110, 1]


def test_a_thread_with_a_lower_number_than_its_process_counts_too() -> None:
    assert Table().update(rows(thread(500, 3, 7), process(500, 1)))["cpu_ns"].tolist() == [8]


def test_a_thread_whose_process_is_gone_is_left_out() -> None:
    assert Table().update(rows(process(5, 10), thread(9, 11, 100)))["cpu_ns"].tolist() == [10]


def test_a_thread_counts_in_what_it_used_and_in_nothing_else() -> None:
    tasks = rows(process(5, 1, rss_anon=7, vsz=9, cgroup_id=3))
    used = {"minflt": 1, "majflt": 2, "read_bytes": 3, "write_bytes": 4, "nvcsw": 5, "nivcsw": 6}
    add_threads(tasks, rows({**thread(5, 6, 10), "stime_ns": 8, "start_ns": 5000, **used}))
    expected = rows(process(5, 11, rss_anon=7, vsz=9, cgroup_id=3, stime_ns=8, **used))
    assert tasks[0] == expected[0]


def test_a_living_thread_says_what_its_process_is_once_the_main_thread_has_ended() -> None:
    said = {"threads": 2, "nice": 7, "uid": 9, "gid": 8, "cgroup_id": 6, "state": ord("S"), "policy": 3}
    speaker = {**thread(5, 6, 100), **said, "oom_score_adj": -1, "rss_anon": 4096, "vsz": 8192}
    ended = process(5, 10, state=ord("Z"), threads=3, comm=b"the-name")
    other = process(4, 1, state=ord("R"), nice=1)
    table = Table().update(rows(other, ended, speaker, thread(5, 7, 1000)))
    expected = process(5, 1110, **said, oom_score_adj=-1, rss_anon=4096, vsz=8192, comm=b"the-name")
    assert table.tolist() == rows(other, expected).tolist()


def test_what_a_thread_says_of_a_process_that_is_gone_is_left_out() -> None:
    speaker = {**thread(9, 10, 100), "threads": 1, "state": ord("S")}
    assert Table().update(rows(process(5, state=ord("R")), speaker))["state"].tolist() == [ord("R")]


def test_sums_are_exact_beyond_what_a_float_can_hold() -> None:
    huge = (1 << 60) + 1
    tasks = rows(process(5, huge))
    add_threads(tasks, rows(thread(5, 6, 3), thread(5, 7, 5)))
    assert int(tasks["cpu_ns"][0]) == huge + 8


def test_a_process_that_slept_is_as_it_was() -> None:
    table = Table()
    before = table.update(rows(process(5, 10, comm=b"sleeper"), process(7, 20)))
    now = table.update(np.concatenate([rows(process(7, 25)), idle(5)]))
    assert now["pid"].tolist() == [5, 7]
    assert now[0] == before[0]
    assert now["cpu_ns"].tolist() == [10, 25]


def test_an_earlier_snapshot_never_changes() -> None:
    table = Table()
    before = table.update(rows(process(5, 10), process(7, 20)))
    table.update(np.concatenate([rows(process(7, 25)), idle(5)]))
    assert before["cpu_ns"].tolist() == [10, 20]


def test_a_sleeping_thread_still_counts_in_its_process() -> None:
    table = Table()
    table.update(rows(process(5, 10, threads=2), thread(5, 6, 100)))
    assert table.update(np.concatenate([rows(process(5, 11, threads=2)), idle(6)]))["cpu_ns"].tolist() == [
        111
    ]


def test_a_process_of_which_nothing_is_said_has_ended() -> None:
    table = Table()
    table.update(rows(process(5), process(6), process(7)))
    assert table.update(idle(5, 7))["pid"].tolist() == [5, 7]


def test_a_pid_with_another_life_begins_its_times_anew() -> None:
    table = Table()
    table.update(rows({**process(5, 1000), "start_ns": 1}))
    now = table.update(rows({**process(5, 10), "start_ns": 2}))
    assert now["utime_ns"].tolist() == [10]


def test_a_number_that_was_never_told_is_an_error() -> None:
    table = Table()
    table.update(rows(process(5)))
    with pytest.raises(LookupError, match="task 6"):
        table.update(idle(5, 6))
    with pytest.raises(LookupError, match="task 6"):
        Table().update(idle(6))


def test_numbers_come_out_of_several_records() -> None:
    assert idle_numbers(idle(*range(1, 78))).tolist() == list(range(1, 78))
    assert idle_numbers(rows()).tolist() == []


HISTORY = st.lists(
    st.dictionaries(st.integers(1, 99), st.integers(0, 3), max_size=60), min_size=1, max_size=6
)


@given(HISTORY)
def test_telling_only_what_changed_gives_the_same_table_as_telling_all(history: list[dict[int, int]]) -> None:
    table, known = Table(), dict[int, int]()
    for now in history:
        whole = [process(pid, cpu) for pid, cpu in sorted(now.items()) if known.get(pid) != cpu]
        as_before = [pid for pid, cpu in sorted(now.items()) if known.get(pid) == cpu]
        found = table.update(np.concatenate([rows(*whole), idle(*as_before)]))
        assert dict(zip(found["pid"].tolist(), found["cpu_ns"].tolist(), strict=True)) == now
        assert found["pid"].tolist() == sorted(now)
        known = now


def split(cpu: int, user: int, system: int, before: Any = None) -> tuple[int, int]:
    tasks = rows({"pid": 1, "start_ns": 1, "cpu_ns": cpu, "utime_ns": user, "stime_ns": system})
    known = np.array([before is not None])
    split_cpu_time(tasks, rows() if before is None else before, np.zeros(1, dtype=np.int64), known)
    return int(tasks["utime_ns"][0]), int(tasks["stime_ns"][0])


def test_ticks_only_divide_what_the_scheduler_measured() -> None:
    assert split(1000, 30, 10) == (750, 250)
    assert split(1000, 0, 10) == (0, 1000)
    assert split(1000, 10, 0) == (1000, 0)
    assert split(1000, 0, 0) == (1000, 0)


def test_neither_time_goes_back_when_the_ratio_turns() -> None:
    before = rows({"pid": 1, "start_ns": 1, "cpu_ns": 1000, "utime_ns": 750, "stime_ns": 250})
    assert split(1100, 10, 90, before) == (750, 350)
    assert split(1100, 99, 1, before) == (850, 250)


@given(*[st.integers(0, 1 << 50)] * 3, *[st.integers(0, 1 << 50)] * 2)
def test_the_two_times_always_add_up(
    cpu: int, user: int, system: int, was_user: int, was_system: int
) -> None:
    before = rows({"pid": 1, "start_ns": 1, "utime_ns": was_user, "stime_ns": was_system})
    assert sum(split(cpu, user, system, before)) == cpu
