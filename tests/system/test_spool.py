"""A real agent whose network, disk or life is taken away: what it has flushed reaches the hub, or is told."""

import asyncio
import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.cut import network
from tests.support.hub import HOST, KEYS, ORDER_KEY, RunningHub, running_hub
from tests.support.running import TUKUR
from tests.support.waiting import until
from tukur.agent.spool.spool import Bounds, Spool, Ticket
from tukur.blocks import decode_samples
from tukur.protocol import auth
from tukur.protocol.messages import Heartbeat

ROUNDS = int(os.environ.get("TUKUR_TEST_ROUNDS", "10"))


class AgentProcess:
    """A real ``tukur agent run`` for the hub at a port."""

    def __init__(self, data: Path, log: Path, port: int, *options: str) -> None:
        data.mkdir(exist_ok=True)
        self.data = data
        (data / "host_id").write_text(HOST)
        (data / "agent.key").write_bytes(KEYS[HOST])
        (data / "agent.key").chmod(0o600)
        self._command = [*TUKUR, "agent", "run", "--data", str(data), "--hub", f"http://127.0.0.1:{port}"]
        self._command += ["--order-key", auth.public_key(ORDER_KEY).hex(), "--log-level", "debug", *options]
        self._log = log
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stderr=log)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(20)

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def flushed(self) -> set[int]:
        """first_ns of every block that the agent has said to be in the spool."""
        return {int(first) for first in re.findall(r"block [0-9a-f-]{36}-(\d{20}) is in the spool", self.log)}


@contextlib.contextmanager
def agent_of(data: Path, log: Path, port: int, *options: str) -> Iterator[AgentProcess]:
    process = AgentProcess(data, log, port, *options)
    try:
        yield process
    finally:
        process.kill()


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[RunningHub]:
    (tmp_path / "hub").mkdir()
    async with running_hub(tmp_path / "hub") as started:
        yield started


async def stored(hub: RunningHub) -> dict[int, bytes]:
    """first_ns to columns of every block that the hub has."""
    number = (await hub.parts.store.hosts(HOST))[0].number
    assert number is not None
    blocks = await hub.parts.store.facts.blocks.between(number, 0, 2**50, tasks=True)
    return {block.first_ns: block.tasks for block in blocks}


async def all_stored(hub: RunningHub, wanted: set[int], seconds: float) -> None:
    async def complete() -> bool:
        return wanted <= (await stored(hub)).keys()

    await until(complete, seconds, f"all {len(wanted)} flushed blocks are stored")


def beat(hub: RunningHub) -> Heartbeat | None:
    """The last heartbeat of the connection that there is now."""
    state = hub.parts.presence.get(HOST)
    return state.heartbeat if state is not None else None


def drained(hub: RunningHub) -> bool:
    """Whether the agent says that its spool is empty."""
    last = beat(hub)
    return last is not None and last.spooled == 0


def faults(hub: RunningHub) -> dict[str, int]:
    last = beat(hub)
    return dict(last.faults) if last is not None else {}


def samples(blocks: dict[int, bytes]) -> list[int]:
    """Seconds since boot of all samples."""
    found = [round(boot_ns / 1e9) for tasks in blocks.values() for _, boot_ns, _ in decode_samples(tasks)]
    return sorted(found)


async def gaps_of(hub: RunningHub) -> list[dict[str, Any]]:
    # A name for each time that it is asked.
    async with await hub.bearer("viewer", f"viewer {time.monotonic_ns()}") as viewer:
        now = int(time.time() * 1000)
        query = {"from": now - 3_600_000, "to": now + 3_600_000}
        answer = await viewer.get(f"/api/hosts/{HOST}/gaps", params=query)
    found: list[dict[str, Any]] = answer.json()["gaps"]
    return found


async def each_second_is_accounted_for(hub: RunningHub) -> bool:
    """Whether what is stored and what the gaps name are all seconds from the first to the last."""
    found = samples(await stored(hub))
    lost = sum(int(gap["samples"]) for gap in await gaps_of(hub))
    return found[-1] - found[0] + 1 - len(found) == pytest.approx(lost, abs=3)


@pytest.mark.timeout(60 + 8 * ROUNDS)
async def test_an_agent_that_is_killed_again_and_again_loses_nothing_that_it_flushed(
    hub: RunningHub, tmp_path: Path
) -> None:
    dice = random.Random(7)
    with agent_of(tmp_path / "agent", tmp_path / "log", hub.port) as agent:

        async def another_block() -> None:
            before = len(agent.flushed())
            await until(lambda: len(agent.flushed()) > before, 40, "another block is flushed")

        for number in range(ROUNDS):
            if number % 5 == 0:
                # However slowly an agent starts here, some of the kills meet one that has flushed.
                await another_block()
            # The moments of the kills are what is tested.
            await asyncio.sleep(dice.uniform(0.5, 5))
            await asyncio.to_thread(agent.kill)
            agent.start()
        await another_block()
        await asyncio.to_thread(agent.stop)
        flushed = agent.flushed()
        assert len(flushed) > ROUNDS // 5
        await all_stored(hub, flushed, 20)
    found = samples(await stored(hub))
    assert len(found) == len(set(found)), "a sample is there twice"
    assert len(Spool(agent.data / "spool")) == 0


