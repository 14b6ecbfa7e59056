"""Runs the tests: ``python -m build_tools.tests [pytest's arguments]``. Without arguments all of them, and
what the unit tests cover of the sources is shown and may not fall (``[tool.coverage]`` in pyproject.toml).

Most of them wait for processes, machines and pages: two runs beside each other take little longer than one.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UNIT = "tests/unit"
IN_MACHINES = "tests/kernel/vm"
ON_DATABASES = ("tests/store", "tests/fuzz")
IN_BROWSER = ("tests/browser",)
_NICENESS = 10
"""Of the virtual machines, which take one processor for a quarter of an hour."""


def run(*arguments: str, by: tuple[str, ...] = ()) -> int:
    """One run of pytest, under another module if one is given; its exit code."""
    command = [sys.executable, *by, "-m", "pytest", *arguments]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


@contextmanager
def beside(*folders: str, niceness: int = 0) -> Iterator[list[int]]:
    """A run of pytest beside what runs meanwhile; it is printed, and its code in the list, at the end."""
    codes: list[int] = []
    path = ROOT / ".cache" / f"{Path(folders[0]).name}-tests.log"
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as log:
        tests = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *folders],
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
            preexec_fn=lambda: os.nice(niceness),  # noqa: PLW1509 - there are no threads
        )
    try:
        yield codes
        codes.append(tests.wait())
    finally:
        tests.kill()
    print(f"--- {', '.join(folders)}, meanwhile", flush=True)
    print(path.read_text(encoding="utf-8", errors="replace"), flush=True)


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
    with beside(IN_MACHINES, niceness=_NICENESS) as in_machines:
        codes = [run(UNIT, by=("-m", "coverage", "run")), report_coverage(), run(*ON_DATABASES)]
    with beside(*IN_BROWSER) as in_browser:
        others = (UNIT, IN_MACHINES, *ON_DATABASES, *IN_BROWSER)
        codes.append(run("tests", *(f"--ignore={folder}" for folder in others)))
    return max(*codes, *in_machines, *in_browser)


if __name__ == "__main__":
    raise SystemExit(main())
