"""`tukur doctor --cross-check`: what it prints, and its exit code."""

import json

import pytest

from tests.unit.sources.test_crosscheck import table, task
from tukur.cli import cross_check as subject
from tukur.cli import main
from tukur.cli.errors import Exit
from tukur.records import Departed, TaskArray
from tukur.sources.base import SourceUnavailableError
from tukur.sources.crosscheck import MIN_READINGS


class Recorded:
    """A source that says the same each time."""

    blind_spots = ()

    def __init__(self, name: str, uid: int) -> None:
        self.name = name
        self._uid = uid

    def read(self) -> TaskArray:
        return table(task(uid=self._uid))

    def collect(self) -> None:
        pass

    def departed(self, living: TaskArray) -> Departed:  # noqa: ARG002
        return Departed()

    def close(self) -> None:
        pass


def refuse() -> Recorded:
    raise SourceUnavailableError("/proc/tukur_tasks is not there")


@pytest.fixture(autouse=True)
def two_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    sources = (
        ("module", refuse),
        ("bpf", lambda: Recorded("bpf", 1)),
        ("procfs", lambda: Recorded("procfs", 1)),
    )
    monkeypatch.setattr(subject, "SOURCES", sources)
    monkeypatch.setattr("tukur.sources.crosscheck.time.sleep", lambda _: None)
    monkeypatch.setattr("tukur.sources.crosscheck.take.__defaults__", (0.0, lambda _: None))


def test_sources_that_agree_are_shown_field_by_field(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--cross-check", "--seconds", "0.01"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "module does not work here: /proc/tukur_tasks is not there"
    assert told[1].startswith("bpf and procfs agree: ")
    assert any(line.split()[:1] == ["cpu_ns"] for line in told)


def test_sources_that_do_not_agree_name_the_process_and_both_values(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = (("bpf", lambda: Recorded("bpf", 1)), ("procfs", lambda: Recorded("procfs", 2)))
    monkeypatch.setattr(subject, "SOURCES", sources)
    assert main(["doctor", "--cross-check", "--seconds", "0.01"]) == Exit.SOURCES_DISAGREE
    assert "process 7 (x): procfs says 2, bpf 1" in capsys.readouterr().out


def test_a_program_gets_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--cross-check", "--seconds", "0.01", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["agree"] is True
    assert told["comparisons"][0]["readings"] >= MIN_READINGS - 1


def test_one_source_cannot_be_compared(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "SOURCES", (("module", refuse), ("bpf", lambda: Recorded("bpf", 1))))
    assert main(["doctor", "--cross-check"]) == Exit.SOURCE_UNAVAILABLE
    assert "only bpf works here; two are needed" in capsys.readouterr().err


@pytest.mark.parametrize("seconds", ["0", "-1", "601", "nan"])
def test_a_time_that_cannot_be_is_wrong_usage(seconds: str) -> None:
    assert main(["doctor", "--cross-check", "--seconds", seconds]) == Exit.USAGE
