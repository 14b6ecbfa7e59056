"""Every benchmark, in a form that walks through all its parts and means nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench.__main__ import NAMES
from bench._report import Report, decode

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.timeout(400)

ELSEWHERE = {
    "autoscaling": "the rehearsal is a test of its own: test_cloud_rehearsal.py",
    "collect_vm": "in the machine of tests/kernel/vm/test_three_sources.py",
    "compose": "on the stack of test_docker.py",
    "images": "on the daemon of test_docker.py",
}
"""Benchmarks that need what takes minutes to make: their parts are tried where that is there anyway."""


@pytest.fixture(scope="module")
def reports() -> dict[str, Report]:
    """Of one run of all the others."""
    names = [name for name in NAMES if name not in ELSEWHERE]
    done = subprocess.run(
        [sys.executable, "-m", "bench", *names, "--smallest"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = [decode(line) for line in done.stdout.splitlines()]
    return {report.bench: report for report in found}


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ELSEWHERE])
def test_the_smallest_form_of_each_benchmark_measures_ours_and_gives_a_reason_for_what_it_leaves_out(
    name: str, reports: dict[str, Report]
) -> None:
    rows = reports[name].results
    measured = [row for row in rows if not row.get("skipped")]
    assert measured, rows
    assert all(isinstance(row["skipped"], str) for row in rows if row.get("skipped"))
