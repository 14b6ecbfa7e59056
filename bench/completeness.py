"""How much of a storm of short lives each watcher sees at 1 Hz, against what wait4() says of every PID."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench._load import compile_static
from bench._report import Row
from bench._size import Size
from bench._watchers import WATCHERS

HOW_TO_READ = (
    "The reference is what wait4() returns for each PID: some that use half a millisecond of CPU time, "
    "some that use 20 ms, and a parallel compile. The compilers live for seconds, so tools that see "
    "nothing else still get most of the CPU time right. procfs attributes the rest to the parents that "
    "waited. A machine share over 100 % is time that a tool counts twice."
)

SHORT_US, LONGER_US = 500, 20_000
"""What one life spins: with fork, exec and exit the short one lives about a millisecond."""
SETTLE_S = 4
"""Before the storm, so that everyone has a first sample; after it, so that everyone has a last one."""

_UNIT = """
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
{body}
"""
_FUNCTION = """
double f{at}(double x, int n)
{{
	double s = 0;
	for (int i = 0; i < n; i++)
		s += sin(x * i) / (i + {at}.5);
	return s;
}}
"""


def run(size: Size) -> list[Row]:
    """One row for each watcher; all watch the same storm."""
    settle_s = size.of(1.5, SETTLE_S, SETTLE_S)
    with tempfile.TemporaryDirectory(prefix="tukur-storm-") as name:
        folder = Path(name)
        program = compile_static(Path(__file__).with_name("_storm.c"), folder / "storm")
        watching = {name: _watch(name) for name in WATCHERS}
        time.sleep(settle_s)
        truth = _storm(program, folder, *size.of((30, 3, 1), (3000, 200, 6), (3000, 200, 24)))
        time.sleep(settle_s)
        return [_row(name, _report(child), truth) for name, child in watching.items()]


def _watch(name: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "bench._watchers", name]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def _report(child: "subprocess.Popen[bytes]") -> dict[str, Any]:
    out, _ = child.communicate(timeout=60)
    report: dict[str, Any] = json.loads(out or b'{"skipped": "it failed"}')
    return report


def _storm(program: Path, folder: Path, short: int, longer: int, units: int) -> dict[str, dict[int, float]]:
    """What really happened: by kind, PID to seconds of CPU time."""
    parallel = str(os.cpu_count() or 1)
    truth = {}
    for kind, count, spin_us in (("short", short, SHORT_US), ("longer", longer, LONGER_US)):
        out = folder / kind
        subprocess.run([program, "run", out, str(count), str(spin_us), parallel], check=True)
        truth[kind] = _read(out)
    if shutil.which("gcc"):
        truth["compile"] = _compile(program, folder, units)
    return truth


def _compile(program: Path, folder: Path, units: int) -> dict[int, float]:
    """A parallel build; the compilers and assemblers that gcc starts are what counts."""
    out = folder / "compile"
    for unit in range(units):
        body = "\n".join(_FUNCTION.format(at=at + unit) for at in range(400))
        (folder / f"unit{unit}.c").write_text(_UNIT.format(body=body))
    waiting = [f"unit{unit}.c" for unit in range(units)]
    running: list[subprocess.Popen[bytes]] = []
    while waiting or running:
        while waiting and len(running) < (os.cpu_count() or 1):
            command = ["gcc", "-O2", "-c", "-no-integrated-cpp", "-wrapper", f"{program},wrap,{out}"]
            running.append(subprocess.Popen([*command, waiting.pop()], cwd=folder))
        done = running.pop(0)
        if done.wait():
            raise RuntimeError(f"gcc failed with {done.returncode}")
    return _read(out)


def _read(path: Path) -> dict[int, float]:
    lines = (line.split() for line in path.read_text().splitlines())
    return {int(pid): int(used) / 1e6 for pid, used, *_ in lines}


def _row(name: str, report: dict[str, Any], truth: dict[str, dict[int, float]]) -> dict[str, Any]:
    row: dict[str, Any] = {"subject": name}
    if "skipped" in report:
        return row | {"skipped": report["skipped"]}
    lives = {int(pid): used for pid, used in report["lives"].items()}
    everyone = {pid: used for part in truth.values() for pid, used in part.items()}
    row["processes"] = len(everyone)
    row["seen_share"] = _seen(lives, everyone)
    row["cpu_share"] = _right(lives, everyone)
    for kind, part in truth.items():
        row[f"{kind}_seen_share"], row[f"{kind}_cpu_share"] = _seen(lives, part), _right(lives, part)
    row["named_share_of_machine"] = round(report["named_s"] / report["busy_s"], 4)
    row["machine_cpu_s"] = round(report["busy_s"], 2)
    row["lost"] = report.get("lost")
    return row


def _seen(lives: dict[int, float], truth: dict[int, float]) -> float:
    return round(sum(pid in lives for pid in truth) / len(truth), 4)


def _right(lives: dict[int, float], truth: dict[int, float]) -> float:
    """CPU time that stands with the PID that used it; what is said beyond the truth does not count."""
    right = sum(min(lives.get(pid, 0.0), used) for pid, used in truth.items())
    return round(right / sum(truth.values()), 4)
