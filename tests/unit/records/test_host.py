"""One sample of the host counters, and what its names mean."""

import numpy as np
import pytest

from tukur.records import HOST_METRICS, HostSample, metric_of


def sample(**values: int) -> HostSample:
    names = tuple(name.replace("__", ".") for name in values)
    return HostSample(names, np.array(list(values.values()), dtype=np.int64))


def test_a_value_is_found_by_its_name() -> None:
    assert sample(mem__total=5, mem__free=3).get("mem.free") == 3


def test_a_name_that_this_machine_lacks_gives_the_default() -> None:
    assert sample(mem__total=5).get("psi.cpu.some") == 0
    assert sample(mem__total=5).get("psi.cpu.some", -1) == -1


@pytest.mark.parametrize(
    ("name", "declared"),
    [
        ("cpu.total.user", "cpu.total.user"),
        ("cpu.17.user", "cpu.*.user"),
        ("net.eth0.100.rx_bytes", "net.*.rx_bytes"),
        ("disk.nvme0n1.busy_ms", "disk.*.busy_ms"),
        ("uptime", "uptime"),
    ],
)
def test_a_name_belongs_to_its_declared_metric(name: str, declared: str) -> None:
    found = metric_of(name)
    assert found is not None
    assert found.name == declared


@pytest.mark.parametrize("name", ["", "mem", "mem.nothing", "disk.sda", "cpu.0.naps"])
def test_a_name_that_nobody_declared_belongs_to_none(name: str) -> None:
    assert metric_of(name) is None


def test_no_metric_is_declared_twice() -> None:
    names = [metric.name for metric in HOST_METRICS]
    assert len(names) == len(set(names))
