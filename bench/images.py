"""How large the images of ``make images`` are, unpacked, on the daemon that ``docker`` talks to."""

import os
import shutil
import subprocess

from bench._report import Row
from bench._size import Size

PREFIX = os.environ.get("IMAGE_PREFIX", "docker.io/tukur")
GOALS_MB = {"tukur": 200, "tukur-agent": 100}


def run(size: Size) -> list[Row]:  # noqa: ARG001 - it is quick
    """A row for each image; megabytes are of 10**6 bytes."""
    return [_row(image, goal) for image, goal in GOALS_MB.items()]


def _row(image: str, goal_mb: int) -> Row:
    docker = shutil.which("docker")
    if docker is None:
        return {"subject": image, "skipped": "docker is not installed"}
    name = f"{PREFIX}/{image}"
    found = subprocess.run(
        [docker, "image", "inspect", "--format", "{{.Size}}", name],
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode:
        return {"subject": image, "skipped": f"no image {name}: {found.stderr.strip()}"}
    return {"subject": image, "unpacked_mb": round(int(found.stdout) / 1e6, 1), "goal_mb": goal_mb}
