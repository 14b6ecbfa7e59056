"""Devices over time: each point has the mean and the highest second of what falls into it."""

import math

from tukur.hub.history.devices import Entry, of_rows, of_sample, over_time
from tukur.records import DeviceRates

MINUTE = 60_000


def test_what_a_sample_does_not_know_is_no_entry() -> None:
    new = DeviceRates("net", "eth1", math.nan, math.nan, math.nan)
    known = DeviceRates("net", "eth0", 5.0, 7.0, math.nan)
    assert of_sample(9000, [new, known]) == [Entry(9000, "net.eth0", 1, 5, 5, 7, 7, None, None)]


def test_minutes_weigh_by_their_samples_and_keep_their_highest_second() -> None:
    rows = [
        (10 * MINUTE, "disk.sda", 60, 600.0, 90.0, 0.0, 0.0, 30.0, 1.0),
        (11 * MINUTE, "disk.sda", 20, 1000.0, 70.0, 40.0, 40.0, None, None),
        (14 * MINUTE, "net.eth0.100", 60, 60.0, 1.0, 0.0, 0.0, None, None),
    ]
    found = over_time(of_rows(rows), 10 * MINUTE, 16 * MINUTE, points=3, unit=MINUTE, limit=9)
    disk, interface = found.devices
    assert (found.t_ms, found.step_ms) == ([10 * MINUTE, 12 * MINUTE, 14 * MINUTE], 2 * MINUTE)
    assert (disk.read.mean, disk.read.high) == ([20.0, None, None], [90.0, None, None])
    assert disk.busy is not None
    assert disk.busy.mean == [0.5, None, None]
    assert (interface.kind, interface.name, interface.busy) == ("net", "eth0.100", None)
    assert interface.read.mean == [None, None, 1.0]
    assert (disk.read_mean, found.more) == (20.0, 0)


def test_a_range_with_nothing_in_it_has_no_device() -> None:
    found = over_time([], 0, 10 * MINUTE, points=600, unit=MINUTE, limit=9)
    assert (found.devices, found.more, len(found.t_ms)) == ([], 0, 10)
