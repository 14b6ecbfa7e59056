"""How many hosts one hub sustains at 1 Hz: agents that speak the real protocol, blocks of a real machine."""

import asyncio
import contextlib
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench._fleet import BLOCK_S, FleetAgent, Told
from bench._hub import PORT, cpu_s, rss, running_hub
from bench._recorded import calmed, recorded
from bench._report import Row
from bench._size import Size
from tests.support import mariadb
from tests.support.record import facts_of
from tukur.hub.store.backends.address import ServerAddress
from tukur.hub.store.store import Store
from tukur.protocol.messages import Block

HOW_TO_READ = (
    "Simulated agents use the real protocol without TLS, with a heartbeat each second and recorded blocks "
    "of a real machine. Busy: programs start and end all the time; calm: one in 15 of these. A load "
    "counts as sustained while the hub commits what is offered, 99 of 100 blocks within 15 s."
)

PROCESSES = 300
CALM = 15
"""One of so many new lives stays in the calm load: about one each two seconds, as on an ordinary server."""
STEPS = (500, 1000, 1500, 2000)
WARM_S, MEASURE_S = 40, 60
LATE_S = 15.0
"""From sample to commit, for 99 of 100 blocks."""


def run(size: Size) -> list[Row]:
    """More and more hosts until the hub falls behind, on each database."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    spans = size.of((0, 4), (4, 8), (WARM_S, MEASURE_S))
    steps = size.of((3,), (100,), STEPS)
    blocks = recorded(PROCESSES, size.of(0, 22, sum(spans) + 32))
    loads = {"busy": blocks, "calm": calmed(blocks, CALM)}
    if size is Size.SMALLEST:
        del loads["busy"]
    rows = _on("sqlite", loads, _no_server, steps, spans)
    if size is not Size.FULL:
        return rows
    if reason := mariadb.why_not():
        return [*rows, {"subject": "mariadb", "skipped": reason}]
    # As a server is run: what it has committed survives power loss.
    durable = ("--innodb-flush-log-at-trx-commit=1", "--innodb-doublewrite=1", "--innodb-buffer-pool-size=1G")
    with mariadb.running_mariadb(*durable) as server:
        return rows + _on("mariadb", loads, partial(_new_database, server), STEPS, spans)


@contextlib.contextmanager
def _no_server() -> Iterator[None]:
    yield None


@contextlib.contextmanager
def _new_database(server: mariadb.MariaDb) -> Iterator[ServerAddress]:
    address = server.new_database()
    try:
        yield address
    finally:
        server.drop(address)


def _on(
    subject: str,
    loads: dict[str, list[Block]],
    database: Callable[[], AbstractContextManager[ServerAddress | None]],
    steps: tuple[int, ...],
    spans: tuple[int, int],
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for name, blocks in loads.items():
        for hosts in steps:
            with tempfile.TemporaryDirectory(prefix="tukur-ingest-") as folder, database() as address:
                found = asyncio.run(_measure(Path(folder), address, blocks, hosts, spans))
            rows.append({"subject": subject, "load": name, **found})
            print(rows[-1], file=sys.stderr, flush=True)
            if not found["sustained"]:
                break
    return rows


async def _measure(
    data: Path, address: ServerAddress | None, blocks: list[Block], hosts: int, spans: tuple[int, int]
) -> dict[str, Any]:
    warm, measure = spans
    told = Told()
    fleet = [FleetAgent(number, blocks, told) for number in range(hosts)]
    store = await Store.open(data, address)
    for agent in fleet:
        await store.control.enrolments.enrol(
            agent.host_id, agent.public_key, agent.host_id[-6:], time.time_ns()
        )
    await store.close()
    with running_hub(data, address) as hub:
        # Until all have connected.
        begin = time.monotonic() + 1 + min(hosts, 200) / 50 + hosts / 200
        tasks = [
            # MinMaxMean over the ten seconds that a block lasts.
            asyncio.create_task(
                agent.run(f"ws://127.0.0.1:{PORT}/agent", facts_of(), begin + BLOCK_S * at / hosts)
            )
            for at, agent in enumerate(fleet)
        ]
        await asyncio.sleep(begin - time.monotonic() + warm)
        offered, acknowledged = told.offered, len(told.latencies_s)
        hub_cpu, own_cpu, began = cpu_s(hub), time.process_time(), time.monotonic()
        await asyncio.sleep(measure)
        seconds = time.monotonic() - began
        latencies = told.latencies_s[acknowledged:]
        row = {
            "hosts": hosts,
            "processes_each": PROCESSES,
            "offered_blocks_per_s": round((told.offered - offered) / seconds, 1),
            "stored_blocks_per_s": round(len(latencies) / seconds, 1),
            "p50_s": round(float(np.percentile(latencies, 50)), 3) if latencies else None,
            "p99_s": round(float(np.percentile(latencies, 99)), 3) if latencies else None,
            "hub_cores": round((cpu_s(hub) - hub_cpu) / seconds, 2),
            "hub_rss_mib": round(rss(hub) / 2**20),
            "generator_cores": round((time.process_time() - own_cpu) / seconds, 2),
            "lives_per_block": round(float(np.mean([len(block.ended) for block in blocks[1:] or blocks])), 1),
            "refused": told.refused,
            "connections_lost": told.lost,
        }
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    kept_up = len(latencies) >= 0.97 * (told.offered - offered)
    late = row["p99_s"] is None or float(str(row["p99_s"])) >= LATE_S
    return {**row, "sustained": bool(kept_up and not late and not told.refused)}
