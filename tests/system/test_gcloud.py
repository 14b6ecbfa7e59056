"""The real gcloud on the tests' Google: it lists what tukur made, so that is not made to our measure."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.google.server import PROJECT, Google, google
from tukur.cli import main
from tukur.gcp.marks import labels

pytestmark = pytest.mark.skipif(
    shutil.which("gcloud") is None,
    reason="gcloud is not installed; https://cloud.google.com/sdk/docs/install",
)

Gcloud = Callable[..., Any]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The declaration."""
    path = tmp_path_factory.mktemp("gcloud") / "gcp.toml"
    path.write_text(
        f'project = "{PROJECT}"\nregion = "europe-west1"\nzone = "europe-west1-b"\n', encoding="utf-8"
    )
    return path


@pytest.fixture(scope="module")
def applied(file: Path) -> Iterator[Google]:
    """A Google in which tukur has made everything."""
    with google() as cloud, pytest.MonkeyPatch.context() as patched:
        for name, value in cloud.environment().items():
            patched.setenv(name, value)
        assert main(["gcp", "apply", str(file), "--yes"]) == 0
        yield cloud


@pytest.fixture(scope="module")
def gcloud(applied: Google, file: Path) -> Gcloud:
    """Runs gcloud; what it printed as JSON. It has read nothing of the user's settings."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(file.parent),
        "CLOUDSDK_CONFIG": str(file.parent / "config"),
        "CLOUDSDK_CORE_PROJECT": PROJECT,
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "true",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
        "CLOUDSDK_CORE_CHECK_GCE_METADATA": "false",
        **applied.environment(),
    }

    def run(*words: str) -> Any:
        done = subprocess.run(
            ["gcloud", *words, "--format=json"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        assert "did not succeed" not in done.stderr
        return json.loads(done.stdout)

    return run


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (
            ("compute", "instances", "list", "--filter=labels.tukur-installation=tukur"),
            ["tukur-hub", "tukur-member-"],
        ),
        (("compute", "disks", "list"), ["tukur-data", "tukur-hub", "tukur-member-"]),
        (("compute", "instance-groups", "managed", "list"), ["tukur"]),
        (
            ("iam", "service-accounts", "list"),
            ["projects/rehearsal/serviceAccounts/tukur-member@", "tukur-platform@"],
        ),
        (("secrets", "list"), ["tukur-database", "tukur-database-root", "tukur-join"]),
    ],
)
def test_gcloud_lists_what_tukur_made(gcloud: Gcloud, words: tuple[str, ...], names: list[str]) -> None:
    found = sorted(one["name"] for one in gcloud(*words))
    assert len(found) == len(names)
    for name, expected in zip(found, names, strict=True):
        assert expected in name


def test_gcloud_sees_the_autoscaler_and_the_labels(gcloud: Gcloud) -> None:
    group = gcloud("compute", "instance-groups", "managed", "describe", "tukur", "--region=europe-west1")
    policy = group["autoscaler"]["autoscalingPolicy"]
    assert policy["cpuUtilization"]["utilizationTarget"] == 0.6
    assert (policy["minNumReplicas"], policy["maxNumReplicas"]) == (1, 4)
    (address,) = gcloud("compute", "addresses", "list")
    assert address["labels"] == labels("tukur")


def test_what_somebody_changes_with_gcloud_is_seen_and_put_back(
    gcloud: Gcloud, applied: Google, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gcloud("compute", "firewall-rules", "update", "tukur-https", "--allow=tcp:443,tcp:3306")
    assert main(["gcp", "status", str(file)]) == 1
    assert "firewall rule      tukur-https  allowed: found" in capsys.readouterr().out
    assert main(["gcp", "apply", str(file), "--yes"]) == 0
    (rule,) = [one for one in gcloud("compute", "firewall-rules", "list") if one["name"] == "tukur-https"]
    assert rule["allowed"] == [{"IPProtocol": "tcp", "ports": ["443"]}]
    assert applied.refused == []
