"""A fleet of agents in one process: real connections, keys, heartbeats, blocks; only the machines are one."""

import asyncio
import time
import uuid
from dataclasses import dataclass, field

import msgspec
from websockets.asyncio.client import ClientConnection, connect

from tukur.protocol import messages
from tukur.protocol.agent_side import AgentSession
from tukur.protocol.auth import new_key, public_key
from tukur.protocol.hub_side import pack

SECOND = 1_000_000_000
BLOCK_S = 10
WINDOW = 8
"""Blocks of one agent that wait for the hub, as of a real one."""


@dataclass(slots=True)
class Told:
    """What the fleet has seen."""

    offered: int = 0
    latencies_s: list[float] = field(default_factory=list)
    """From a block's last sample to its acknowledgement."""
    refused: int = 0
    lost: int = 0
    """Connections that ended."""


class FleetAgent:
    """One agent: it tells the recorded blocks as its own, one each ten seconds."""

    def __init__(self, number: int, blocks: list[messages.Block], told: Told) -> None:
        self.host_id = str(uuid.UUID(int=number + 1))
        self._key = new_key()
        self.public_key = public_key(self._key)
        self._boot_id = str(uuid.uuid4())
        self._blocks = blocks
        self._told = told
        self._due: dict[int, float] = {}
        self._free = asyncio.Event()

    async def run(self, url: str, facts: messages.HostFacts, begin: float) -> None:
        """From `begin` (monotonic) on until it is cancelled."""
        session = AgentSession(self.host_id, self._key, msgspec.structs.replace(facts, boot_id=self._boot_id))
        async with connect(
            url,
            compression=None,
            max_size=messages.MAX_MESSAGE,
            proxy=None,
            open_timeout=60,
            ping_interval=None,
        ) as socket:
            while not session.open:
                data = await socket.recv()
                assert isinstance(data, bytes)
                _, answer = session.receive(data)
                if answer is not None:
                    await socket.send(answer)
            parts = [self._hear(socket, session), self._beat(socket, begin), self._record(socket, begin)]
            tasks = [asyncio.create_task(part) for part in parts]
            try:
                await asyncio.gather(*tasks)
            finally:
                for task in tasks:
                    task.cancel()
                self._told.lost += 1

    async def _hear(self, socket: ClientConnection, session: AgentSession) -> None:
        async for data in socket:
            assert isinstance(data, bytes)
            message, _ = session.receive(data)
            if isinstance(message, messages.Ack | messages.Reject):
                self._told.refused += isinstance(message, messages.Reject)
                due = self._due.pop(message.first_ns, None)
                if due is not None:
                    self._told.latencies_s.append(time.monotonic() - due)
                self._free.set()

    async def _beat(self, socket: ClientConnection, begin: float) -> None:
        rates: dict[str, float | int | list[float] | None] = {
            "cpu": 0.25,
            "mem_used": 1 << 30,
            "cores": [0.2] * 4,
        }
        top = [(pid, f"worker-{pid}", 0.1, 1 << 20) for pid in range(5)]
        for at in range(1 << 30):
            await asyncio.sleep(max(begin + at - time.monotonic(), 0))
            now = time.time_ns()
            beat = messages.Heartbeat(
                wall_ns=now, boot_ns=at * SECOND, rates=rates, top=top, missed=0, spooled=0, faults={}
            )
            await socket.send(pack(beat))

    async def _record(self, socket: ClientConnection, begin: float) -> None:
        first = self._blocks[0].first_ns
        shift_ns = 0
        for at, block in enumerate(self._blocks):
            await asyncio.sleep(max(begin + at * BLOCK_S - time.monotonic(), 0))
            while len(self._due) >= WINDOW:
                self._free.clear()
                await self._free.wait()
            if at == 0:
                shift_ns = time.time_ns() - block.last_wall_ns
            mine = msgspec.structs.replace(
                block,
                boot_id=self._boot_id,
                first_wall_ns=block.first_wall_ns + shift_ns,
                last_wall_ns=block.last_wall_ns + shift_ns,
            )
            assert block.first_ns >= first
            self._due[block.first_ns] = begin + at * BLOCK_S
            self._told.offered += 1
            await socket.send(pack(mine))
        await asyncio.Event().wait()