@pytest.mark.timeout(240)
async def test_over_a_cut_that_is_too_long_for_the_spool_each_second_is_there_or_told(
    hub: RunningHub, tmp_path: Path
) -> None:
    async with network(hub.port) as cut:
        with agent_of(tmp_path / "agent", tmp_path / "log", cut.port, "--spool-size", "0.03") as agent:
            await until(lambda: hub.parts.presence.online(HOST), 20)
            await until(partial(stored, hub), 20, "something is stored before the cut")
            cut.cut()
            await until(lambda: agent.log.count("the spool gives up") >= 3, 150, "the spool is full")
            # A block can be larger than the limit on a busy machine: the newest is kept all the same.
            sizes = [path.stat().st_size for path in (agent.data / "spool").glob("*.seg")]
            assert sum(sizes) - max(sizes, default=0) <= 30 * 1024
            cut.mend()
            await until(lambda: hub.parts.presence.online(HOST), 20)
            await until(partial(drained, hub), 30, "the spool is drained")
            # The gaps go after the blocks.
            await until(partial(each_second_is_accounted_for, hub), 30, "the gaps are stored")
            await asyncio.to_thread(agent.stop)
            left = Spool(agent.data / "spool", Bounds(limit=30 * 1024))
            assert (len(left), left.gaps) == (0, [])
        found = samples(await stored(hub))
        lost = await gaps_of(hub)
        assert {gap["reason"] for gap in lost} == {"spool_full"}
        assert len(found) == len(set(found))
        assert await each_second_is_accounted_for(hub)


@pytest.mark.timeout(120)
async def test_over_a_full_disk_nothing_is_lost_while_memory_has_room(
    hub: RunningHub, tmp_path: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=True)
    try:
        async with network(hub.port) as cut:
            with agent_of(disk / "agent", tmp_path / "log", cut.port) as agent:
                await until(lambda: hub.parts.presence.online(HOST), 20)
                cut.cut()
                filler = disk / "filler"
                with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
                    while True:
                        file.write(bytes(4096))
                flushed = len(agent.flushed())
                await until(lambda: len(agent.flushed()) >= flushed + 3, 50, "three blocks wait in memory")
                cut.mend()
                await until(lambda: hub.parts.presence.online(HOST), 20)
                await until(lambda: faults(hub).get("spool.unwritable") == 1, 10)
                filler.unlink()
                await until(lambda: "spool.unwritable" not in faults(hub), 20, "blocks are on the disk again")
                await asyncio.to_thread(agent.stop)
        assert await gaps_of(hub) == []
        found = samples(await stored(hub))
        assert found == list(range(found[0], found[0] + len(found)))
        assert len(found) > 30
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


WRITER = """
import sys
from pathlib import Path
from tukur.agent.spool.spool import Bounds, Spool
from tukur.agent.spool.format import Span
spool, number = Spool(Path(sys.argv[1]), Bounds(limit=2**22)), int(sys.argv[2])
while True:
    number += 1
    at = number * 10**10
    spool.put(Span("11111111-2222-3333-4444-555555555555", at, at + 9 * 10**9, at, at + 9 * 10**9, 10),
              number.to_bytes(8, "big") * (1 + number * 7919 % 4000))
    print(number, flush=True)
    if number % 3 == 0:
        spool.done(spool.newest())
        print(-number, flush=True)
"""


def test_a_spool_whose_writer_is_killed_at_any_moment_has_all_that_was_put_in(tmp_path: Path) -> None:
    """Thousands of puts, and acknowledgements of each third; the writer dies amid them."""
    dice = random.Random(3)
    put: set[int] = set()
    done: set[int] = set()
    unsure: set[int] = set()
    for _ in range(ROUNDS):
        last = max(put, default=0)
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(last + 1)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(dice.uniform(0, 0.2))
        writer.kill()
        told = [int(line) for line in writer.stdout.read().split("\n")[:-1]]
        writer.stdout.close()
        writer.wait()
        put |= {last + 2} | {number for number in told if number > 0}
        done |= {-number for number in told if number < 0}
        # It may have died before it could say so.
        unsure.add(max(put))
    spool = Spool(tmp_path, Bounds(limit=2**22))
    seen: set[Ticket] = set()
    waiting: set[int] = set()
    while (ticket := spool.newest(seen)) is not None:
        seen.add(ticket)
        found = spool.read(ticket)
        assert found is not None
        number = found[0].first_ns // 10**10
        assert found[1] == number.to_bytes(8, "big") * (1 + number * 7919 % 4000)
        waiting.add(number)
    lost = {
        number for gap in spool.gaps for number in range(gap.first_ns // 10**10, gap.last_ns // 10**10 + 1)
    }
    assert spool.damaged == 0
    assert len(put) > ROUNDS
    assert put - waiting - lost - done <= unsure
    assert waiting.isdisjoint(lost | done)
