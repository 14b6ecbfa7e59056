"""The host's rates are over the time between two samples, and never negative."""

import math
from dataclasses import asdict, fields

import msgspec
import numpy as np
import pytest

from tukur.records import HostRates, HostSample, host_rates


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


def test_pressure_that_went_back_is_unknown() -> None:
    assert math.isnan(host_rates(host(psi__io__some=3), host(psi__io__some=500_000), 2.0, 1).psi_io)


def test_what_a_sample_does_not_have_is_unknown_and_not_nothing() -> None:
    rates = host_rates(host(mem__swap_total=0, mem__swap_free=0), host(), 1.0, 7)
    assert (rates.swap_total, rates.swap_used, rates.processes) == (0, 0, 7)
    known = {"swap_total", "swap_used", "processes", "cores", "core_numbers"}
    assert {
        name for name, value in asdict(rates).items() if not (isinstance(value, float) and math.isnan(value))
    } == known


def test_without_a_sample_before_there_is_no_rate() -> None:
    sample = host(cpu__total__user=9, cpu__total__idle=9, psi__io__some=5, net__eth0__rx_bytes=9, load__1=500)
    rates = host_rates(sample, sample, 0.0, 1)
    assert all(math.isnan(value) for value in (rates.cpu, rates.psi_io, rates.net_rx))
    assert rates.load1 == 0.5


MEMORY = host(
    mem__total=1000, mem__free=100, mem__buffers=20, mem__cached=400, mem__shmem=50, mem__sreclaimable=30
)


def test_available_memory_is_estimated_where_the_kernel_does_not_say() -> None:
    rates = host_rates(MEMORY, MEMORY, 0.0, 1)
    assert (rates.mem_available, rates.mem_used, rates.mem_cached) == (500, 500, 450)


def test_memory_in_use_is_unknown_where_too_little_is_told_to_estimate_it() -> None:
    rates = host_rates(host(mem__total=1000, mem__free=100), host(), 0.0, 1)
    assert math.isnan(rates.mem_used)
    assert math.isnan(rates.mem_available)
    assert rates.mem_total == 1000


def test_what_the_arc_of_zfs_would_give_back_is_not_in_use() -> None:
    sample = host(mem__total=1000, mem__available=200, mem__arc=500, mem__arc_min=100)
    rates = host_rates(sample, sample, 0.0, 1)
    assert (rates.mem_arc, rates.mem_available, rates.mem_used) == (500, 600, 400)
    small = host(mem__total=1000, mem__available=200, mem__arc=50, mem__arc_min=100)
    assert host_rates(small, small, 0.0, 1).mem_used == 800


def test_equal_samples_have_equal_figures_though_some_are_unknown() -> None:
    assert host_rates(MEMORY, MEMORY, 0.0, 1) == host_rates(MEMORY, MEMORY, 0.0, 1)


def test_the_figures_on_the_wire_keep_their_names_and_order() -> None:
    # A figure is only ever added, at the end.
    assert [each.name for each in fields(HostRates)][:27] == [
        "cpu",
        "cpu_user",
        "cpu_system",
        "cpu_iowait",
        "cpu_steal",
        "cores",
        "mem_total",
        "mem_used",
        "mem_available",
        "mem_cached",
        "mem_free",
        "swap_total",
        "swap_used",
        "load1",
        "load5",
        "load15",
        "psi_cpu",
        "psi_memory",
        "psi_io",
        "disk_read",
        "disk_write",
        "net_rx",
        "net_tx",
        "uptime_s",
        "processes",
        "core_numbers",
        "mem_arc",
    ]


def test_a_schema_can_be_made_of_the_figures() -> None:
    properties = msgspec.json.schema(HostRates)["$defs"]["HostRates"]["properties"]
    assert properties["cores"] == {"type": "array", "items": {"type": "number"}}
    assert (properties["load1"], properties["processes"]) == ({"type": "number"}, {"type": "integer"})
