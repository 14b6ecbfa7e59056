"""``python -m bench NAME... [--quick | --smallest]``: measures, and prints a line of JSON for each name."""

import argparse
import importlib
import sys
import traceback

from bench._report import encode, report
from bench._size import Size

NAMES = {
    "collect": "One reading of all processes",
    "collect_vm": "One reading with the kernel module",
    "agent": "The whole agent",
    "bursts": "What bursts of processes leave in memory",
    "completeness": "Short-lived processes: how much is seen",
    "exit_hook": "Short-lived processes: what seeing every one costs",
    "block": "Bytes for each process sample in a block",
    "store": "Bytes on disk for each process sample, everything included",
    "instant": "The process table at a past second",
    "month": "Response times after a day and after a month",
    "ingest": "How many hosts one hub handles",
    "memory": "Memory of hub and database",
    "stop": "Stopping a process",
    "signin": "Signing in",
    "images": "The size of the images",
    "compose": "In containers",
    "gcp": "Google Cloud: plan and apply",
    "autoscaling": "Google Cloud: a group that grows",
}
"""Each is a module of this folder with ``run(size: Size) -> list[Row]``, and how the published page calls it.
The page shows the module's docstring, and its ``HOW_TO_READ`` if it has one."""


def main() -> int:
    """Runs the measurements that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="+", choices=NAMES, metavar="NAME", help=", ".join(NAMES))
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="end within 45 seconds; rougher figures")
    size.add_argument("--smallest", action="store_true", help="try that it works; the figures mean nothing")
    options = parser.parse_args()
    chosen = Size.SMALLEST if options.smallest else Size.QUICK if options.quick else Size.FULL
    return max([_run(name, chosen) for name in options.names])


def _run(name: str, size: Size) -> int:
    """Measures and prints; 1: it failed, and the traceback is printed."""
    try:
        rows = importlib.import_module(f"bench.{name}").run(size)
        line = encode(report(name, size, rows))
    except Exception:
        # The others are measured all the same.
        traceback.print_exc()
        print(f"bench {name} failed", file=sys.stderr)
        return 1
    for row in rows:
        print("  ".join(f"{key}={value}" for key, value in row.items()), file=sys.stderr)
    print(line, flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
