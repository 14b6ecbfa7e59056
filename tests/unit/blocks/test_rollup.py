"""What a block says of its samples: lowest, highest and sum, and nothing of what no sample knew."""

import math
from dataclasses import replace

import numpy as np

from tukur.blocks.rollup import MAX_DEVICES, DeviceRollup, HostRollup
from tukur.records import DeviceRates, HostSample, host_rates

EMPTY = HostSample((), np.zeros(0, dtype=np.int64))
UNKNOWN = host_rates(EMPTY, EMPTY, 0.0, 7)


def disk(name: str, read: float, write: float = 0.0, busy: float = math.nan) -> DeviceRates:
    return DeviceRates("disk", name, read, write, busy)


def test_a_figure_that_some_samples_do_not_know_has_the_mean_of_the_others() -> None:
    rollup = HostRollup()
    for cpu in (0.2, math.nan, 0.4, math.nan):
        rollup.add(replace(UNKNOWN, cpu=cpu))
    assert rollup.samples == 4
    low, high, total = rollup.finish()["cpu"]
    assert (low, high, total / 4) == (0.2, 0.4, (0.2 + 0.4) / 2)


def test_a_figure_that_no_sample_knows_is_left_out() -> None:
    rollup = HostRollup()
    rollup.add(UNKNOWN)
    assert set(rollup.finish()) == {"processes"}
    assert rollup.samples == 0


def test_a_device_counts_from_the_first_sample_that_knows_it() -> None:
    rollup = DeviceRollup()
    rollup.add([disk("sda", math.nan, math.nan)])
    rollup.add([disk("sda", 10, 2, 0.5), disk("sdb", math.nan, math.nan)])
    rollup.add([disk("sda", 30, 4, 0.25)])
    (found,) = rollup.finish()
    assert (found.name, found.samples, found.read_sum, found.read_high) == ("sda", 2, 40, 30)
    assert (found.write_sum, found.busy_sum, found.busy_high) == (6, 0.75, 0.5)
    assert rollup.finish() == []


def test_of_many_devices_those_with_the_most_traffic_are_kept() -> None:
    rollup = DeviceRollup()
    rollup.add([disk(f"sd{number}", number) for number in range(MAX_DEVICES + 10)])
    found = rollup.finish()
    assert len(found) == MAX_DEVICES
    assert (found[0].read_sum, min(device.read_sum for device in found)) == (MAX_DEVICES + 9, 10)
