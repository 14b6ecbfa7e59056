"""``tukur doctor``: what this machine offers, and what is missing."""

import argparse
import sys
from pathlib import Path

import msgspec

import tukur.hub
from tukur import __version__
from tukur.cli import hub_installed
from tukur.cli.options.data import default_data_dir
from tukur.cli.settings.parser import add_settings
from tukur.cli.settings.table import DATA, HUB
from tukur.sources.probe import Finding, probe
from tukur.sources.registry import availability


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--json", action="store_true", help="for a program")
    parser.add_argument(
        "--cross-check",
        action="store_true",
        help="compare what all sources that work here say of every process",
    )
    parser.add_argument(
        "--seconds", type=float, default=5, metavar="S", help="of --cross-check (default: %(default)s)"
    )
    add_settings(parser, (HUB,), DATA)


def run(options: argparse.Namespace) -> int:
    """Prints a line for each finding; 0 where every process can be seen in some way."""
    if options.cross_check:
        from tukur.cli.cross_check import cross_check

        return cross_check(options.seconds, as_json=options.json)
    findings = [*probe(), _page()]
    if hub_installed():
        from tukur.cli.hub_health import hub_findings

        findings += hub_findings((options.data or default_data_dir()).expanduser())
    sources = availability()
    if options.json:
        content = {"version": __version__, "findings": findings, "sources": sources}
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(content)).decode() + "\n")
    else:
        print(f"tukur {__version__}")
        for finding in findings:
            print(f"  {'ok     ' if finding.ok else 'missing'}  {finding.what}: {finding.found}")
            if not finding.ok and finding.remedy:
                print(f"           {finding.remedy}")
        print("sources, best first:")
        for source in sources:
            print(f"  {source.name}: {source.reason or 'works'}")
    return 0 if any(not source.reason for source in sources) else 1


def _page() -> Finding:
    page = Path(tukur.hub.__file__).parent / "web" / "index.html"
    built = page.is_file()
    return Finding(
        what="page built",
        ok=built,
        found="yes" if built else "no built page in this installation",
        remedy="run `make build` in a checkout, or install the wheel",
    )
