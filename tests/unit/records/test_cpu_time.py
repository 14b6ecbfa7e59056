"""Shares of CPU time hold when cores come and go, and when the kernel takes time back."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tukur.records import HostSample
from tukur.records.cpu_time import MODES, cpu_shares
from tukur.sources.host import parse_stat

TICK = 10_000_000


def stat(**lines: tuple[int, ...]) -> HostSample:
    """A sample of ``/proc/stat``; each line's columns are ticks: user, nice, system, idle, iowait, ..."""
    text = "".join(f"{name} {' '.join(map(str, columns))}\n" for name, columns in lines.items())
    values = parse_stat(text.encode())
    return HostSample(tuple(values), np.array(list(values.values()), dtype=np.int64))


def test_a_core_is_known_by_its_number_whatever_its_place_in_the_list() -> None:
    before = stat(cpu=(0, 0, 0, 0), cpu0=(0, 0, 0, 0), cpu2=(0, 0, 0, 0))
    now = stat(cpu=(30, 0, 0, 170), cpu0=(10, 0, 0, 90), cpu2=(20, 0, 0, 80))
    shares = cpu_shares(now, before, 1.0)
    assert (shares.numbers, shares.cores) == ([0, 2], [0.1, 0.2])


def test_a_core_that_comes_back_has_no_figure_over_its_whole_life() -> None:
    before = stat(cpu=(0, 0, 0, 0), cpu0=(0, 0, 0, 0))
    now = stat(cpu=(9000, 0, 0, 100_000), cpu0=(10, 0, 0, 90), cpu1=(8990, 0, 0, 99_910))
    shares = cpu_shares(now, before, 1.0)
    assert (shares.numbers, shares.cores) == ([0], [0.1])
    # Nor does the machine: the kernel's own sum took the same leap.
    assert shares.busy == pytest.approx(0.1)
    later = stat(cpu=(9050, 0, 0, 100_150), cpu0=(30, 0, 0, 170), cpu1=(9020, 0, 0, 99_980))
    shares = cpu_shares(later, now, 1.0)
    assert (shares.numbers, shares.cores) == ([0, 1], [0.2, 0.3])
    assert shares.busy == pytest.approx(0.25)


def test_a_core_that_goes_offline_takes_nothing_from_the_others() -> None:
    before = stat(cpu=(500, 0, 0, 90_000), cpu0=(0, 0, 0, 0), cpu1=(500, 0, 0, 90_000))
    # Some kernels count the idle time of an offline core in another way: the sum goes back by hours.
    now = stat(cpu=(550, 0, 0, 1000), cpu0=(50, 0, 0, 50))
    shares = cpu_shares(now, before, 1.0)
    assert (shares.numbers, shares.cores, shares.busy) == ([0], [0.5], 0.5)


def test_an_idle_counter_that_goes_back_by_a_tick_does_not_make_a_core_busy() -> None:
    before = stat(cpu=(0, 0, 0, 1000), cpu0=(0, 0, 0, 1000))
    now = stat(cpu=(1, 0, 0, 999), cpu0=(1, 0, 0, 999))
    shares = cpu_shares(now, before, 1.0)
    assert shares.cores == [pytest.approx(0.01)]
    assert shares.busy == pytest.approx(0.01)
    assert shares.modes["idle"] == 0.0
    nothing_else = cpu_shares(stat(cpu=(0, 0, 0, 999), cpu0=(0, 0, 0, 999)), before, 1.0)
    assert (nothing_else.busy, nothing_else.cores) == (0.0, [0.0])


def test_iowait_that_goes_back_counts_as_nothing() -> None:
    before = stat(cpu=(0, 0, 0, 0, 500), cpu0=(0, 0, 0, 0, 500))
    now = stat(cpu=(5, 0, 0, 97, 498), cpu0=(5, 0, 0, 97, 498))
    shares = cpu_shares(now, before, 1.0)
    assert shares.modes["iowait"] == 0.0
    assert shares.cores == [pytest.approx(5 / 102)]


def test_a_busy_core_whose_idle_counter_goes_back_stays_busy() -> None:
    before, now = stat(cpu0=(0, 0, 0, 700)), stat(cpu0=(99, 0, 0, 699))
    assert cpu_shares(now, before, 1.0).cores == [pytest.approx(0.99)]


def test_what_a_kernel_does_not_count_is_unknown() -> None:
    shares = cpu_shares(stat(cpu=(25, 0, 0, 75)), stat(cpu=(0, 0, 0, 0)), 1.0)
    assert (shares.busy, shares.modes["idle"]) == (0.25, 0.75)
    assert math.isnan(shares.modes["steal"])


def test_without_a_sample_before_nothing_is_known() -> None:
    sample = stat(cpu=(5, 0, 0, 9), cpu0=(5, 0, 0, 9))
    for previous, seconds in ((sample, 0.0), (HostSample((), np.zeros(0, dtype=np.int64)), 1.0)):
        shares = cpu_shares(sample, previous, seconds)
        assert math.isnan(shares.busy)
        assert (shares.numbers, shares.cores) == ([], [])


COLUMNS = st.tuples(*[st.integers(0, 300)] * len(MODES))


@given(st.lists(st.tuples(COLUMNS, COLUMNS), min_size=1, max_size=4), st.floats(0.2, 5))
def test_any_two_samples_give_shares_of_a_whole(
    cores: list[tuple[tuple[int, ...], ...]], seconds: float
) -> None:
    def sample(at: int) -> HostSample:
        lines = {f"cpu{number}": core[at] for number, core in enumerate(cores)}
        total = tuple(map(sum, zip(*lines.values(), strict=True)))
        return stat(cpu=total, **lines)

    shares = cpu_shares(sample(1), sample(0), seconds)
    known = [value for value in shares.modes.values() if not math.isnan(value)]
    assert all(0 <= value <= 1 for value in (*known, *shares.cores))
    assert sum(known) <= 1 + 1e-9
    idle = [MODES.index("idle"), MODES.index("iowait")]
    for number, busy in zip(shares.numbers, shares.cores, strict=True):
        before, now = cores[number]
        grown = [max(b - a, 0) * TICK for a, b in zip(before, now, strict=True)]
        worked = sum(value for mode, value in enumerate(grown) if mode not in idle)
        took_back = any(b < a for a, b in zip(before, now, strict=True))
        assert busy <= worked / max(sum(grown), int(seconds * 1e9) if took_back else 0) + 1e-9


def test_names_that_no_kernel_gives_are_passed_over() -> None:
    names = ("cpu.x.user", "cpu.0.user", "cpu..idle", f"cpu.{'9' * 40}.idle")
    before, now = (HostSample(names, np.array([value] * 4, dtype=np.int64)) for value in (0, 5))
    assert cpu_shares(now, before, 1.0).numbers == [0]
