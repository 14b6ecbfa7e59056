"""When two sources agree about a process that goes on between their readings, and when they do not."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tukur.records import KTHREAD, TASK, TaskArray
from tukur.sources.crosscheck import (
    MIN_READINGS,
    NOT_COMPARED,
    TICK_NS,
    Agreement,
    compare_readings,
    rules_for,
)

START = 5_000_000_000


def task(pid: int = 7, **fields: Any) -> tuple[Any, ...]:
    row = np.zeros(1, dtype=TASK)
    values = {"pid": pid, "start_ns": START, "state": ord("S"), "threads": 1, "comm": b"x", **fields}
    for name, value in values.items():
        row[name] = value
    return row[0].item()  # type: ignore[no-any-return]


def table(*tasks: tuple[Any, ...]) -> TaskArray:
    return np.array(list(tasks), dtype=TASK)


def compare(
    firsts: list[TaskArray], middles: list[TaskArray], pair: tuple[str, str] = ("module", "bpf")
) -> dict[str, Agreement]:
    return {field.field: field for field in compare_readings(*pair, firsts, middles, 2).fields}


def between(
    before: dict[str, Any], found: dict[str, Any], after: dict[str, Any], *pair: str
) -> dict[str, Agreement]:
    """One reading of the second source, amid as many of the first as it takes to judge every field."""
    firsts = [table(task(**before))] * 11 + [table(task(**after))] * 12
    middles = [table(task(**before))] * 10 + [table(task(**found))]
    return compare(firsts, middles, pair or ("module", "bpf"))  # type: ignore[arg-type]


def off(agreements: dict[str, Agreement]) -> set[str]:
    return {name for name, agreement in agreements.items() if agreement.off}


@pytest.mark.parametrize("pair", [("module", "bpf"), ("module", "procfs"), ("bpf", "procfs")])
def test_every_field_has_its_rule_or_its_reason(pair: tuple[str, str]) -> None:
    names = [rule.field for rule in rules_for(*pair, cpus=2)]
    assert sorted([*names, *NOT_COMPARED]) == sorted(TASK.names or ())


def test_a_process_at_rest_is_compared_to_the_last_bit() -> None:
    assert off(between({}, {}, {})) == set()
    for name in ("vsz", "minflt", "uid", "nice", "state", "threads", "cgroup_id", "nvcsw"):
        assert off(between({}, {name: 3}, {})) == {name}
    assert off(between({}, {"comm": b"y"}, {})) == {"comm"}


def test_the_worst_are_told_with_what_was_found_and_expected() -> None:
    (worst,) = between({"uid": 5}, {"uid": 6}, {"uid": 5})["uid"].worst
    assert (worst.pid, worst.name, worst.found, worst.expected) == (7, "x", "6", "5")


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1 << 40), st.integers(0, 1 << 30), st.integers(0, 1 << 30))
def test_a_counter_may_be_anywhere_between_before_and_after(begin: int, first: int, second: int) -> None:
    before, found, after = ({"minflt": value} for value in (begin, begin + first, begin + first + second))
    assert off(between(before, found, after)) == set()


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 1 << 30))
def test_a_counter_that_ran_ahead_or_behind_is_off(by: int) -> None:
    before, after = {"minflt": 1 << 31}, {"minflt": (1 << 31) + 5}
    assert off(between(before, {"minflt": (1 << 31) + 5 + by}, after)) == {"minflt"}
    assert off(between(before, {"minflt": (1 << 31) - by}, after)) == {"minflt"}


def test_memory_of_a_running_process_is_not_judged_and_that_of_a_sleeping_one_is() -> None:
    much = {"rss_anon": 1 << 30}
    assert off(between({}, much, {})) == {"rss_anon"}
    ran = between({"cpu_ns": 5}, {"cpu_ns": 6, **much}, {"cpu_ns": 7})
    assert off(ran) == set()
    assert ran["rss_anon"].moved == 1


def test_a_changed_owner_may_be_the_old_or_the_new_one() -> None:
    assert off(between({"uid": 1}, {"uid": 1}, {"uid": 2})) == set()
    assert off(between({"uid": 1}, {"uid": 2}, {"uid": 2})) == set()


def test_cpu_time_may_be_ticks_apart_and_no_more() -> None:
    before, after = {"cpu_ns": 10**9}, {"cpu_ns": 10**9}
    within = between(before, {"cpu_ns": 10**9 - 2 * TICK_NS}, after, "bpf", "procfs")
    assert (off(within), within["cpu_ns"].within) == (set(), 1)
    assert off(between(before, {"cpu_ns": 10**9 - 4 * TICK_NS}, after, "bpf", "procfs")) == {"cpu_ns"}
    assert off(between(before, {"cpu_ns": 10**9 - 2 * TICK_NS}, after)) == {"cpu_ns"}


def test_a_source_that_may_be_late_is_given_its_time() -> None:
    """procfs reads an idle process's memory at every tenth reading."""
    firsts = [table(task(rss_anon=1 << 20))] * 5 + [table(task(rss_anon=1 << 30))] * 30
    late = [table(task(rss_anon=1 << 20))] * 14
    assert off(compare(firsts, late, ("bpf", "procfs"))) == set()
    assert off(compare(firsts, late * 2, ("bpf", "procfs"))) == {"rss_anon"}


