"""Figures over time: nothing that mattered is lost between the points of a chart."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tukur.blocks.rollup import FIGURES as TOLD
from tukur.hub.history.series import FIGURES, of_rollups, of_samples, step_ms
from tukur.hub.store.record.gaps import Hole
from tukur.hub.store.schema import FIGURES as KEPT

MINUTE = 60_000


def samples(cpu: dict[int, float], begin: int, end: int, points: int) -> Any:
    """The CPU figure of a series of samples, by second."""
    times = sorted(cpu)
    values = {name: [cpu[at] for at in times] for name in FIGURES}
    return of_samples([at * 1000 for at in times], values, begin * 1000, end * 1000, points)


def minute(at: int, low: float, total: float, high: float, count: int = 60) -> tuple[float | None, ...]:
    return (at * MINUTE, count, *(low, high, total) * len(KEPT))


def test_a_spike_of_one_second_survives_in_the_highest() -> None:
    cpu = dict.fromkeys(range(1000, 2200), 0.1)
    cpu[1717] = 1.0
    cpu[1818] = 0.0
    series = samples(cpu, 1000, 2200, 20)
    assert (series.step_ms, len(series.t_ms)) == (60_000, 21)
    figure = series.figures["cpu"]
    assert max(value for value in figure.high if value is not None) == 1.0
    assert min(value for value in figure.low if value is not None) == 0.0
    at = max(slot for slot, begin in enumerate(series.t_ms) if begin <= 1_717_000)
    assert figure.high[at] == 1.0
    assert figure.mean[at] == pytest.approx((59 * 0.1 + 1.0) / 60)
    assert series.gaps == []


def test_where_there_is_room_each_second_is_a_point() -> None:
    series = samples({10: 0.25, 11: 0.5, 12: 0.75}, 10, 13, 600)
    assert series.t_ms == [10_000, 11_000, 12_000]
    assert series.figures["cpu"].low == series.figures["cpu"].high == [0.25, 0.5, 0.75]


def test_seconds_without_a_sample_are_unknown_and_longer_ones_a_gap() -> None:
    series = samples({10: 0.5, 11: 0.5, 14: 0.5, 19: 0.5}, 10, 20, 600)
    assert series.figures["cpu"].mean == [0.5, 0.5, None, None, 0.5, None, None, None, None, 0.5]
    assert [(gap.from_ms, gap.to_ms) for gap in series.gaps] == [(11_000, 14_000), (14_000, 19_000)]


def test_a_range_with_nothing_in_it_is_unknown_throughout() -> None:
    for series in (samples({}, 10, 20, 600), of_rollups([], 0, 10 * MINUTE, 600)):
        assert set(series.figures) == set(FIGURES)
        assert {value for figure in series.figures.values() for value in figure.mean} == {None}
        assert series.gaps == []


def test_minutes_keep_their_spikes_and_weigh_by_their_samples() -> None:
    rows = [minute(10, 0.0, 6.0, 1.0), minute(11, 0.2, 4.0, 0.4, 10), minute(14, 0.5, 30.0, 0.5)]
    series = of_rollups(rows, 10 * MINUTE, 16 * MINUTE, 3)
    cpu = series.figures["cpu"]
    assert (series.step_ms, series.t_ms) == (2 * MINUTE, [10 * MINUTE, 12 * MINUTE, 14 * MINUTE])
    assert cpu.low == [0.0, None, 0.5]
    assert cpu.high == [1.0, None, 0.5]
    assert cpu.mean[0] == pytest.approx(10 / 70)
    assert cpu.mean[1:] == [None, 0.5]
    assert [(gap.from_ms, gap.to_ms) for gap in series.gaps] == [(11 * MINUTE, 14 * MINUTE)]


def test_a_hole_of_seconds_is_a_gap_among_minutes_too() -> None:
    rows = [minute(at, 0.0, 6.0, 1.0) for at in (10, 11, 20)]
    short, whole = (
        Hole(10 * MINUTE + 5000, 10 * MINUTE + 20_000, "not_sampled"),
        Hole(12 * MINUTE - 500, 20 * MINUTE),
    )
    series = of_rollups(rows, 10 * MINUTE, 30 * MINUTE, 60, MINUTE, [short, whole])
    assert [(gap.from_ms, gap.to_ms) for gap in series.gaps] == [
        (hole.last_ms, hole.first_ms) for hole in (short, whole)
    ]


def test_a_figure_that_only_some_minutes_have_takes_none_of_the_others_away() -> None:
    of_an_older_agent = list(minute(10, 0.1, 6.0, 0.1))
    begin = 2 + 3 * KEPT.index("psi_io")
    of_an_older_agent[begin : begin + 3] = [None] * 3
    series = of_rollups([of_an_older_agent, minute(11, 0.1, 6.0, 0.1)], 10 * MINUTE, 12 * MINUTE, 600)
    assert series.figures["cpu"].low == [0.1, 0.1]
    assert series.figures["psi_io"].low == series.figures["psi_io"].mean == [None, 0.1]


@given(
    st.integers(0, 10**12),
    st.integers(1, 10**10),
    st.integers(2, 4000),
    st.sampled_from([1000, MINUTE]),
)
def test_steps_are_whole_and_points_few_and_the_range_is_covered(
    begin: int, length: int, points: int, unit: int
) -> None:
    step = step_ms(begin, begin + length, points, unit)
    assert step % unit == 0
    end = begin + length
    series = (
        of_samples([], {name: [] for name in FIGURES}, begin, end, points)
        if unit == 1000
        else of_rollups([], begin, end, points)
    )
    assert series.t_ms[0] <= begin
    assert series.t_ms[-1] + series.step_ms >= end
    # One more than asked for where the range begins within a step.
    assert len(series.t_ms) <= points + 1


def test_every_figure_that_agents_tell_is_kept_and_every_one_of_a_series_is_among_them() -> None:
    assert set(KEPT) == set(TOLD)
    assert set(FIGURES) <= set(KEPT)
