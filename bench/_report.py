"""What a benchmark prints: one JSON object, the same shape from all of them, checked before it is printed."""

import math
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bench._machine import Machine, machine
from bench._size import Size

ROOT = Path(__file__).resolve().parent.parent
Value = str | int | float | bool | list[float | str] | None
Row = dict[str, Value]

UNITS = {
    "ns": "ns",
    "us": "µs",
    "ms": "ms",
    "s": "s",
    "bytes": "bytes",
    "kib": "KiB",
    "mib": "MiB",
    "mb": "MB",
    "share": "%",
}
"""The last word of a figure's name, and the unit that it stands for. A share is stored as 0 to 1."""


class ReportError(ValueError):
    """This is not what a benchmark prints. The text says what was found."""


class Report(msgspec.Struct, forbid_unknown_fields=True):
    """One run of one benchmark."""

    bench: str
    size: str
    """smallest, quick or full."""
    date: str
    """ISO 8601, UTC."""
    commit: str
    """Abbreviated; with ``+`` if the checkout had changes; empty outside of a checkout."""
    machine: Machine
    results: list[Row]
    """A row for each subject, ours and the peers', each with its unit in the figure's name."""


def report(bench: str, size: Size, rows: list[Row]) -> Report:
    """The report of a run that just ended."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Report(bench, size.value, now, _commit(), machine(), rows)


def encode(made: Report) -> str:
    """As one line of JSON. Raises ReportError."""
    return msgspec.json.encode(checked(made)).decode()


def decode(text: str | bytes) -> Report:
    """The report in a line of JSON. Raises ReportError."""
    try:
        return checked(msgspec.json.decode(text, type=Report))
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ReportError(f"not a benchmark's JSON: {error}") from error


def checked(made: Report) -> Report:
    """The same. Raises ReportError unless each row names its subject, and has figures or why it has none."""
    if not made.results:
        raise ReportError(f"{made.bench} has no results")
    for row in made.results:
        if not isinstance(row.get("subject"), str):
            raise ReportError(f"{made.bench}: a row without a subject: {row}")
        if not row.get("skipped") and not _figures(row):
            raise ReportError(f"{made.bench}: neither a figure nor `skipped` in {row}")
        for name, value in row.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise ReportError(f"{made.bench}: {name} is {value} in {row}")
    return made


def _figures(row: Row) -> list[str]:
    return [name for name, value in row.items() if isinstance(value, int | float) and unit_of(name)]


def unit_of(name: str) -> str:
    """The unit of a figure, by its name's last word or the one before ``per`` or ``of``; empty: none."""
    word = re.split(r"_(?:per|of)_", name)[0].rpartition("_")[2]
    return UNITS.get(word, "")


def _commit() -> str:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        return ""

    def said(*words: str) -> str:
        return subprocess.run([git, *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout

    # The results and the page that is made of them are not what is measured.
    changed = said("status", "--porcelain", "--", ".", ":!bench/results", ":!docs")
    return said("rev-parse", "--short=10", "HEAD").strip() + ("+" if changed else "")
