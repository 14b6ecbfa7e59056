"""Calls that may hang: on pipes that nobody writes to."""

import os
import threading
import time
from collections.abc import Iterator

import pytest

from tests.support.waiting import eventually
from tukur.sources.lookups import Lookups


class Pipes:
    """Reading number N hangs until it is let go."""

    def __init__(self, count: int) -> None:
        self.ends = [os.pipe() for _ in range(count)]

    def read(self, number: int) -> int:
        if number < len(self.ends):
            os.read(self.ends[number][0], 1)
        return number * 10

    def let_go(self, number: int) -> None:
        os.write(self.ends[number][1], b"x")


@pytest.fixture
def pipes() -> Iterator[Pipes]:
    made = Pipes(4)
    yield made
    for number in range(4):
        made.let_go(number)
    eventually(lambda: not any(one.name == "lookups" for one in threading.enumerate()), 5, "its threads end")
    for ends in made.ends:
        for end in ends:
            os.close(end)


def test_answers_come_once_and_no_thread_is_left() -> None:
    lookups: Lookups[int, int] = Lookups(lambda key: key * 10)
    lookups.ask(range(100))
    assert lookups.wait(range(100), 5)
    assert dict(lookups.answers()) == {key: key * 10 for key in range(100)}
    assert lookups.answers() == []


def test_a_call_that_hangs_holds_up_neither_the_others_nor_who_waits_for_long(pipes: Pipes) -> None:
    lookups = Lookups(pipes.read)
    lookups.ask([0, 1, 5, 6, 7])
    started = time.monotonic()
    assert not lookups.wait([0, 1, 5, 6, 7], 30, stall_s=0.3)
    assert time.monotonic() - started < 3
    assert dict(lookups.answers()) == {5: 50, 6: 60, 7: 70}
    assert lookups.asking(0)
    assert lookups.slow(0.2) == 2
    pipes.let_go(0)
    assert lookups.wait([0], 5)
    assert lookups.answers() == [(0, 0)]


def test_with_all_threads_stuck_nobody_waits_and_what_was_asked_is_answered_later(pipes: Pipes) -> None:
    lookups = Lookups(pipes.read, threads=2)
    lookups.ask([0, 1, 8])
    assert not lookups.wait([8], 30)
    assert not lookups.wait([8], 30)
    pipes.let_go(1)
    eventually(lambda: not lookups.asking(8), 5, "the thread that was let go makes the next call")
    assert set(lookups.answers()) == {(1, 10), (8, 80)}


def test_a_call_that_raises_has_no_answer_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    lookups: Lookups[int, float] = Lookups(lambda key: 1 / key)
    lookups.ask([0, 2])
    assert lookups.wait([0, 2], 5)
    assert lookups.answers() == [(2, 0.5)]
    assert "ZeroDivisionError" in caplog.text


def test_more_than_may_wait_are_dropped_and_may_be_asked_again(pipes: Pipes) -> None:
    lookups = Lookups(pipes.read, threads=1, max_waiting=2)
    lookups.ask([0])
    eventually(lambda: lookups.slow(0) == 1, 5, "it hangs")
    lookups.ask([5, 6, 7])
    assert [lookups.asking(key) for key in (5, 6, 7)] == [True, True, False]
    pipes.let_go(0)
    assert lookups.wait([5, 6], 5)
    lookups.ask([7])
    assert lookups.wait([7], 5)
