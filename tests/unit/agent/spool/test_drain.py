"""What goes out next."""

from pathlib import Path

import pytest

from tukur.agent.spool.drain import PAST_BYTES, PAST_WINDOW, WINDOW, Bucket, Drain
from tukur.agent.spool.format import Span
from tukur.agent.spool.spool import Bounds, Spool, Ticket
from tukur.protocol import messages

BOOT = "11111111-2222-3333-4444-555555555555"


class Clock:
    """Stands still unless told otherwise."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def put(spool: Spool, number: int, size: int = 10) -> Ticket:
    first = number * 10**10
    return spool.put(Span(BOOT, first, first + 1, first, first + 1, 10), b"%04d" % number + bytes(size - 4))


def taken(drain: Drain) -> list[int]:
    """The numbers of all that may go now."""
    found = []
    while (data := drain.next()) is not None:
        found.append(int(data[:4]))
    return found


def test_the_past_goes_newest_first_as_far_as_its_window(tmp_path: Path, clock: Clock) -> None:
    spool = Spool(tmp_path)
    for number in range(20):
        put(spool, number)
    drain = Drain(spool, clock=clock)
    drain.begin(takes_gaps=True)
    assert taken(drain) == [19, 18, 17, 16, 15, 14]
    ticket = drain.acknowledged(BOOT, 18 * 10**10)
    assert ticket is not None
    spool.done(ticket)
    assert taken(drain) == [13]
    assert drain.wait_s() is None, "it waits for an acknowledgement, not for the clock"


def test_the_block_just_recorded_goes_before_the_past_and_past_its_window(
    tmp_path: Path, clock: Clock
) -> None:
    spool = Spool(tmp_path)
    for number in range(20):
        put(spool, number)
    drain = Drain(spool, rate=1, clock=clock)
    drain.begin(takes_gaps=True)
    assert taken(drain) == [19]
    drain.recorded(put(spool, 20))
    drain.recorded(put(spool, 21))
    assert taken(drain) == [21, 20]
    for number in range(22, 40):
        drain.recorded(put(spool, number))
    assert len(taken(drain)) == WINDOW - 3


def test_the_past_keeps_to_its_rate(tmp_path: Path, clock: Clock) -> None:
    spool = Spool(tmp_path)
    for number in range(200):
        put(spool, number, 1000)
    drain = Drain(spool, rate=10_000, clock=clock)
    drain.begin(takes_gaps=True)
    sent = 0
    for _ in range(100):
        for number in taken(drain):
            sent += 1000
            ticket = drain.acknowledged(BOOT, number * 10**10)
            assert ticket is not None
            spool.done(ticket)
        wait = drain.wait_s()
        clock.now += 0.1 if wait is None else wait
    seconds = clock.now - 100
    assert sent <= 10_000 * (seconds + 1) + 1000
    assert sent >= 10_000 * seconds - 1000


def test_another_rate_holds_from_the_moment_it_is_set(tmp_path: Path, clock: Clock) -> None:
    spool = Spool(tmp_path)
    for number in range(4):
        put(spool, number, 1000)
    drain = Drain(spool, rate=1, clock=clock)
    drain.begin(takes_gaps=True)
    assert taken(drain) == [3]
    assert drain.wait_s() == pytest.approx(999)
    drain.set_rate(1_000_000)
    assert taken(drain) == [2, 1, 0]


def test_large_blocks_of_the_past_go_a_few_at_a_time(tmp_path: Path, clock: Clock) -> None:
    spool = Spool(tmp_path)
    for number in range(6):
        put(spool, number, PAST_BYTES // 2 + 1)
    drain = Drain(spool, clock=clock)
    drain.begin(takes_gaps=True)
    assert taken(drain) == [5, 4]


def test_what_was_not_acknowledged_goes_again_on_the_next_connection(tmp_path: Path, clock: Clock) -> None:
    spool = Spool(tmp_path)
    put(spool, 1)
    drain = Drain(spool, clock=clock)
    drain.begin(takes_gaps=True)
    assert taken(drain) == [1]
    assert taken(drain) == []
    drain.end()
    assert drain.acknowledged(BOOT, 10**10) is None
    drain.recorded(put(spool, 2))
    drain.begin(takes_gaps=True)
    assert taken(drain) == [2, 1]


@pytest.mark.parametrize("takes", [True, False])
def test_gaps_go_where_the_hub_takes_them_and_again_when_they_have_grown(
    tmp_path: Path, clock: Clock, takes: bool
) -> None:
    spool = Spool(tmp_path, Bounds(limit=8 * 1068))
    numbers = iter(range(1, 100))

    def give_up() -> None:
        for _ in range(10):
            number = next(numbers)
            first = number * 10**10
            spool.put(Span(BOOT, first, first + 9 * 10**9, first, first + 9 * 10**9, 10), bytes(1000))

    give_up()
    drain = Drain(spool, clock=clock)
    drain.begin(takes_gaps=takes)
    told = drain.next()
    assert told is not None
    assert (messages.from_agent.decode(told[1:]) if takes else None) == (spool.gaps[0] if takes else None)
    if takes:
        assert drain.next() != told
        give_up()
        grown = drain.next()
        assert grown is not None
        assert messages.from_agent.decode(grown[1:]) == spool.gaps[0]


def test_a_bucket_holds_the_bytes_of_one_second(clock: Clock) -> None:
    bucket = Bucket(1000, clock)
    clock.now += 100
    bucket.take(1500)
    assert bucket.wait_s() == pytest.approx(0.5)
    clock.now += 0.5
    assert bucket.wait_s() == 0


def test_the_past_leaves_room_in_the_window() -> None:
    assert PAST_WINDOW < WINDOW
