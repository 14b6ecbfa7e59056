"""``python -m build_tools.platforms``: whether each locked dependency has a wheel for each processor.

Asks the package index what there is for hub and agent, downloads nothing, and builds nothing.
"""

import itertools
import subprocess
import sys
import tempfile
from pathlib import Path

from build_tools.installer import ARCHITECTURES, PYTHONS

ROOT = Path(__file__).resolve().parent.parent
LOCKED = ("agent", "hub")


def lacking(locked: str, python: str, architecture: str) -> str:
    """What there is no wheel of, in uv's words; empty: there is one of each."""
    with tempfile.TemporaryDirectory() as nowhere:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--dry-run", "--target", nowhere),
                # glibc 2.28 is that of Debian 10 and of RHEL 8.
                *("--python-platform", f"{architecture}-manylinux_2_28", "--python-version", python),
                *("--only-binary", ":all:", "--no-deps", "--require-hashes"),
                *("--requirement", str(ROOT / "requirements" / f"{locked}.txt")),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    return done.stderr.strip() if done.returncode else ""


def main() -> int:
    """0: all are there."""
    code = 0
    for locked, python, architecture in itertools.product(LOCKED, PYTHONS, ARCHITECTURES):
        missing = lacking(locked, python, architecture)
        print(f"{locked} on {architecture} with Python {python}: {missing or 'all wheels are there'}")
        code = 1 if missing else code
    return code


if __name__ == "__main__":
    raise SystemExit(main())
