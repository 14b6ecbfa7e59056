"""Runs the tests: ``python -m build_tools.tests [pytest's arguments]``. Without arguments all of them, and
what the unit tests cover of the sources is shown and may not fall (``[tool.coverage]`` in pyproject.toml).

Most of them wait for processes, machines and pages: two runs beside each other take little longer than one.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UNIT = "tests/unit"
IN_MACHINES = "tests/kernel/vm"
ON_DATABASES = ("tests/store", "tests/fuzz")
BESIDE_SYSTEM = (
    "tests/browser",
    "tests/system/test_cloud_rehearsal.py",
    "tests/system/test_docker.py",
    "tests/system/test_installer.py",
    "tests/system/test_packages.py",
    "tests/system/test_spool.py",
    "tests/system/test_start_scripts.py",
)
"""About half of what is tested on the whole system."""
_MEMORY = Path("/dev/shm")  # noqa: S108 - only a folder of its own is used
_ENOUGH = 6 << 30
"""Bytes free in memory for the files of tests that make thousands of databases."""
_NICENESS = 10
"""Of the virtual machines, which take one processor for a quarter of an hour."""


def run(*arguments: str, by: tuple[str, ...] = (), variables: Mapping[str, str] | None = None) -> int:
    """One run of pytest, under another module and with further variables if given; its exit code."""
    command = [sys.executable, *by, "-m", "pytest", *arguments]
    return subprocess.run(command, cwd=ROOT, check=False, env={**os.environ, **(variables or {})}).returncode


@contextmanager
def files_in_memory() -> Iterator[Mapping[str, str]]:
    """The variables that put temporary files into memory, where there is enough: no test waits for a disk."""
    try:
        found = os.statvfs(_MEMORY)
        folder = tempfile.mkdtemp(prefix="tukur-tests-", dir=_MEMORY)
    except OSError:
        yield {}
        return
    try:
        # The database server runs as another user.
        Path(folder).chmod(0o1777)
        yield {"TMPDIR": folder} if found.f_bavail * found.f_frsize > _ENOUGH else {}
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(folder)


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
    with beside(IN_MACHINES, niceness=_NICENESS) as in_machines, files_in_memory() as variables:
        codes = [
            run(UNIT, by=("-m", "coverage", "run"), variables=variables),
            report_coverage(),
            run(*ON_DATABASES, variables=variables),
        ]
    with beside(*BESIDE_SYSTEM) as beside_system:
        others = (UNIT, IN_MACHINES, *ON_DATABASES, *BESIDE_SYSTEM)
        codes.append(run("tests", *(f"--ignore={folder}" for folder in others)))
    return max(*codes, *in_machines, *beside_system)


if __name__ == "__main__":
    raise SystemExit(main())
