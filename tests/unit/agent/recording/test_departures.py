"""Lives that ended between two samples: in the table, or together."""

from typing import Any

import numpy as np

from tukur.agent.recording.departures import Quota, limited, with_departed
from tukur.records import ENDED, TASK, Departed


def tasks(*rows: tuple[int, int], flags: int = 0, **fields: Any) -> Any:
    made = np.zeros(len(rows), dtype=TASK)
    made["pid"] = [pid for pid, _ in rows]
    made["start_ns"] = [start for _, start in rows]
    made["flags"] = flags
    for name, value in fields.items():
        made[name] = value
    return made


NOBODY = tasks()


def departed(*rows: tuple[int, int], waiting: Any = NOBODY, **fields: Any) -> Departed:
    count = len(rows)
    return Departed(
        waiting=waiting,
        tasks=tasks(*rows, flags=ENDED, **fields),
        end_ns=np.arange(count, dtype=np.uint64),
        status=np.zeros(count, dtype=np.int64),
        args=[b"%d\0" % pid for pid, _ in rows],
    )


def test_the_table_has_the_living_and_the_ended_by_pid() -> None:
    table = with_departed(tasks((1, 1), (5, 5)), departed((3, 3), (9, 9)), NOBODY)
    assert table["pid"].tolist() == [1, 3, 5, 9]
    assert (table["flags"] & ENDED).tolist() == [0, ENDED, 0, ENDED]


def test_a_pid_that_is_another_lifes_by_now_shows_that_one() -> None:
    table = with_departed(tasks((5, 50)), departed((5, 5)), NOBODY)
    assert table["start_ns"].tolist() == [50]


def test_a_life_whose_account_is_open_stays_in_the_table_with_what_it_did_until_its_death() -> None:
    before = tasks((3, 3), (5, 5), cpu_ns=10, rss_file=4096, state=ord("S"))
    dead = tasks((3, 3), (4, 4), cpu_ns=70, state=ord("X"))
    table = with_departed(tasks((5, 5)), departed(waiting=dead), before)
    assert table["pid"].tolist() == [3, 5]
    row = table[0]
    assert (int(row["cpu_ns"]), int(row["rss_file"]), chr(row["state"])) == (70, 4096, "X")
    assert int(row["flags"]) & ENDED == 0
    assert before["cpu_ns"].tolist() == [10, 10]


def test_of_two_ended_lives_of_one_pid_the_last_is_shown() -> None:
    assert with_departed(tasks(), departed((5, 5), (5, 7)), NOBODY)["start_ns"].tolist() == [7]


def test_lives_beyond_the_limit_are_told_by_parent_and_name() -> None:
    many = departed(*((pid, pid) for pid in range(10, 110)), ppid=3, comm=b"true", cpu_ns=2)
    many.tasks["cpu_ns"][40] = 1000
    found = limited(many, tasks((3, 30)), limit=10)
    assert len(found.tasks) == len(found.args) == len(found.end_ns) == 10
    assert 50 in found.tasks["pid"], "the one that used most has its row"
    (group,) = found.groups
    assert (int(group["lives"]), int(group["cpu_ns"]), bytes(group["comm"])) == (90, 180, b"true")
    assert (int(group["ppid"]), int(group["start_ns"])) == (3, 30)


def test_a_life_that_a_sample_saw_never_goes_into_a_group() -> None:
    many = departed(*((pid, pid) for pid in range(10, 20)))
    found = limited(many, tasks((12, 12), (13, 13)), limit=1)
    assert {12, 13} <= set(found.tasks["pid"].tolist())
    assert len(found.tasks) == 3
    assert found.args[0] == b"12\0"


def test_what_is_within_the_limit_stays_as_it_is() -> None:
    few = departed((1, 1))
    assert limited(few, tasks(), limit=1) is few


def test_a_burst_has_rows_and_a_storm_without_end_comes_down_to_the_allowance() -> None:
    quota = Quota()
    told = []
    for second in range(100):
        most = quota.limit(second * 10**9)
        quota.spend(most)
        told.append(most)
    assert told[:10] == [2000] * 10
    assert sum(told[:20]) > 30_000
    assert told[-10:] == [200] * 10


def test_what_was_not_used_is_saved_up_to_a_limit() -> None:
    quota = Quota()
    quota.limit(0)
    quota.spend(30_000)
    assert quota.limit(5 * 10**9) == 1000
    quota.limit(10_000 * 10**9)
    quota.spend(29_000)
    assert quota.limit(10_000 * 10**9) == 1000
