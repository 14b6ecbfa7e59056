"""kill -9 of the hub or of the agent, again and again: what was flushed is there, and there once."""

import os
import random
import re
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.running import Up, running
from tests.support.waiting import eventually
from tukur.agent.spool.spool import Spool
from tukur.blocks import decode_samples

ROUNDS = int(os.environ.get("TUKUR_TEST_ROUNDS", "15"))


def spooled(up: Up) -> set[tuple[str, int]]:
    """(boot_id, first_ns) of every block whose flush the agent has reported."""
    found = re.findall(r"block ([0-9a-f-]{36})-(\d{20}) is in the spool", up.log())
    return {(boot, int(first)) for boot, first in found}


def stored(data: Path) -> dict[tuple[str, int], bytes]:
    query = "SELECT boot.boot_id, block.first_ns, block.tasks FROM block JOIN boot ON boot.id = block.boot"
    with closing(sqlite3.connect(data / "tukur.db")) as database:
        return {(boot, first): tasks for boot, first, tasks in database.execute(query)}


@pytest.mark.timeout(ROUNDS * 20 + 300)
def test_no_flushed_sample_is_missing_and_none_is_there_twice(tmp_path: Path) -> None:
    dice = random.Random(20)
    data = tmp_path / "data"
    with running(data, "--log-level", "debug") as up:

        def another_block() -> None:
            before = len(spooled(up))
            eventually(lambda: len(spooled(up)) > before, 60, "another block is flushed")

        for number in range(ROUNDS):
            if number % 5 == 0:
                # However slowly the parts start here, some of the kills meet what was flushed.
                another_block()
            # The moments of the kills are what is tested.
            time.sleep(dice.uniform(0.3, 6.0))
            up.kill(dice.choice(["hub", "agent"]))
        another_block()
        flushed = spooled(up)
        # A part that was killed often is started again only after a pause, and then the agent connects.
        eventually(
            lambda: flushed <= stored(data).keys(), 60, f"{len(flushed)} flushed blocks are in the database"
        )
    blocks = stored(data)
    assert len(flushed) > ROUNDS // 5
    assert len(Spool(data / "spool")) == 0
    samples = [boot_ns for tasks in blocks.values() for _, boot_ns, _ in decode_samples(tasks)]
    assert len(samples) == len(set(samples)), "a sample is there twice"
    with closing(sqlite3.connect(data / "tukur.db")) as database:
        (counted,) = database.execute("SELECT SUM(samples) FROM block").fetchone()
        (rolled_up,) = database.execute("SELECT SUM(samples) FROM host_minute").fetchone()
    assert counted == len(samples)
    assert rolled_up == len(samples), "the per-minute rows count another number of samples"
