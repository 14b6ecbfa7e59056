"""What a device did is the difference of its own counters, and no other device's."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.records.test_rates import host
from tukur.records import host_rates
from tukur.records.devices import device_rates

TB = 10**12
Devices = dict[str, tuple[int, int]]


def net(**devices: tuple[int, int]) -> dict[str, int]:
    return {
        f"net__{name}__{what}": value
        for name, pair in devices.items()
        for what, value in zip(("rx_bytes", "tx_bytes"), pair, strict=True)
    }


def rates(now: Devices, before: Devices) -> tuple[float, float]:
    known = {"interfaces": 1}
    found = host_rates(host(**known, **net(**now)), host(**known, **net(**before)), 1.0, 1)
    return found.net_rx, found.net_tx


def test_an_interface_that_moves_in_with_old_counters_adds_nothing() -> None:
    assert rates({"eth0": (150, 30), "old": (299_000_000, 5)}, {"eth0": (100, 10)}) == (50, 20)


def test_an_interface_that_vanishes_takes_nothing_from_the_others() -> None:
    assert rates({"eth0": (150, 30)}, {"eth0": (100, 10), "gone": (TB, TB)}) == (50, 20)


def test_an_interface_that_starts_anew_adds_nothing_for_that_interval() -> None:
    assert rates({"eth0": (150, 30), "wg0": (9, 9)}, {"eth0": (100, 10), "wg0": (TB, TB)}) == (50, 20)
    # One counter that is lower says that it is another device, whatever the other one says.
    assert rates({"eth0": (150, 30), "wg0": (9, TB)}, {"eth0": (100, 10), "wg0": (TB, 7)}) == (50, 20)


def test_a_counter_of_32_bits_that_wraps_adds_nothing_for_that_interval() -> None:
    assert rates({"eth0": (5, 30)}, {"eth0": (2**32 - 5, 10)}) == (0, 0)


def test_a_disk_that_appears_with_a_terabyte_adds_nothing() -> None:
    before = host(disks=1, disk__sda__read_bytes=1000, disk__sda__write_bytes=0)
    now = host(
        disks=2,
        disk__sda__read_bytes=3000,
        disk__sda__write_bytes=50,
        disk__sdb__read_bytes=TB,
        disk__sdb__write_bytes=TB,
    )
    found = host_rates(now, before, 2.0, 1)
    assert (found.disk_read, found.disk_write) == (1000, 25)


def test_a_machine_without_a_disk_reads_nothing_and_one_that_cannot_tell_does_not_know() -> None:
    assert host_rates(host(disks=0), host(disks=0), 1.0, 1).disk_read == 0
    assert math.isnan(host_rates(host(disks=0), host(uptime=5), 1.0, 1).disk_read)
    assert math.isnan(host_rates(host(uptime=6), host(disks=0), 1.0, 1).disk_read)


def test_each_device_has_its_own_rates_and_a_disk_its_busy_share() -> None:
    before = host(
        disk__sda__read_bytes=0, disk__sda__write_bytes=0, disk__sda__busy_ms=100, **net(eth0=(0, 0))
    )
    now = host(
        disk__sda__read_bytes=10, disk__sda__write_bytes=20, disk__sda__busy_ms=850, **net(eth0=(6, 8))
    )
    disk, interface = device_rates(now, before, 2.0)
    assert (disk.kind, disk.name, disk.read, disk.write, disk.busy) == ("disk", "sda", 5, 10, 0.375)
    assert (interface.kind, interface.name, interface.read, interface.write) == ("net", "eth0", 3, 4)
    assert math.isnan(interface.busy)


def test_a_device_that_is_new_is_listed_without_a_figure() -> None:
    (found,) = device_rates(host(**net(eth0=(9, 9))), host(), 1.0)
    assert found.name == "eth0"
    assert math.isnan(found.read)


COUNTERS = st.dictionaries(
    st.sampled_from(["eth0", "eth1", "eth0.100"]), st.tuples(st.integers(0, 2**62), st.integers(0, 2**62))
)


@given(COUNTERS, COUNTERS)
def test_the_sum_is_never_more_than_what_the_devices_of_both_samples_grew_by(
    now: Devices, before: Devices
) -> None:
    received, _ = rates(now, before)
    most = sum(max(now[name][0] - before[name][0], 0) for name in now.keys() & before.keys())
    assert 0 <= received <= most * (1 + 1e-9)
    assert received == pytest.approx(
        sum(
            each.read
            for each in device_rates(host(**net(**now)), host(**net(**before)), 1.0)
            if each.read >= 0
        )
    )
