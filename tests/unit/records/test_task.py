"""Snapshots are told apart by process life, not by PID."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tukur.records import TASK, comm_text, match_previous


def tasks(*lives: tuple[int, int]) -> Any:
    rows = np.zeros(len(lives), dtype=TASK)
    for row, (pid, start_ns) in zip(rows, sorted(lives), strict=True):
        row["pid"], row["start_ns"] = pid, start_ns
    return rows


def test_a_reused_pid_is_another_life() -> None:
    assert match_previous(tasks((1, 10), (2, 21)), tasks((1, 10), (2, 20))).tolist() == [0, -1]


def test_the_first_snapshot_matches_nothing() -> None:
    assert match_previous(tasks((1, 10)), tasks()).tolist() == [-1]
    assert match_previous(tasks(), tasks((1, 10))).tolist() == []


LIVES = st.dictionaries(st.integers(1, 60), st.integers(1, 3), max_size=40)


@given(LIVES, LIVES)
def test_every_life_that_was_there_before_is_found(now: dict[int, int], before: dict[int, int]) -> None:
    current, previous = tasks(*now.items()), tasks(*before.items())
    at = match_previous(current, previous)
    for row, index in zip(current, at.tolist(), strict=True):
        pid, start = int(row["pid"]), int(row["start_ns"])
        if index >= 0:
            assert (int(previous[index]["pid"]), int(previous[index]["start_ns"])) == (pid, start)
        else:
            assert before.get(pid) != start


@given(st.binary(max_size=16))
def test_a_name_of_any_bytes_becomes_text_that_can_be_sent(comm: bytes) -> None:
    comm_text(comm).encode("utf-8")
