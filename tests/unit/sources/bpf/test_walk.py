"""What is made of the arrays that walk.bpf.c fills; the kernel itself is in tests/kernel."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tukur.records import TASK
from tukur.sources.bpf.walk import CHANGE, PLACE, SEVERAL, Table, WalkResult, _room_for

ROOM = 64
NONE = np.empty(0, dtype=TASK)


class Arrays:
    """The program's arrays, filled as it does: a row for each process as long as it lives."""

    def __init__(self) -> None:
        self.rows = np.zeros(ROOM, dtype=TASK)
        self._row_of: dict[int, int] = {}
        self._spare = list(range(ROOM))
        self._before: list[tuple[int, int]] = []

    def walk(self, now: Sequence[tuple[int, int]]) -> tuple[Any, Any, Any, WalkResult]:
        """The arguments of Table.update() for these (pid, cpu_ns), in the order of their creation."""
        pids, before = [pid for pid, _ in now], dict(self._before)
        for pid in before.keys() - set(pids):
            self._spare.append(self._row_of.pop(pid))
        changes = []
        for place, (pid, cpu) in enumerate(now):
            if pid not in before:
                self._row_of[pid] = self._spare.pop(0)
            row = self._row_of[pid]
            if before.get(pid) != cpu:
                self.rows[row]["pid"], self.rows[row]["cpu_ns"] = pid, cpu
                changes.append((place, row))
        moved = pids != [pid for pid, _ in self._before]
        self._before = list(now)
        places = np.array([(0, 0, self._row_of[pid], pid | SEVERAL * (pid % 2)) for pid in pids], dtype=PLACE)
        result = WalkResult(len(now), len(changes), moved, pids != sorted(pids))
        return self.rows, places, np.array(changes, dtype=CHANGE), result


def front_row(cpu: int) -> Any:
    made = np.zeros(1, dtype=TASK)
    made["pid"], made["cpu_ns"] = 1, cpu
    return made


def pairs(table: Any) -> list[tuple[int, int]]:
    return list(zip(table["pid"].tolist(), table["cpu_ns"].tolist(), strict=True))


STEPS = st.lists(
    st.tuples(
        st.lists(st.integers(2, 60), max_size=5, unique=True),
        st.sets(st.integers(0, 60), max_size=5),
        st.sets(st.integers(0, 60), max_size=8),
        st.booleans(),
    ),
    max_size=12,
)
"""For each step: PIDs that begin, and by index who ends and who runs; whether PID 1 is read elsewhere."""


@given(STEPS)
def test_the_table_is_that_of_all_processes_after_whatever_happened(
    steps: list[tuple[list[int], set[int], set[int], bool]],
) -> None:
    table, arrays, now = Table(), Arrays(), list[tuple[int, int]]()
    handed_out = []
    for number, (begin, end, run, fronted) in enumerate(steps):
        now = [one for index, one in enumerate(now) if index not in end]
        now = [(pid, cpu + (index in run)) for index, (pid, cpu) in enumerate(now)]
        there = {pid for pid, _ in now}
        now += [(pid, 1000 * number) for pid in begin if pid not in there]
        front = front_row(number) if fronted else NONE
        found = table.update(*arrays.walk(now), front)
        assert pairs(found) == pairs(front) + sorted(now)
        handed_out.append((found, pairs(found)))
    for found, was in handed_out:
        assert pairs(found) == was


def test_after_an_update_that_broke_off_all_is_taken_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    table, arrays = Table(), Arrays()
    table.update(*arrays.walk([(5, 1), (7, 1)]), NONE)
    with monkeypatch.context() as patched:
        patched.setattr(Table, "_changed", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            table.update(*arrays.walk([(5, 2), (7, 1)]), NONE)
    assert pairs(table.update(*arrays.walk([(5, 2), (7, 3)]), NONE)) == [(5, 2), (7, 3)]


@pytest.mark.parametrize(
    ("processes", "rows"),
    [(0, 8192), (4096, 8192), (4097, 16384), (10_000, 32768), (3 << 20, 1 << 22)],
)
def test_there_is_room_for_twice_as_many(processes: int, rows: int) -> None:
    assert _room_for(processes) == rows
