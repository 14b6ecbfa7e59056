"""When the disk will be full, held to a simulation that adds and deletes day by day."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tukur.hub.maintenance.forecast import DAY_MS, HORIZON_DAYS, RollupGrowth, forecast

GIB = 2**30


def level(per_day: float, age_days: float, keep_days: float) -> RollupGrowth:
    return RollupGrowth(per_day, int(age_days * DAY_MS), int(keep_days * DAY_MS))


def simulated(levels: list[RollupGrowth], room: float, step_days: float = 0.01) -> float | None:
    """Adds a little of each level at each step, and takes away what is older than it is kept."""
    begun = sum(part.size_after(0) for part in levels)
    days = 0.0
    while days < 400:
        days += step_days
        now = 0.0
        for part in levels:
            age = min(part.age_ms / DAY_MS + days, max(part.keep_ms, part.age_ms) / DAY_MS)
            now += part.bytes_per_day * age
        if now - begun >= room:
            return days
    return None


def test_a_record_that_only_grows_is_full_when_the_room_is_used_up() -> None:
    found = forecast([level(GIB, 2, 700)], 2 * GIB, 10 * GIB)
    assert found is not None
    assert found.bytes_per_day == pytest.approx(GIB)
    assert found.full_in_days == pytest.approx(10, rel=0.01)


def test_what_is_deleted_as_fast_as_it_comes_fills_no_disk() -> None:
    found = forecast([level(GIB, 7, 7)], 7 * GIB, 1)
    assert found is not None
    assert (found.bytes_per_day, found.full_in_days) == (0, None)
    assert found.settles_at_bytes == 7 * GIB


def test_the_seconds_stop_growing_and_the_minutes_go_on() -> None:
    levels = [level(GIB, 5, 7), level(GIB / 10, 5, 90)]
    found = forecast(levels, int(5.5 * GIB), 4 * GIB)
    assert found is not None
    # Two more days of both, then minutes alone.
    assert found.full_in_days == pytest.approx(20, rel=0.01)
    assert forecast(levels, int(5.5 * GIB), 11 * GIB).full_in_days is None  # type: ignore[union-attr]


def test_estimates_are_held_to_what_is_really_used() -> None:
    found = forecast([level(GIB, 2, 700)], 6 * GIB, 30 * GIB)
    assert found is not None
    assert found.full_in_days == pytest.approx(10, rel=0.01)


def test_of_a_young_or_an_empty_record_nothing_is_foretold() -> None:
    assert forecast([level(GIB, 0.01, 7)], 5, 5) is None
    assert forecast([level(0, 5, 7)], 5, 5) is None


@given(
    st.lists(
        st.tuples(st.floats(1e6, 1e9), st.floats(0.05, 30), st.floats(0.05, 200)), min_size=1, max_size=3
    ),
    st.floats(1e6, 1e11),
)
def test_the_forecast_is_what_a_simulation_finds(
    parts: list[tuple[float, float, float]], room: float
) -> None:
    levels = [level(*part) for part in parts]
    most = sum(part.size_after(HORIZON_DAYS) - part.size_after(0) for part in levels)
    # Just as much room as the record will ever need: a byte decides between that day and never.
    assume(not 0.98 * room < most < 1.02 * room)
    found = forecast(levels, int(sum(part.size_after(0) for part in levels)) or 1, int(room))
    truth = simulated(levels, room, 0.05)
    assert found is not None
    if truth is None:
        assert found.full_in_days is None or found.full_in_days > 380
    elif truth < 300:
        assert found.full_in_days == pytest.approx(truth, abs=0.2, rel=0.02)
    assert found.full_in_days is None or 0 <= found.full_in_days <= HORIZON_DAYS
