"""``tukur demo load``: work for the machine, to watch it on the page and to see a group of machines grow."""

import argparse
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tukur.cli.errors import CommandError, Exit
from tukur.cli.options.duration import parse_duration
from tukur.cli.supervise import die_with_parent

LONGEST = "1d"


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's actions."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    load = actions.add_parser(
        "load", help="use CPU and memory for a while, in processes that are easy to find"
    )
    load.add_argument(
        "--cpu", type=int, default=80, metavar="PERCENT", help="of each processor (default: 80)"
    )
    load.add_argument(
        "--memory", type=int, default=0, metavar="MIB", help="MiB of memory to hold, in all (default: 0)"
    )
    load.add_argument(
        "--for", dest="duration", default="10m", metavar="DURATION", help=f"up to {LONGEST} (default: 10m)"
    )


def run(options: argparse.Namespace) -> int:
    """Runs the load to its end; Ctrl-C ends it early."""
    seconds = parse_duration("--for", options.duration, LONGEST)
    if not 0 < options.cpu <= 100:
        raise CommandError(Exit.USAGE, f"--cpu {options.cpu}; 1 to 100 expected")
    available = _available_mib()
    if not 0 <= options.memory <= available // 2:
        raise CommandError(
            Exit.USAGE,
            f"--memory {options.memory}; 0 to {available // 2} expected: half of what is available",
        )
    processors = len(os.sched_getaffinity(0))
    with _running(processors, options.cpu, options.memory, seconds) as loads:
        print(
            f"{processors} processes named tukur.load use {options.cpu} % of each processor and "
            f"{options.memory} MiB of memory for {options.duration}; Ctrl-C ends them",
            flush=True,
        )
        # Whoever kills one of them from the page wants to see it gone, not replaced.
        ended = [load.wait() for load in loads]
    stopped = sum(code != 0 for code in ended)
    print(f"{stopped} of {processors} were stopped by a signal" if stopped else "the load has ended")
    return 0


def _available_mib() -> int:
    with Path("/proc/meminfo").open(encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("MemAvailable:")) >> 10


@contextlib.contextmanager
def _running(processors: int, cpu: int, memory: int, seconds: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    parent, until = os.getpid(), time.monotonic() + seconds
    loads: list[subprocess.Popen[bytes]] = []
    try:
        for number in range(processors):
            share = memory // processors + (number < memory % processors)
            words = [
                "--cpu",
                str(cpu),
                "--memory",
                str(share),
                "--seconds",
                f"{until - time.monotonic():.3f}",
            ]
            loads.append(
                subprocess.Popen(  # noqa: S603
                    [sys.executable, "-m", "tukur.load", *words],
                    preexec_fn=lambda: die_with_parent(parent),  # noqa: PLW1509 - there are no threads
                )
            )
        yield loads
    finally:
        for load in loads:
            load.terminate()
            load.wait()
