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
from bench._watchers import WATCHERS

SHORT = (3000, 500)
"""Lives, and microseconds that each spins: about a millisecond with fork, exec and exit."""
LONGER = (200, 20_000)
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


def run(quick: bool) -> list[dict[str, Any]]:
    """One row for each watcher; all watch the same storm."""
    with tempfile.TemporaryDirectory(prefix="tukur-storm-") as name:
        folder = Path(name)
        program = compile_static(Path(__file__).with_name("_storm.c"), folder / "storm")
        watching = {name: _watch(name) for name in WATCHERS}
        time.sleep(SETTLE_S)
        truth = _storm(program, folder, units=6 if quick else 24)
        time.sleep(SETTLE_S)
        return [_row(name, _report(child), truth) for name, child in watching.items()]


def _watch(name: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "bench._watchers", name]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def _report(child: "subprocess.Popen[bytes]") -> dict[str, Any]:
    out, _ = child.communicate(timeout=60)
    report: dict[str, Any] = json.loads(out or b'{"skipped": "it failed"}')
    return report


def _storm(program: Path, folder: Path, units: int) -> dict[str, dict[int, float]]:
    """What really happened: by kind, PID to seconds of CPU time."""
    parallel = str(os.cpu_count() or 1)
    truth = {}
    for kind, (count, spin_us) in (("short", SHORT), ("longer", LONGER)):
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
