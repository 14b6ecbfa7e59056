"""The whole walk through Google Cloud on one machine, with two virtual machines in place of four."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench._report import checked, report
from bench._size import Size
from bench.autoscaling import row_of
from tests.support.machine import missing

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.skipif(bool(missing()), reason=missing()), pytest.mark.timeout(400)]


def test_a_group_is_made_grows_under_load_shrinks_and_is_deleted_and_no_host_is_reported_down(
    installer_folder: Path,
) -> None:
    command = [sys.executable, "-m", "tests.rehearsal", "--most", "2", "--inside", str(installer_folder)]
    walk = subprocess.run(
        ["unshare", "--net", *command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=380
    )
    assert walk.returncode == 0, walk.stderr + walk.stdout
    measured = row_of(walk.stdout)
    checked(report("autoscaling", Size.SMALLEST, [measured]))
    assert (measured["vms"], measured["false_alarms"], measured["resources_left"]) == (2, [], [])
