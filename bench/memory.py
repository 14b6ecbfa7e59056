"""What hub and database take of memory with a few hosts and with many: agents that speak the real protocol,
blocks of a real machine."""

import asyncio
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench._fleet import BLOCK_S, FleetAgent, Told
from bench._hub import PORT, anonymous, rss, running_hub
from bench._recorded import recorded
from bench._report import Row
from bench._size import Size
from tests.support import mariadb
from tests.support.record import facts_of
from tukur.hub.store.backends.address import ServerAddress
from tukur.hub.store.store import Store
from tukur.protocol.messages import Block

HOW_TO_READ = (
    "Resident size with mapped files; anonymous: what belongs to no file. The Compose file limits hub and "
    "database to 1 GiB each."
)

PROCESSES = 300
HOSTS = (4, 100)
MEASURE_S = 60
MIB = 1 << 20


def run(size: Size) -> list[Row]:
    """A row for each database and each number of hosts; the memory at the end, and its peak."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    seconds = size.of(1, 3, MEASURE_S)
    blocks = recorded(PROCESSES, size.of(0, 12, seconds + 32))
    if size is not Size.FULL:
        # One hub for both: the second figure then holds what the first left.
        return [*_rows(size.of((2, 4), HOSTS, HOSTS), blocks, seconds, None)]
    rows = [row for hosts in HOSTS for row in _rows((hosts,), blocks, seconds, None)]
    if reason := mariadb.why_not():
        return [*rows, {"subject": "mariadb", "skipped": reason}]
    for hosts in HOSTS:
        # The server's own default for its largest buffer.
        with mariadb.running_mariadb("--innodb-buffer-pool-size=128M") as server:
            rows += _rows((hosts,), blocks, seconds, server)
    return rows


def _rows(
    steps: tuple[int, ...], blocks: list[Block], seconds: int, server: mariadb.MariaDb | None
) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="tukur-memory-") as folder:
        return asyncio.run(_measure(Path(folder), server, blocks, steps, seconds))


async def _measure(
    data: Path, server: mariadb.MariaDb | None, blocks: list[Block], steps: tuple[int, ...], seconds: int
) -> list[dict[str, Any]]:
    told = Told()
    fleet = [FleetAgent(number, blocks, told) for number in range(max(steps))]
    address = None if server is None else server.new_database()
    await _enrol(data, address, fleet)
    rows: list[dict[str, Any]] = []
    with running_hub(data, address) as hub:
        idle, tasks = rss(hub), list[asyncio.Task[None]]()
        for hosts in steps:
            tasks += _start(fleet[len(tasks) : hosts], min(BLOCK_S, seconds))
            peak = await _peak(hub, seconds + 1)
            rows.append(
                {
                    "subject": "sqlite" if server is None else "mariadb",
                    "hosts": hosts,
                    "processes_each": PROCESSES,
                    "seconds": seconds,
                    "blocks_stored": len(told.latencies_s),
                    "hub_idle_mib": round(idle / MIB),
                    "hub_rss_mib": round(rss(hub) / MIB),
                    "hub_peak_mib": round(peak / MIB),
                    "hub_anonymous_mib": round(anonymous(hub) / MIB),
                    "database_rss_mib": None if server is None else round(rss(_pid(server)) / MIB),
                    "connections_lost": told.lost,
                }
            )
            print(rows[-1], file=sys.stderr, flush=True)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return rows


async def _enrol(data: Path, address: ServerAddress | None, fleet: list[FleetAgent]) -> None:
    store = await Store.open(data, address)
    for agent in fleet:
        await store.control.enrolments.enrol(
            agent.host_id, agent.public_key, agent.host_id[-6:], time.time_ns()
        )
    await store.close()


def _start(fleet: list[FleetAgent], spread_s: float) -> list[asyncio.Task[None]]:
    """Their first blocks come over so many seconds, as those of machines that booted at any time."""
    begin, url = time.monotonic() + 1, f"ws://127.0.0.1:{PORT}/agent"
    return [
        asyncio.create_task(agent.run(url, facts_of(), begin + spread_s * at / len(fleet)))
        for at, agent in enumerate(fleet)
    ]


async def _peak(hub: int, seconds: float) -> int:
    """The largest resident size meanwhile, looked at twice a second."""
    end, peak = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        await asyncio.sleep(0.5)
        peak = max(peak, rss(hub))
    return peak


def _pid(server: mariadb.MariaDb) -> int:
    return int((server.folder / "pid").read_text())
