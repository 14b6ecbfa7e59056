"""The page of measurements is made of what the benchmarks printed, and of nothing else."""

import json
from typing import Any

import pytest

from bench._report import ReportError, decode, encode
from build_tools import measurements

MACHINE = {"kernel": "6.1", "python": "3.11", "cpu": "Z80", "cpus": 2, "mem_mib": 2048}
REPORT: dict[str, Any] = {
    "bench": "collect",
    "size": "quick",
    "date": "2030-01-02T03:04:05+00:00",
    "commit": "abcdef0123",
    "machine": MACHINE,
    "results": [
        {"subject": "ours", "processes": 1000, "cpu_ms": 0.5, "share_of_psutil": 0.0071},
        {"subject": "theirs", "processes": 1000, "cpu_ms": 1234.5, "share_of_psutil": 1.0},
        {"subject": "absent", "processes": 1000, "skipped": "it is not installed"},
    ],
}


def test_the_published_page_is_what_the_kept_results_make() -> None:
    assert measurements.PAGE.read_text(encoding="utf-8") == measurements.page()


def test_a_result_stands_with_its_command_date_machine_and_commit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr(measurements, "RESULTS", tmp_path)
    (tmp_path / "collect.json").write_text(json.dumps(REPORT))
    page = measurements.page()
    assert "`make bench ARGS='collect --quick'`, 2030-01-02, commit abcdef0123; 2 CPUs of an Z80" in page
    assert "| ours | 0.5 | 0.71 |" in page
    assert "| theirs | 1,234 | 100 |" in page
    assert "- absent: it is not installed" in page


def test_what_is_the_same_in_all_rows_is_said_once() -> None:
    text = measurements.table(REPORT["results"])
    assert "In all rows: processes 1,000." in text
    assert text.splitlines()[0] == "|  | cpu (ms) | share of psutil (%) |"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cpu_us_per_life", "cpu per life (µs)"),
        ("bytes_per_sample", "bytes per sample"),
        ("hub_rss_mib", "hub rss (MiB)"),
        ("mib", "mib"),
        ("offered_blocks_per_s", "offered blocks per s"),
        ("short_seen_share", "short seen share (%)"),
        ("lives", "lives"),
    ],
)
def test_a_figure_is_called_by_its_name_with_its_unit(name: str, expected: str) -> None:
    assert measurements.label(name) == expected


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ({"cpu_ms": 1}, "without a subject"),
        ({"subject": "ours", "processes": 3}, "neither a figure nor `skipped`"),
        ({"subject": "ours", "cpu_ms": {"a": 1}}, "not a benchmark's JSON"),
    ],
)
def test_a_row_without_subject_figure_or_reason_is_refused(row: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ReportError, match=complaint):
        decode(json.dumps({**REPORT, "results": [row]}))


def test_a_figure_that_is_no_number_is_refused_and_not_printed_as_null() -> None:
    with pytest.raises(ReportError, match="cpu_ms is nan"):
        from_nan = decode(json.dumps(REPORT))
        from_nan.results[0]["cpu_ms"] = float("nan")
        encode(from_nan)


def test_a_damaged_result_is_named_by_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(measurements, "RESULTS", tmp_path)
    monkeypatch.setattr(measurements, "ROOT", tmp_path)
    (tmp_path / "collect.json").write_text("{")
    with pytest.raises(ReportError, match=r"collect\.json: not a benchmark's JSON"):
        measurements.page()