def test_a_kernel_workers_name_may_go_on_in_proc() -> None:
    said, found = {"comm": b"kworker/0:0H", "flags": KTHREAD}, {"comm": b"kworker/0:0H-ev", "flags": KTHREAD}
    assert off(between(said, found, said, "bpf", "procfs")) == set()
    assert off(between(said, found, said, "module", "bpf")) == {"comm"}
    assert off(between({"comm": b"sh"}, {"comm": b"sh-x"}, {"comm": b"sh"}, "bpf", "procfs")) == {"comm"}


def test_what_procfs_does_not_know_is_not_held_against_it() -> None:
    with_cgroup = {"cgroup_id": 9}
    assert off(between(with_cgroup, {"cgroup_id": 0}, with_cgroup, "bpf", "procfs")) == set()
    assert off(between(with_cgroup, {"cgroup_id": 8}, with_cgroup, "bpf", "procfs")) == {"cgroup_id"}
    io = {"read_bytes": 4096}
    assert off(between(io, {}, io, "bpf", "procfs")) == {"read_bytes"}
    assert (
        off(between({**io, "flags": KTHREAD}, {"flags": KTHREAD}, {**io, "flags": KTHREAD}, "bpf", "procfs"))
        == set()
    )


def test_who_is_there_before_and_after_must_be_there_in_between() -> None:
    both, one = table(task(7), task(8)), table(task(7))
    assert off(compare([both, both], [one])) == {"(presence)"}
    assert off(compare([both, one], [one])) == off(compare([one, both], [both])) == set()


def test_another_life_of_a_pid_is_another_process() -> None:
    old, new = table(task(7)), table(task(7, start_ns=START + 10**9, uid=4))
    assert off(compare([old, new], [new])) == set()
    assert off(compare([old, old], [new])) == {"(presence)"}


def test_empty_tables_agree() -> None:
    empty = table()
    assert off(compare([empty] * MIN_READINGS, [empty] * MIN_READINGS)) == set()


def test_what_a_thread_that_ends_takes_from_one_reading_among_many_is_no_disagreement() -> None:
    many = [task(pid, minflt=5, uid=5) for pid in range(1, 101)]
    firsts = [table(*many)] * 12

    def found(value: int, times: int, name: str = "minflt") -> Agreement:
        odd = table(task(1, **{"minflt": 5, "uid": 5, name: value}), *many[1:])
        return compare(firsts, [odd] * times + [table(*many)] * (11 - times))[name]

    assert (found(3, 2).off, found(3, 2).agrees) == (2, True)
    assert (found(3, 3).off, found(3, 3).agrees) == (3, False)
    assert (found(3, 1, "uid").off, found(3, 1, "uid").agrees) == (1, False), "threads have no part in it"


def test_how_a_kernel_threads_time_is_split_is_not_judged_and_a_programs_is() -> None:
    odd = {"cpu_ns": 10**9, "utime_ns": 10**9, "stime_ns": 0}
    even = {"cpu_ns": 10**9, "utime_ns": 0, "stime_ns": 10**9}
    kernel = {"flags": KTHREAD}
    assert off(between(even | kernel, odd | kernel, even | kernel)) == set()
    assert off(between(even, odd, even)) == {"utime_ns", "stime_ns"}
