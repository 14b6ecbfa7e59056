"""The loop that never drifts."""

from hypothesis import given
from hypothesis import strategies as st

from tukur.agent.clock import SECOND, Instant, Ticker


def at(seconds: float, wall_offset: int = 1_700_000_000) -> Instant:
    ns = round(seconds * SECOND)
    return Instant(ns + wall_offset * SECOND, ns + 50 * SECOND)


def test_samples_are_due_on_whole_seconds() -> None:
    ticker = Ticker()
    assert ticker.wait_ns(at(0.25)) == SECOND * 3 // 4
    ticker.taken(at(1.0))
    assert ticker.wait_ns(at(1.004)) == SECOND - 4_000_000


def test_the_first_sample_is_due_on_the_next_second() -> None:
    ticker = Ticker()
    assert ticker.wait_ns(at(0.25)) == SECOND * 3 // 4
    assert ticker.wait_ns(at(0.999)) == SECOND // 1000
    assert ticker.wait_ns(at(1.0005)) == 0


def test_a_wall_clock_set_back_is_followed_at_once() -> None:
    ticker = Ticker()
    ticker.taken(at(100.0))
    assert ticker.wait_ns(at(100.2, wall_offset=1_600_000_000)) == round(0.8 * SECOND)


def test_a_late_sample_does_not_move_the_next_one() -> None:
    ticker = Ticker()
    ticker.taken(at(1.0))
    assert ticker.wait_ns(at(2.3)) == 0
    assert ticker.taken(at(2.3)) == 0
    assert ticker.wait_ns(at(2.31)) == round(0.69 * SECOND)


def test_a_sample_too_late_is_left_out_and_counted() -> None:
    ticker = Ticker()
    ticker.taken(at(1.0))
    assert ticker.wait_ns(at(2.8)) == round(0.2 * SECOND)
    assert ticker.taken(at(3.0)) == 1
    assert ticker.taken(at(7.0)) == 3
    assert ticker.missed == 4


def test_a_sample_that_failed_counts_as_missed_to_the_next() -> None:
    ticker = Ticker()
    ticker.taken(at(1.0))
    ticker.failed(ticker.taken(at(3.0)))
    ticker.failed(ticker.taken(at(4.0)))
    assert ticker.taken(at(5.0)) == 3
    assert ticker.taken(at(6.0)) == 0
    assert ticker.missed == 3


def test_a_wall_clock_that_jumps_misses_nothing() -> None:
    ticker = Ticker()
    ticker.taken(at(1.0))
    assert ticker.taken(at(2.0, wall_offset=1_700_003_600)) == 0
    assert ticker.taken(at(3.0, wall_offset=1_600_000_000)) == 0
    assert ticker.missed == 0


@given(st.lists(st.integers(0, SECOND // 3), min_size=5, max_size=50))
def test_however_long_each_sample_takes_no_second_is_lost(costs: list[int]) -> None:
    ticker, now = Ticker(), SECOND // 2
    taken = []
    for cost in costs:
        now += ticker.wait_ns(Instant(now, now))
        ticker.taken(Instant(now, now))
        taken.append(now // SECOND)
        now += cost
    assert taken == list(range(1, len(costs) + 1))
    assert ticker.missed == 0
