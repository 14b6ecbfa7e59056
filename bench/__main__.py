"""``python -m bench NAME [--quick]``: runs one measurement; its last line is one JSON object."""

import argparse
import importlib
import json
import sys

from bench._machine import machine

NAMES = (
    "collect",
    "collect_vm",
    "agent",
    "bursts",
    "block",
    "instant",
    "month",
    "store",
    "ingest",
    "completeness",
    "exit_hook",
    "stop",
    "signin",
    "images",
    "gcp",
    "autoscaling",
    "memory",
    "compose",
)
"""Each is a module of this folder with ``run(quick: bool) -> list[dict]``."""


def main() -> int:
    """Runs the measurement that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--quick", action="store_true", help="end within 45 seconds; rougher figures")
    options = parser.parse_args()
    rows = importlib.import_module(f"bench.{options.name}").run(options.quick)
    for row in rows:
        print("  ".join(f"{key}={value}" for key, value in row.items()), file=sys.stderr)
    print(json.dumps({"bench": options.name, "machine": machine(), "results": rows}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
