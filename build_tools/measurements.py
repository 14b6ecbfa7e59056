"""Measures and publishes: ``python -m build_tools.measurements [NAME...] [--quick]``.

Runs the benchmarks (without names: all of them, which takes an hour), keeps the JSON of each in
``bench/results/`` and makes docs/measurements.md of what is there. With ``--page`` it only makes the page.
"""

import argparse
import importlib
import subprocess
import sys
from pathlib import Path

from bench.__main__ import NAMES
from bench._report import Report, ReportError, Row, Value, decode, unit_of

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"
PAGE = ROOT / "docs" / "measurements.md"
HEAD = """# Measurements

<!-- Made by `make measurements`; do not edit. -->

A benchmark printed every figure here, on the date and machine that stand above it, at the commit that is
named there (`+`: with changes that were not committed). Other tools are measured in the same run: compare the
ratios, and measure on your own machine with `make bench ARGS=NAME`. `make measurements` runs them all and
makes this page.
"""
_WIDE = 9
"""Columns that fit beside each other; what goes beyond stands below."""


def measure(name: str, *options: str) -> None:
    """Runs one benchmark and keeps its JSON. Raises ReportError where it failed."""
    done = subprocess.run(
        [sys.executable, "-m", "bench", name, *options], cwd=ROOT, stdout=subprocess.PIPE, check=False
    )
    if done.returncode:
        raise ReportError(f"{name} failed; the results that were there are kept")
    line = done.stdout.splitlines()[-1]
    decode(line)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_bytes(line + b"\n")


def page() -> str:
    """The page, of all results that there are. Raises ReportError for a file that is not a benchmark's."""
    sections = [_section(name, title) for name, title in NAMES.items()]
    return HEAD + "".join(sections)


def _section(name: str, title: str) -> str:
    path = RESULTS / f"{name}.json"
    module = importlib.import_module(f"bench.{name}")
    about = [" ".join((module.__doc__ or "").split())]
    if how := getattr(module, "HOW_TO_READ", ""):
        about.append(" ".join(how.split()))
    parts = [f"\n## {title}\n", *(f"\n{text}\n" for text in about)]
    if not path.exists():
        return "".join([*parts, f"\nNot measured yet: `make bench ARGS={name}`.\n"])
    try:
        found = decode(path.read_bytes())
    except ReportError as error:
        raise ReportError(f"{path.relative_to(ROOT)}: {error}") from error
    return "".join([*parts, f"\n{_origin(found)}\n", f"\n{table(found.results)}", _skipped(found.results)])


def _origin(found: Report) -> str:
    options = "" if found.size == "full" else f" --{found.size}"
    command = f"make bench ARGS='{found.bench}{options}'"
    machine = found.machine
    where = f"{machine.cpus} CPUs of an {machine.cpu}, {round(machine.mem_mib / 1024)} GiB"
    commit = f", commit {found.commit}" if found.commit else ""
    return (
        f"`{command}`, {found.date[:10]}{commit}; {where}, kernel {machine.kernel}, Python {machine.python}:"
    )


def table(rows: list[Row]) -> str:
    """A table in Markdown of what was measured; what is the same in all rows stands below it once."""
    measured = [row for row in rows if not row.get("skipped")]
    if not measured:
        return ""
    names = list(dict.fromkeys(["subject", *(name for row in measured for name in row)]))
    same = [
        name
        for name in names
        if name != "subject" and len(measured) > 1 and len({str(row.get(name)) for row in measured}) == 1
    ]
    columns = [name for name in names if name not in same]
    shown, beyond = columns[:_WIDE], columns[_WIDE:]
    lines = [_line([label(name) if name != "subject" else "" for name in shown])]
    lines.append(_line(["---"] + ["---:"] * (len(shown) - 1)))
    lines += [_line([cell(name, row.get(name)) for name in shown]) for row in measured]
    text = "\n".join(lines) + "\n"
    if same:
        text += "\nIn all rows: " + ", ".join(_said(name, measured[0]) for name in same) + ".\n"
    for row in measured if beyond else []:
        more = [_said(name, row) for name in beyond if row.get(name) is not None]
        text += f"\n- {row['subject']}: {', '.join(more)}" if more else ""
    return text + ("\n" if beyond else "")


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _said(name: str, row: Row) -> str:
    return f"{label(name)} {cell(name, row.get(name))}"


def _skipped(rows: list[Row]) -> str:
    reasons: dict[str, list[str]] = {}
    for row in rows:
        if why := row.get("skipped"):
            reasons.setdefault(str(why), []).append(str(row["subject"]))
    lines = [f"- {', '.join(dict.fromkeys(who))}: {why}" for why, who in reasons.items()]
    return "\nNot measured:\n\n" + "\n".join(lines) + "\n" if lines else ""


def label(name: str) -> str:
    """What a figure is called on the page: ``cpu_us_per_life`` is "cpu per life (µs)"."""
    unit = unit_of(name)
    words = name.split("_")
    # The word of the unit stands before "per" or "of", or at the end.
    at = next((i - 1 for i, word in enumerate(words) if i and word in ("per", "of")), len(words) - 1)
    if not unit or (at == 0 and unit != "%"):
        # "bytes per sample" needs no further unit.
        return " ".join(words)
    if unit != "%":
        del words[at]
    return f"{' '.join(words)} ({unit})"


def cell(name: str, value: Value) -> str:
    """A figure as it stands on the page."""
    if isinstance(value, list):
        return ", ".join(cell(name, each) for each in value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value.replace("|", "\\|")
    if unit_of(name) == "%":
        value = 100.0 * value
    return f"{value:.3g}" if isinstance(value, float) and abs(value) < 1000 else f"{value:,.0f}"


def main() -> int:
    """Measures what the command line names, then makes the page; 1: a benchmark failed."""
    parser = argparse.ArgumentParser(prog="python -m build_tools.measurements", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"without any: {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="rougher figures; the page says so")
    parser.add_argument("--page", action="store_true", help="measure nothing, only make the page")
    options = parser.parse_args()
    if unknown := sorted(set(options.names) - set(NAMES)):
        parser.error(f"no benchmark is called {unknown[0]!r}; there are {', '.join(NAMES)}")
    failed = 0
    for name in [] if options.page else options.names or list(NAMES):
        try:
            measure(name, *(["--quick"] if options.quick else []))
        except ReportError as error:
            print(error, file=sys.stderr)
            failed = 1
    PAGE.write_text(page(), encoding="utf-8")
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
