"""Gaps: joined where they follow each other, and only there."""

from tests.support.spool import OTHER_BOOT, span
from tukur.agent.spool.gaps import Gaps, covers, gap_between, gap_of, joined


def test_blocks_that_follow_each_other_leave_one_gap() -> None:
    (gap,) = joined(gap_of(span(number), "spool_full") for number in range(5))
    assert (gap.first_ns, gap.last_ns) == (span(0).first_ns, span(4).last_ns)
    assert (gap.first_wall_ns, gap.last_wall_ns) == (span(0).first_wall_ns, span(4).last_wall_ns)
    assert (gap.blocks, gap.samples) == (5, 50)


def test_gaps_of_another_boot_or_reason_or_with_something_between_stay_apart() -> None:
    apart = [
        gap_of(span(1), "spool_full"),
        gap_of(span(2), "spool_age"),
        gap_of(span(4), "spool_age"),
        gap_of(span(5, OTHER_BOOT), "spool_age"),
    ]
    assert joined(apart) == apart


def test_a_gap_covers_the_blocks_that_it_is_made_of() -> None:
    (gap,) = joined(gap_of(span(number), "spool_full") for number in (2, 3))
    assert [covers(gap, span(number)) for number in range(1, 5)] == [False, True, True, False]
    assert not covers(gap, span(2, OTHER_BOOT))


def test_between_neighbours_that_do_not_follow_each_other_nothing_is_said() -> None:
    assert gap_between(None, span(1)) is None
    assert gap_between(span(2), span(1)) is None
    assert gap_between(span(1), span(3, OTHER_BOOT)) is None
    gap = gap_between(span(1), span(3))
    assert gap is not None
    assert (gap.first_ns, gap.last_ns) == (span(1).last_ns + 1, span(3).first_ns - 1)


def test_a_gap_that_has_grown_is_not_settled_by_what_it_was() -> None:
    gaps = Gaps()
    sent = gaps.add(gap_of(span(1), "spool_full"))
    gaps.add(gap_of(span(2), "spool_full"))
    key = (sent.boot_id, sent.first_ns)
    assert not gaps.settle(key, sent.last_ns)
    assert gaps.settle(key, span(2).last_ns)
    assert gaps.held == {}


def test_of_two_that_were_read_the_longer_one_counts() -> None:
    gaps = Gaps()
    short, long = gap_of(span(1), "spool_full"), joined(gap_of(span(n), "spool_full") for n in (1, 2))[0]
    assert gaps.restore(short)
    assert gaps.restore(long)
    assert not gaps.restore(short)
    assert list(gaps.held.values()) == [long]
