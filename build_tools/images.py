"""``python -m build_tools.images build|push --prefix docker.io/NAME``: images of hub, agent and installer.

Wheel and installer are built before, not in the Dockerfile: what is in the images is what was tested.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from build_tools import installer
from build_tools.wheel import build_wheel
from tukur import __version__

ROOT = Path(__file__).resolve().parent.parent
TARGETS = ("tukur", "tukur-agent", "tukur-installer")


def build_commands(docker: str, prefix: str, revision: str, options: list[str]) -> list[list[str]]:
    """One command for each image; `options` are Docker's, such as ``--build-arg=BASE_IMAGE=...``."""
    return [
        [
            *(docker, "build", "--file", "deploy/docker/Dockerfile", "--target", target),
            *("--build-arg", f"VERSION={__version__}", "--build-arg", f"REVISION={revision}"),
            *("--tag", f"{prefix}/{target}:{__version__}", "--tag", f"{prefix}/{target}:latest"),
            *(*options, "."),
        ]
        for target in TARGETS
    ]


def push_commands(docker: str, prefix: str) -> list[list[str]]:
    """One command for each tag of each image."""
    return [
        [docker, "push", f"{prefix}/{target}:{tag}"] for target in TARGETS for tag in (__version__, "latest")
    ]


def _revision() -> str:
    found = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return found.stdout.strip()


def main() -> int:
    """0, or the exit code of the first command that failed."""
    parser = argparse.ArgumentParser(prog="python -m build_tools.images", description=__doc__)
    parser.add_argument("action", choices=("build", "push"))
    parser.add_argument("--prefix", required=True, help="registry and name, such as docker.io/NAME")
    parser.add_argument("--docker", default="docker", help="Docker, or a command like it")
    options, passed_on = parser.parse_known_args()
    if options.action == "build":
        for old in (ROOT / "dist").glob("tukur-*.whl"):
            old.unlink()
        build_wheel(ROOT, ROOT / "dist")
        try:
            installer.build(ROOT, ROOT / "dist" / "installer", installer.PYTHONS, installer.ARCHITECTURES)
        except installer.InstallerError as error:
            print(f"tukur: the installer was not made: {error}", file=sys.stderr)
            return 1
        commands = build_commands(options.docker, options.prefix, _revision(), passed_on)
    else:
        commands = push_commands(options.docker, options.prefix)
    for command in commands:
        code = subprocess.run(
            command, cwd=ROOT, env={**os.environ, "DOCKER_BUILDKIT": "1"}, check=False
        ).returncode
        if code:
            return code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
