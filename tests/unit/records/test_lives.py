"""Groups of lives: added up, and never more than there is room for."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tukur.records import GROUP, bounded_groups, merge_groups, no_groups
from tukur.records.lives import OTHERS


def groups(*rows: tuple[int, int, bytes, int, int]) -> Any:
    """Of (parent's start, ppid, name, lives, cpu_ns)."""
    made = np.zeros(len(rows), dtype=GROUP)
    for at, (start, ppid, name, lives, cpu) in enumerate(rows):
        made[at]["start_ns"], made[at]["ppid"], made[at]["comm"] = start, ppid, name
        made[at]["lives"], made[at]["cpu_ns"], made[at]["rss_peak"] = lives, cpu, cpu
        made[at]["first_ns"] = made[at]["at_ns"] = at + 1
    return made


ROWS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(0, 3),
        st.binary(min_size=1, max_size=3).filter(lambda name: not name.endswith(b"\0")),
        st.integers(0, 100),
        st.integers(0, 100),
    ),
    max_size=40,
)


def test_the_same_parent_and_name_are_one() -> None:
    merged = merge_groups([groups((1, 2, b"a", 3, 10)), groups((1, 2, b"a", 4, 5), (1, 2, b"b", 1, 1))])
    assert merged["comm"].tolist() == [b"a", b"b"]
    assert (merged["lives"].tolist(), merged["cpu_ns"].tolist()) == ([7, 1], [15, 1])
    assert (merged["rss_peak"].tolist(), merged["first_ns"].tolist()) == ([10, 1], [1, 2])


def test_nothing_is_nothing() -> None:
    assert len(merge_groups([])) == len(merge_groups([no_groups()])) == 0


def test_names_beyond_the_limit_are_told_as_others_of_their_parent() -> None:
    many = groups(*((1, 2, b"n%d" % at, 1, at) for at in range(100)))
    found = bounded_groups(merge_groups([many]), 10)
    assert len(found) == 6
    (others,) = found[found["comm"] == OTHERS]
    assert (int(others["ppid"]), int(others["lives"])) == (2, 95)


def test_parents_beyond_the_limit_are_told_as_one() -> None:
    many = groups(*((at, at, b"x", 1, 1) for at in range(1, 101)))
    found = bounded_groups(merge_groups([many]), 10)
    assert len(found) == 6
    assert int(found["lives"].sum()) == 100


@given(ROWS, st.integers(2, 20))
def test_however_few_groups_are_left_no_life_and_no_time_is_lost(
    rows: list[tuple[int, int, bytes, int, int]], most: int
) -> None:
    whole = merge_groups([groups(*rows)])
    found = bounded_groups(whole, most)
    assert len(found) <= max(most, 2)
    assert int(found["lives"].sum()) == sum(lives for *_, lives, _ in rows)
    assert int(found["cpu_ns"].sum()) == sum(cpu_ns for *_, cpu_ns in rows)
