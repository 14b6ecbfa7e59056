"""How long ``tukur gcp`` takes against the tests' Google: the whole command, from its start to its end."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench._report import Row
from bench._size import Size
from tests.support.google.server import PROJECT, Google, google

HOW_TO_READ = "The time is tukur's own; Google's answers add to it."

GOAL_S = 3.0
DECLARED = f'project = "{PROJECT}"\nregion = "europe-west1"\nzone = "europe-west1-b"\n'


def run(size: Size) -> list[Row]:
    """A plan in an empty project, the apply, and the plan that finds nothing to do."""
    rounds = size.of(1, 3, 10)
    with tempfile.TemporaryDirectory(prefix="tukur-gcp-") as folder, google() as cloud:
        file = Path(folder) / "gcp.toml"
        file.write_text(DECLARED, encoding="utf-8")
        first = _measured(cloud, "plan in an empty project", rounds, "plan", file)
        applied = _measured(cloud, "apply", 1, "apply", file, "--yes")
        again = _measured(cloud, "plan with nothing to do", rounds, "plan", file)
    return [{**first, "goal_s": GOAL_S}, applied, {**again, "goal_s": GOAL_S}]


def _measured(cloud: Google, subject: str, rounds: int, action: str, file: Path, *options: str) -> Row:
    command = [sys.executable, "-m", "tukur", "gcp", action, str(file), *options]
    environment = {**os.environ, **cloud.environment()}
    before, seconds = len(cloud.calls), []
    for _ in range(rounds):
        start = time.perf_counter()
        subprocess.run(command, env=environment, check=True, capture_output=True)
        seconds.append(time.perf_counter() - start)
    requests = (len(cloud.calls) - before) // rounds
    return {
        "subject": subject,
        "median_s": round(statistics.median(seconds), 2),
        "worst_s": round(max(seconds), 2),
        "requests": requests,
    }
