"""The best source that works is chosen, and the others' reasons are told."""

from typing import Any

import numpy as np
import pytest

from tukur.records import TASK, TaskArray
from tukur.sources import registry
from tukur.sources.base import SourceUnavailableError
from tukur.sources.procfs.source import ProcfsSource


class Working:
    """A source with no process."""

    blind_spots = ()

    def __init__(self, name: str) -> None:
        self.name = name
        self.closed = False

    def read(self) -> TaskArray:
        return np.empty(0, dtype=TASK)

    def close(self) -> None:
        self.closed = True


def broken() -> Any:
    raise SourceUnavailableError("no such kernel")


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch) -> None:
    found = (("best", broken), ("good", lambda: Working("good")), ("poor", lambda: Working("poor")))
    monkeypatch.setattr(registry, "SOURCES", found)


@pytest.mark.usefixtures("sources")
def test_the_first_that_works_is_chosen_and_the_better_ones_say_why_not() -> None:
    source, refused = registry.choose()
    assert (source.name, refused) == ("good", ["best: no such kernel"])


@pytest.mark.usefixtures("sources")
def test_a_name_overrides_the_order() -> None:
    assert registry.choose("poor")[0].name == "poor"


@pytest.mark.usefixtures("sources")
def test_a_named_source_that_does_not_work_is_never_replaced() -> None:
    with pytest.raises(SourceUnavailableError, match="source best: no such kernel"):
        registry.choose("best")


@pytest.mark.usefixtures("sources")
def test_a_name_that_no_source_has_lists_those_there_are() -> None:
    with pytest.raises(ValueError, match="'bst'; there are best, good, poor"):
        registry.choose("bst")


@pytest.mark.usefixtures("sources")
def test_the_availability_of_every_source_is_told_in_order() -> None:
    found = [(one.name, one.reason) for one in registry.availability()]
    assert found == [("best", "no such kernel"), ("good", ""), ("poor", "")]


def test_no_source_at_all_says_all_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "SOURCES", (("best", broken),))
    with pytest.raises(SourceUnavailableError, match="best: no such kernel"):
        registry.choose()


def test_procfs_works_everywhere() -> None:
    assert registry.SOURCES[-1] == ("procfs", ProcfsSource)
