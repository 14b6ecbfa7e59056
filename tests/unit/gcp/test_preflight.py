"""What is found out before anything is made; what does not exist is in ``unit/cli/test_gcp.py``."""

from pathlib import Path

import pytest

from tests.support.google.server import Google
from tests.unit.gcp.conftest import Gcp


@pytest.mark.parametrize(
    ("machine", "quotas", "said"),
    [
        # Two for the hub, and two for each of four.
        ("e2-small", {"CPUS": 8.0}, "the quota CPUS of the region europe-west1 is 8; 10 are needed"),
        ("e2-small", {"CPUS": 10.0}, None),
        (
            "n2-standard-2",
            {"CPUS": 2.0, "N2_CPUS": 7.0},
            "the quota N2_CPUS of the region europe-west1 is 7; 8",
        ),
        ("n2-standard-2", {"CPUS": 2.0, "N2_CPUS": 8.0}, None),
        ("n2-standard-2", {}, None),
    ],
)
def test_a_quota_that_is_too_small_for_the_largest_group_is_named_beforehand(
    gcp: Gcp,
    cloud: Google,
    file: Path,
    capsys: pytest.CaptureFixture[str],
    machine: str,
    quotas: dict[str, float],
    said: str | None,
) -> None:
    cloud.state.quotas = quotas
    content = file.read_text(encoding="utf-8")
    file.write_text(f'{content}[group]\nmachine = "{machine}"\n', encoding="utf-8")
    assert gcp("plan") == 0
    printed = capsys.readouterr().out
    assert said in printed if said else "quota" not in printed
