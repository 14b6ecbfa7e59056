"""The host's rates are over the time between two samples, and never negative."""

from dataclasses import fields

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


def test_the_figures_on_the_wire_keep_their_names_and_order() -> None:
    # A figure is only ever added, at the end.
    assert [each.name for each in fields(HostRates)][:25] == [
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
    ]


def test_a_schema_can_be_made_of_the_figures() -> None:
    properties = msgspec.json.schema(HostRates)["$defs"]["HostRates"]["properties"]
    assert properties["cores"] == {"type": "array", "items": {"type": "number"}}
    assert (properties["load1"], properties["processes"]) == ({"type": "number"}, {"type": "integer"})
