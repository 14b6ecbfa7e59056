"""Uses as much of one processor as it is told: ``python -m tukur.load --cpu PERCENT --seconds S``.

``tukur demo load`` runs one of these for each processor: processes that are easy to find in the table.
"""

import argparse
import mmap
import signal
import sys
import time

PERIOD_S = 0.1
"""Of working and sleeping; well under the second of a sample."""


def burn(share: float, seconds: float) -> None:
    """Uses the share (0 to 1) of one processor for so long.

    By the CPU time that it really had: beside others it works on for longer to come to its share.
    """
    begun, had = time.monotonic(), time.process_time()
    while (now := time.monotonic() - begun) < seconds:
        # What it could not have because others were running is not caught up on for more than a second.
        owed = min(now * share - (time.process_time() - had), share)
        until = time.process_time() + owed
        while time.process_time() < until:
            pass
        time.sleep(PERIOD_S * (1 - share))


def hold(mib: int) -> mmap.mmap | None:
    """So much memory, each page of it written. Raises OSError."""
    if not mib:
        return None
    memory = mmap.mmap(-1, mib << 20)
    for at in range(0, mib << 20, mmap.PAGESIZE):
        memory[at] = 1
    return memory


def main() -> int:
    """Works until the time is over or SIGTERM comes."""
    parser = argparse.ArgumentParser(prog="tukur.load")
    parser.add_argument("--cpu", type=float, required=True)
    parser.add_argument("--memory", type=int, default=0)
    parser.add_argument("--seconds", type=float, required=True)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    memory = hold(options.memory)
    burn(options.cpu / 100, options.seconds)
    if memory is not None:
        memory.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
