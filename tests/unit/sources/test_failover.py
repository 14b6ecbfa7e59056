"""A source that stops working gives way to another."""

import numpy as np
import pytest

from tukur.records import TASK, Departed, TaskArray
from tukur.sources.base import SourceUnavailableError
from tukur.sources.failover import FailoverSource


class Scripted:
    """A source whose readings fail where the script says so."""

    def __init__(self, name: str, script: str, departures: str = "", collections: str = "") -> None:
        self.name = name
        self.blind_spots = (f"{name} is blind",)
        self._script = iter(script)
        self._departures, self._collections = iter(departures), iter(collections)
        self.closed = False

    def read(self) -> TaskArray:
        if next(self._script, ".") == "x":
            raise OSError("gone")
        return np.empty(0, dtype=TASK)

    def collect(self) -> None:
        if next(self._collections, ".") == "x":
            raise OSError("gone")

    def departed(self, living: TaskArray) -> Departed:  # noqa: ARG002
        if next(self._departures, ".") == "x":
            raise OSError("gone")
        return Departed()

    def close(self) -> None:
        self.closed = True


def readings(source: FailoverSource, count: int) -> str:
    found = ""
    for _ in range(count):
        try:
            source.read()
            found += "."
        except OSError:
            found += "x"
    return found


def test_a_source_that_works_is_kept() -> None:
    first = Scripted("module", "..")
    steady = FailoverSource(first, lambda: pytest.fail("nobody should choose"))
    assert readings(steady, 5) == "....."
    assert (steady.name, steady.blind_spots) == ("module", ("module is blind",))


def test_failures_that_pass_change_nothing() -> None:
    steady = FailoverSource(Scripted("module", "xx.xx.xx"), lambda: pytest.fail("nobody should choose"))
    assert readings(steady, 9) == "xx.xx.xx."


def test_the_third_failure_in_a_row_brings_another_source_in_the_same_reading() -> None:
    first, second = Scripted("module", ".xxx"), Scripted("bpf", "")
    steady = FailoverSource(first, lambda: second)
    assert readings(steady, 6) == ".xx..."
    assert (steady.name, steady.blind_spots) == ("bpf", ("bpf is blind",))
    assert first.closed, "what it held must be free for others"
    steady.close()
    assert second.closed


def test_where_no_other_works_it_is_tried_again() -> None:
    tries = []

    def choose() -> Scripted:
        tries.append(1)
        raise SourceUnavailableError("none")

    steady = FailoverSource(Scripted("module", "x" * 7), choose)
    assert readings(steady, 8) == "xxxxxxx."
    assert len(tries) == 2


@pytest.mark.parametrize("kind", ["departures", "collections"])
def test_a_source_whose_readings_work_but_nothing_else_gives_way_too(kind: str) -> None:
    first, second = Scripted("module", "", **{kind: "xxxx"}), Scripted("bpf", "")
    steady = FailoverSource(first, lambda: second)
    failed = 0
    for _ in range(5):
        living = steady.read()
        try:
            steady.collect()
            steady.departed(living)
        except OSError:
            failed += 1
    assert steady.name == "bpf"
    assert failed >= 2
    assert first.closed
