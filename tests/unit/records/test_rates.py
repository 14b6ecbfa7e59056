"""Rates are over the time between two samples, and never negative."""

from typing import Any

import numpy as np
import pytest

from tukur.records import TASK, HostSample, host_rates, task_rows

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


def test_a_newborn_counts_from_its_start() -> None:
    now = task(pid=7, start_ns=100 * SECOND, cpu_ns=SECOND // 4)
    before = task(pid=7, start_ns=3, cpu_ns=50 * SECOND)
    row = task_rows(now, before, 100 * SECOND + SECOND // 2, 99 * SECOND)[0]
    assert row["cpu"] == pytest.approx(0.5)


def test_a_counter_that_went_back_gives_no_rate() -> None:
    before, now = (task(pid=7, start_ns=5, read_bytes=count) for count in (4096, 0))
    assert task_rows(now, before, 2 * SECOND, SECOND)["read_rate"].tolist() == [0.0]


def test_resident_memory_is_the_sum_of_its_kinds() -> None:
    now = task(pid=1, rss_anon=1 << 40, rss_file=2, rss_shmem=4)
    assert task_rows(now, now, 2, 1)["rss"][0] == (1 << 40) + 6


def host(**values: int) -> HostSample:
    names = tuple(name.replace("__", ".") for name in values)
    return HostSample(names, np.array(list(values.values()), dtype=np.int64))


def test_cpu_is_what_is_neither_idle_nor_waiting() -> None:
    before = host(
        cpu__total__user=0, cpu__total__idle=0, cpu__total__iowait=0, cpu__0__idle=0, cpu__0__user=0
    )
    now = host(
        cpu__total__user=25, cpu__total__idle=50, cpu__total__iowait=25, cpu__0__idle=1, cpu__0__user=3
    )
    rates = host_rates(now, before, 1.0, 5)
    assert (rates.cpu, rates.cpu_iowait, rates.cores) == (0.25, 0.25, [0.75])
    assert rates.processes == 5


def test_guest_time_is_not_counted_twice() -> None:
    before = host(cpu__total__user=0, cpu__total__guest=0, cpu__total__idle=0)
    now = host(cpu__total__user=50, cpu__total__guest=50, cpu__total__idle=50)
    assert host_rates(now, before, 1.0, 1).cpu == pytest.approx(0.5)


def test_pressure_is_a_share_of_the_interval() -> None:
    rates = host_rates(host(psi__io__some=500_000), host(psi__io__some=0), 2.0, 1)
    assert rates.psi_io == pytest.approx(0.25)
