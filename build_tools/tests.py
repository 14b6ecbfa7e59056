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
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UNIT = "tests/unit"
IN_MACHINES = "tests/kernel/vm"
ON_DATABASES = ("tests/store", "tests/fuzz")
BESIDE = (
    "tests/browser",
    "tests/system/test_benches.py",
    "tests/system/test_cloud_rehearsal.py",
    "tests/system/test_docker.py",
    "tests/system/test_installer.py",
    "tests/system/test_packages.py",
    "tests/system/test_spool.py",
    "tests/system/test_start_scripts.py",
)
"""About half of what is tested on the whole system; it runs beside the rest, after the virtual machines."""
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


class Lane:
    """Runs of pytest, one after the other, beside what runs meanwhile."""

    def __init__(self) -> None:
        self._worker = ThreadPoolExecutor(1)
        self._runs: list[tuple[tuple[str, ...], Future[int]]] = []
        self._running: subprocess.Popen[bytes] | None = None

    def add(self, *folders: str, niceness: int = 0) -> None:
        """A further run."""
        self._runs.append((folders, self._worker.submit(self._run, folders, niceness)))

    def _run(self, folders: tuple[str, ...], niceness: int) -> int:
        command = ["nice", "-n", str(niceness), sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
        with _log(folders).open("wb") as log:
            self._running = subprocess.Popen([*command, *folders], cwd=ROOT, stdout=log, stderr=log)
            return self._running.wait()

    def results(self) -> list[int]:
        """The exit codes of all; what each printed is printed."""
        codes = []
        for folders, done in self._runs:
            codes.append(done.result())
            print(f"--- {', '.join(folders)}, meanwhile", flush=True)
            print(_log(folders).read_text(encoding="utf-8", errors="replace"), flush=True)
        return codes

    def close(self) -> None:
        """Ends those that have not ended."""
        self._worker.shutdown(wait=False, cancel_futures=True)
        if self._running is not None:
            self._running.kill()


def _log(folders: tuple[str, ...]) -> Path:
    path = ROOT / ".cache" / f"{Path(folders[0]).name}-tests.log"
    path.parent.mkdir(exist_ok=True)
    return path


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
    lane = Lane()
    lane.add(IN_MACHINES, niceness=_NICENESS)
    lane.add(*BESIDE)
    with contextlib.closing(lane):
        with files_in_memory() as variables:
            codes = [
                run(UNIT, by=("-m", "coverage", "run"), variables=variables),
                report_coverage(),
                run(*ON_DATABASES, variables=variables),
            ]
        others = (UNIT, IN_MACHINES, *ON_DATABASES, *BESIDE)
        codes.append(run("tests", *(f"--ignore={folder}" for folder in others)))
        return max(*codes, *lane.results())


if __name__ == "__main__":
    raise SystemExit(main())
