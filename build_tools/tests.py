"""Runs the tests: ``python -m build_tools.tests [pytest's arguments]``. Without arguments all of them.

Those in virtual machines take a quarter of the time and one processor: what needs no quiet goes beside them.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IN_MACHINES = "tests/kernel/vm"
BESIDE = ("tests/unit", "tests/store", "tests/fuzz")
"""What does not mind that another processor is busy."""
_YIELDS = 10
"""So much nicer are the virtual machines than what runs beside them."""


def run(*arguments: str) -> int:
    """One run of pytest; its exit code."""
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=ROOT, check=False).returncode


def main() -> int:
    """The worst of the exit codes."""
    if sys.argv[1:]:
        return run(*sys.argv[1:])
    said = ROOT / ".cache" / "tests-in-machines.log"
    said.parent.mkdir(exist_ok=True)
    with said.open("wb") as log:
        machines = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", IN_MACHINES],
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
            preexec_fn=lambda: os.nice(_YIELDS),  # noqa: PLW1509 - nothing runs beside it yet
        )
    try:
        codes = [run(*BESIDE), machines.wait()]
    finally:
        machines.kill()
    print(
        f"--- in virtual machines, meanwhile\n{said.read_text(encoding='utf-8', errors='replace')}",
        flush=True,
    )
    codes.append(run("tests", *(f"--ignore={folder}" for folder in (*BESIDE, IN_MACHINES))))
    return max(codes)


if __name__ == "__main__":
    raise SystemExit(main())
