"""Runs the tests: ``python -m build_tools.tests [pytest's arguments]``. Without arguments all of them, and
what the unit tests cover of the sources is shown and may not fall (``[tool.coverage]`` in pyproject.toml).

Those in virtual machines take a quarter of the time and one processor: what needs no quiet goes beside them.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IN_MACHINES = "tests/kernel/vm"
COVERED = "tests/unit"
BESIDE = ("tests/store", "tests/fuzz")
"""What does not mind that another processor is busy, with the unit tests."""
_NICENESS = 10
"""Of the virtual machines, so that they yield to what runs beside them."""


def run(*arguments: str, by: tuple[str, ...] = ()) -> int:
    """One run of pytest, under another module if one is given; its exit code."""
    command = [sys.executable, *by, "-m", "pytest", *arguments]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def report_coverage() -> int:
    """Prints the share that is covered and leaves the lines that are not in a file; not 0: too few are."""
    command = [sys.executable, "-m", "coverage", "report"]
    lines = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True).stdout
    (ROOT / ".cache" / "uncovered.txt").write_text(lines, encoding="utf-8")
    print(
        "--- the unit tests cover this share of the sources, in percent (.cache/uncovered.txt):", flush=True
    )
    return subprocess.run([*command, "--format=total"], cwd=ROOT, check=False).returncode


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
            preexec_fn=lambda: os.nice(_NICENESS),  # noqa: PLW1509 - nothing runs beside it yet
        )
    try:
        codes = [run(COVERED, by=("-m", "coverage", "run")), report_coverage(), run(*BESIDE), machines.wait()]
    finally:
        machines.kill()
    print(
        f"--- in virtual machines, meanwhile\n{said.read_text(encoding='utf-8', errors='replace')}",
        flush=True,
    )
    codes.append(run("tests", *(f"--ignore={folder}" for folder in (COVERED, *BESIDE, IN_MACHINES))))
    return max(codes)


if __name__ == "__main__":
    raise SystemExit(main())
