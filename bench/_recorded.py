"""Real blocks: what the agent spools of this machine under a mixed load; also as of other hosts and times."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import msgspec
import numpy as np

from bench._load import processes
from bench._mixed import mixed
from tests.support.waiting import eventually
from tukur.agent.spool.spool import Spool, Ticket
from tukur.blocks.container import PlaneReader, pack, to_planes, unpack, vector_planes
from tukur.blocks.layout import HOST_MAGIC, TASK_MAGIC, HostHeader, TaskHeader
from tukur.protocol import messages
from tukur.protocol.messages import Block, Ended, Image, ProcessMinute

_KEY = "0" * 64


@cache
def recorded(count: int, seconds: int, pause_s: float = 0.7) -> list[Block]:
    """The blocks of an agent that ran for so long under `load()`; recorded once in a run."""
    with tempfile.TemporaryDirectory(prefix="tukur-record-") as folder, load(count, pause_s):
        return record(Path(folder), seconds)


@contextlib.contextmanager
def load(count: int, pause_s: float) -> Iterator[None]:
    """A machine of some `count` processes, a hundred of which do now and then what real ones do.

    `pause_s`: see ``mixed()``.
    """
    have = sum(name.isdecimal() for name in os.listdir("/proc"))  # noqa: PTH208
    with processes(max(count - have - 90, 5), busy=2), mixed(pause_s):
        yield


def record(folder: Path, seconds: int) -> list[Block]:
    """The first block and the whole ten-second blocks of an agent that runs for so long, and finds no hub."""
    command = [
        sys.executable,
        "-m",
        "tukur",
        "agent",
        "run",
        "--data",
        str(folder),
        "--hub",
        "http://127.0.0.1:9",
    ]
    agent = subprocess.Popen(
        [*command, "--order-key", _KEY, "--log-level", "error"], stderr=subprocess.DEVNULL
    )
    time.sleep(seconds)
    spool = folder / "spool"
    eventually(
        lambda: sum(file.stat().st_size for file in spool.glob("*")) > 4096, 30, "a block is in the spool"
    )
    agent.send_signal(signal.SIGTERM)
    agent.wait(30)
    recorded = Spool(spool)
    blocks: list[Block] = []
    skip: set[Ticket] = set()
    while (ticket := recorded.newest(skip)) is not None:
        skip.add(ticket)
        if (found := recorded.read(ticket)) is not None:
            message = messages.from_agent.decode(found[1][1:])
            assert isinstance(message, Block)
            blocks.append(message)
    blocks.sort(key=lambda block: block.first_ns)
    # The first and the last are cut off where the agent began and ended.
    return blocks[:1] + [block for block in blocks[1:-1] if block.samples == 10]


def calmed(blocks: list[Block], one_of: int) -> list[Block]:
    """The same with one of so many of the lives that begin meanwhile; the columns of the seconds keep all."""
    there = {(image.start_ns, image.pid) for image in blocks[0].images}

    def stays(entry: Image | Ended | ProcessMinute) -> bool:
        # By microseconds: the same lives in every block, chosen as by chance.
        return (entry.start_ns, entry.pid) in there or entry.start_ns // 1000 % one_of == 0

    return [
        msgspec.structs.replace(
            block,
            images=list(filter(stays, block.images)),
            ended=list(filter(stays, block.ended)),
            process_minutes=list(filter(stays, block.process_minutes)),
        )
        for block in blocks
    ]


def moved(block: Block, boot_id: str, shift_ns: int, mark: str) -> Block:
    """The same of another boot at another time; `mark` makes its command lines its own."""
    tasks, host = moved_payloads(block.tasks, block.host, block.first_wall_ns + shift_ns, block.first_ns)
    return msgspec.structs.replace(
        block,
        boot_id=boot_id,
        first_wall_ns=block.first_wall_ns + shift_ns,
        last_wall_ns=block.last_wall_ns + shift_ns,
        tasks=tasks,
        host=host,
        images=[
            msgspec.structs.replace(
                image, since_wall_ns=image.since_wall_ns + shift_ns, cmdline=image.cmdline + mark
            )
            for image in block.images
        ],
        ended=[
            msgspec.structs.replace(entry, last_wall_ns=entry.last_wall_ns + shift_ns)
            for entry in block.ended
        ],
    )


def moved_payloads(tasks: bytes, host: bytes, wall_ns: int, boot_ns: int) -> tuple[bytes, bytes]:
    """The columns of a block whose first sample is at these times; all else in them is the same."""
    header, body = unpack(TASK_MAGIC, TaskHeader, tasks)
    reader = PlaneReader(body)
    walls, boots = reader.vector(header.steps), reader.vector(header.steps)
    first = int(header.baseline)
    rest = body[len(vector_planes(walls)) + len(vector_planes(boots)) :]
    walls, boots = walls + (wall_ns - walls[first]), boots + (boot_ns - boots[first])
    tasks = pack(TASK_MAGIC, header, vector_planes(walls) + vector_planes(boots) + rest)

    header, body = unpack(HOST_MAGIC, HostHeader, host)
    differences = PlaneReader(body).words(header.steps, len(header.names) + 2)
    values = np.cumsum(differences, axis=0, dtype=np.uint64).view(np.int64)
    first = int(header.baseline)
    values[:, 0] += wall_ns - values[first, 0]
    values[:, 1] += boot_ns - values[first, 1]
    words = values.view(np.uint64)
    planes = to_planes(np.diff(words, axis=0, prepend=np.zeros_like(words[:1])))
    return tasks, pack(HOST_MAGIC, header, planes)
