"""Deaths and reapings put together, however they come."""

from typing import Any

import numpy as np

from tests.support.events import death, execution, group, losses, reaping
from tukur.records import ENDED, OWN_PEAK, PEAK_UNKNOWN, TASK, Losses
from tukur.sources.lives.events import parse_events
from tukur.sources.lives.tracker import LifeTracker

NOBODY = np.empty(0, dtype=TASK)


def living(*pids: int) -> Any:
    tasks = np.zeros(len(pids), dtype=TASK)
    tasks["pid"] = pids
    tasks["start_ns"] = tasks["pid"].astype(np.uint64) * 1000
    return tasks


def fed(*events: bytes) -> LifeTracker:
    tracker = LifeTracker()
    tracker.feed(parse_events(b"".join(events)))
    return tracker


def test_a_reaped_life_has_the_final_account_and_the_deaths_identity() -> None:
    tracker = fed(
        death(
            *(7,), ppid=3, uid=1000, comm=b"cc1", cpu_ns=1, at_ns=50, rss_peak=4096, flags=OWN_PEAK, status=0
        ),
        reaping(7, cpu_ns=900, utime_ns=100, stime_ns=300, rss_peak=9999, at_ns=80, status=256),
    )
    found = tracker.departed(NOBODY)
    (task,) = found.tasks
    assert (int(task["pid"]), int(task["ppid"]), int(task["uid"]), bytes(task["comm"])) == (
        7,
        3,
        1000,
        b"cc1",
    )
    assert (int(task["cpu_ns"]), int(task["utime_ns"]), int(task["stime_ns"])) == (900, 225, 675)
    assert int(task["rss_anon"]) == 4096
    assert (int(task["flags"]), chr(task["state"])) == (ENDED, "X")
    assert (found.end_ns.tolist(), found.status.tolist()) == ([50], [256])


def test_a_peak_that_is_not_its_own_is_unknown() -> None:
    """As of every death by a kernel side that knows nothing of whose it is."""
    (task,) = fed(death(7, rss_peak=4096), reaping(7, rss_peak=4096)).departed(NOBODY).tasks
    assert (int(task["rss_anon"]), int(task["flags"])) == (0, ENDED | PEAK_UNKNOWN)


def test_a_life_is_told_once() -> None:
    tracker = fed(death(7), reaping(7))
    assert len(tracker.departed(NOBODY).tasks) == 1
    assert not tracker.departed(NOBODY)


def test_a_zombie_waits_among_the_living_until_it_is_reaped() -> None:
    tracker = fed(death(7))
    for _ in range(5):
        assert not len(tracker.departed(living(7)).tasks)
    tracker.feed(parse_events(reaping(7, cpu_ns=5)))
    assert tracker.departed(NOBODY).tasks["cpu_ns"].tolist() == [5]


def test_a_life_that_the_reading_still_had_waits_for_the_next() -> None:
    tracker = fed(death(7), reaping(7))
    assert not len(tracker.departed(living(7)).tasks)
    assert len(tracker.departed(NOBODY).tasks) == 1


def test_another_life_of_the_same_pid_does_not_hold_it_back() -> None:
    tracker = fed(death(7, start_ns=1), reaping(7, start_ns=1))
    assert len(tracker.departed(living(7)).tasks) == 1


def test_a_death_whose_reaping_never_comes_is_told_all_the_same() -> None:
    tracker = fed(death(7, cpu_ns=3))
    told = [len(tracker.departed(NOBODY).tasks) for _ in range(4)]
    assert told == [0, 0, 1, 0]


def test_a_death_whose_account_is_open_is_waiting_and_no_zombie_is() -> None:
    tracker = fed(death(7, cpu_ns=3), death(9))
    waiting = tracker.departed(living(9)).waiting
    assert [(int(row["pid"]), int(row["cpu_ns"]), int(row["flags"])) for row in waiting] == [(7, 3, 0)]
    tracker.feed(parse_events(reaping(7)))
    found = tracker.departed(NOBODY)
    assert (found.tasks["pid"].tolist(), found.waiting["pid"].tolist()) == ([7], [9])


def test_a_reaping_without_a_death_is_nothing() -> None:
    # It died before the source began, or in another PID namespace.
    assert not fed(reaping(7)).departed(NOBODY)


def test_a_death_told_twice_is_one() -> None:
    assert len(fed(death(7), death(7), reaping(7)).departed(NOBODY).tasks) == 1


def test_a_life_has_the_arguments_of_its_last_exec() -> None:
    tracker = fed(
        execution(7, b"sh\0"), execution(7, b"true\0x\0"), death(7), reaping(7), death(8), reaping(8)
    )
    assert tracker.departed(NOBODY).args == [b"true\0x\0", b""]


def test_arguments_of_the_living_are_not_kept_for_ever() -> None:
    tracker = fed(*(execution(pid, b"x\0") for pid in range(1, 100)))
    for _ in range(4):
        tracker.departed(NOBODY)
    assert tracker._args == {}


def test_lives_come_by_pid_and_start() -> None:
    tracker = fed(*(death(pid, start) + reaping(pid, start) for pid, start in ((9, 5), (3, 8), (9, 2))))
    found = tracker.departed(NOBODY).tasks
    assert list(zip(found["pid"].tolist(), found["start_ns"].tolist(), strict=True)) == [
        (3, 8),
        (9, 2),
        (9, 5),
    ]


def test_groups_of_one_parent_and_name_are_one_and_losses_add_up() -> None:
    tracker = fed(group(3, b"sh", lives=2, cpu_ns=5), losses(lives=1))
    tracker.feed(
        parse_events(group(3, b"sh", lives=1, cpu_ns=7) + group(4, b"sh", lives=1) + losses(lives=1))
    )
    found = tracker.departed(NOBODY)
    assert found.groups["lives"].tolist() == [3, 1]
    assert found.groups["cpu_ns"].tolist() == [12, 0]
    assert found.lost == Losses(lives=2)
    assert not tracker.departed(NOBODY)
