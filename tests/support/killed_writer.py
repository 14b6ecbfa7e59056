"""A writer of the record that is killed again and again.

``python -m tests.support.killed_writer DATA ROUNDS SEED [URL]``: each round a child goes on with the blocks,
some of them once more, tells of each commit, and dies by SIGKILL at a moment that nobody chose. Prints
one JSON list: how many of the first blocks each round told to be committed.
"""

import asyncio
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from tests.support.hub import HOST
from tests.support.record import SECOND, Machine
from tukur.hub.store.backends.address import ServerAddress, parse_address
from tukur.hub.store.store import Store
from tukur.protocol.messages import Block

BLOCKS = 2000


def blocks() -> list[Block]:
    """Always the same ones: lives that begin, work and end, over some hours."""
    machine = Machine()
    machine.start(10, "worker")
    found = []
    for at in range(BLOCKS):
        machine.start(100 + at, "brief", "brief", f"--number={at % 37}")
        machine.work(10, cpu_s=0.5, write_bytes=at)
        machine.sample()
        machine.end(100 + at)
        found.append(machine.block(1, busy=(at % 10) / 10))
        machine.skip(7)
    assert machine.boot_ns > BLOCKS * SECOND
    return found


async def _write(data: Path, address: ServerAddress | None, told: list[Block], begin: int, pipe: int) -> None:
    dice = random.Random(begin)
    store = await Store.open(data, address)
    # What was committed may not have been told: an agent sends it once more.
    at = max(begin - 3, 0)
    while at < len(told):
        until = at + dice.randrange(1, 9)
        assert not any(await store.facts.blocks.put([(HOST, block) for block in told[at:until]]))
        at = min(until, len(told))
        os.write(pipe, f"{at}\n".encode())


def main() -> None:
    """Round after round; the blocks that are left are not written."""
    data, rounds, dice = Path(sys.argv[1]), int(sys.argv[2]), random.Random(int(sys.argv[3]))
    address = parse_address(sys.argv[4]) if len(sys.argv) > 4 else None
    told, committed = blocks(), [0]
    for _ in range(rounds):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                asyncio.run(_write(data, address, told, committed[-1], writer))
            finally:
                os._exit(0)
        os.close(writer)
        time.sleep(dice.uniform(0.0, 0.25))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with os.fdopen(reader, encoding="ascii") as lines:
            committed.append(max([committed[-1], *map(int, lines.read().split())]))
    print(json.dumps(committed[1:]))


if __name__ == "__main__":
    main()
