"""Live frames: applied one after another they give the table."""

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tukur.agent.frames import FrameMaker, RowKeeper, top_of
from tukur.records import ROW, TASK, HostSample, Snapshot, compare, host_rates, task_rows

BOOT = "99999999-2222-3333-4444-555555555555"
HOST = HostSample(("mem.total",), np.array([1], dtype=np.int64))
RATES = host_rates(HOST, HOST, 1.0, 0)


def snapshot(second: int, cpu_ms: dict[int, int]) -> Snapshot:
    tasks: Any = np.zeros(len(cpu_ms), dtype=TASK)
    tasks["pid"] = sorted(cpu_ms)
    tasks["cpu_ns"] = [cpu_ms[pid] * 10**6 for pid in sorted(cpu_ms)]
    return Snapshot(second * 10**9, second * 10**9, HOST, tasks)


def rows_of(current: Snapshot, previous: Snapshot | None) -> Any:
    if previous is None:
        return task_rows(current.tasks, current.tasks[:0], current.boot_ns, current.boot_ns)
    return task_rows(current.tasks, previous.tasks, current.boot_ns, previous.boot_ns)


def assert_same(found: list[tuple[Any, ...]], expected: list[tuple[Any, ...]]) -> None:
    """NaN, an unknown rate, equals itself."""
    assert repr(found) == repr(expected)


class Viewer:
    """A browser, in a few lines."""

    def __init__(self) -> None:
        self.rows: dict[int, tuple[Any, ...]] = {}
        self.seq = 0

    def apply(self, frame: bytes) -> dict[str, Any]:
        content: dict[str, Any] = msgspec.msgpack.decode(frame)
        if content["key"]:
            self.rows.clear()
        for pid in np.frombuffer(content["gone"], dtype="<u4").tolist():
            del self.rows[pid]
        columns = [np.frombuffer(content["rows"][name], dtype=ROW[name]).tolist() for name in ROW.names or ()]
        for row in zip(*columns, strict=True):
            self.rows[row[0]] = row
        assert content["count"] == len(self.rows)
        self.seq = content["seq"]
        return content


@given(st.lists(st.dictionaries(st.integers(1, 9), st.integers(0, 50), max_size=6), min_size=1, max_size=8))
def test_differences_applied_in_order_give_the_whole_table(history: list[dict[int, int]]) -> None:
    maker, viewer, previous = FrameMaker(BOOT), Viewer(), None
    for second, cpu_ms in enumerate(history, 1):
        current = snapshot(second, cpu_ms)
        rows = rows_of(current, previous)
        viewer.apply(maker.frame(current, rows, RATES, [], []))
        assert viewer.seq == second
        assert_same([viewer.rows[pid] for pid in sorted(viewer.rows)], rows.tolist())
        previous = current


@given(st.lists(st.dictionaries(st.integers(1, 9), st.integers(0, 3), max_size=6), min_size=1, max_size=9))
def test_the_table_that_is_kept_up_to_date_is_the_one_made_anew(history: list[dict[int, int]]) -> None:
    keeper, previous = RowKeeper(), None
    for second, cpu_ms in enumerate(history, 1):
        current = snapshot(second, cpu_ms)
        before = previous.tasks if previous is not None else current.tasks[:0]
        rows = keeper.update(current, previous, compare(current.tasks, before))
        assert_same(rows.tolist(), rows_of(current, previous).tolist())
        previous = current


@given(
    st.lists(
        st.tuples(st.dictionaries(st.integers(1, 9), st.integers(0, 3), max_size=6), st.booleans()),
        min_size=1,
        max_size=9,
    )
)
def test_a_table_that_nobody_asked_for_in_between_is_right_again(
    history: list[tuple[dict[int, int], bool]],
) -> None:
    keeper, previous = RowKeeper(), None
    for second, (cpu_ms, is_watched) in enumerate(history, 1):
        current = snapshot(second, cpu_ms)
        before = previous.tasks if previous is not None else current.tasks[:0]
        if is_watched:
            rows = keeper.update(current, previous, compare(current.tasks, before))
            assert_same(rows.tolist(), rows_of(current, previous).tolist())
        previous = current


@given(*[st.dictionaries(st.integers(1, 20), st.integers(0, 30), min_size=1, max_size=12)] * 2)
def test_the_top_of_the_heartbeat_says_what_the_table_says(
    first: dict[int, int], second: dict[int, int]
) -> None:
    before, after = snapshot(1, first), snapshot(2, second)
    rows = rows_of(after, before)
    shares = dict(zip(rows["pid"].tolist(), np.nan_to_num(rows["cpu"]).round(4).tolist(), strict=True))
    top = top_of(after, before, compare(after.tasks, before.tasks))
    assert [share for _, _, share, _ in top] == pytest.approx(sorted(shares.values(), reverse=True)[:8])
    assert {pid: share for pid, _, share, _ in top} == pytest.approx({pid: shares[pid] for pid, *_ in top})


def test_a_frame_of_an_idle_machine_carries_no_rows() -> None:
    maker, viewer = FrameMaker(BOOT), Viewer()
    first, second, third = (snapshot(at, {7: 100, 8: 100}) for at in (1, 2, 3))
    viewer.apply(maker.frame(first, rows_of(first, None), RATES, [], []))
    viewer.apply(maker.frame(second, rows_of(second, first), RATES, [], []))
    content = viewer.apply(maker.frame(third, rows_of(third, second), RATES, [], []))
    assert content["rows"]["pid"] == b""
    assert not content["key"]


def test_a_key_frame_comes_when_it_is_asked_for() -> None:
    maker = FrameMaker(BOOT)
    frames = []
    for second in range(1, 4):
        if second == 3:
            maker.request_key()
        current = snapshot(second, {7: 0})
        frames.append(msgspec.msgpack.decode(maker.frame(current, rows_of(current, None), RATES, [], [])))
    assert [frame["key"] for frame in frames] == [True, False, True]


def test_rates_are_per_second_of_the_time_that_really_passed() -> None:
    before, after = snapshot(10, {7: 100}), snapshot(12, {7: 1100})
    assert rows_of(after, before)["cpu"].tolist() == [0.5]


def test_the_busiest_come_first_in_the_heartbeat() -> None:
    before = snapshot(1, dict.fromkeys(range(1, 21), 0))
    after = snapshot(2, {pid: pid * 10 for pid in range(1, 21)})
    top = top_of(after, before, compare(after.tasks, before.tasks))
    assert [entry[0] for entry in top] == [20, 19, 18, 17, 16, 15, 14, 13]
    assert top[0][2] == 0.2
    empty = snapshot(1, {})
    assert top_of(empty, None, compare(empty.tasks, empty.tasks)) == []
