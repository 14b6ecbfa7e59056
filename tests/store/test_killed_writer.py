"""The hub dies by SIGKILL at any moment: what it had told to be committed is there, and all of it once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import func, select

from tests.store.test_order import Record, the_record
from tests.support.hub import HOST
from tests.support.killed_writer import BLOCKS, blocks
from tests.support.mariadb import url_of
from tukur.hub.store import schema
from tukur.hub.store.backends.address import ServerAddress
from tukur.hub.store.store import Store

ROUNDS = int(os.environ.get("TUKUR_TEST_ROUNDS", "200"))


def without_numbers(record: Record) -> Record:
    """A server gives a number to each attempt: which one the last got is not the record's."""
    return {
        table: [
            {name: value for name, value in row.items() if name not in ("boot", "id")}
            if isinstance(row, dict)
            else row
            for row in rows
        ]
        for table, rows in record.items()
    }


@pytest.mark.timeout(ROUNDS * 2 + 120)
async def test_every_commit_that_was_told_is_there_once(tmp_path: Path, server: ServerAddress | None) -> None:
    rounds = ROUNDS if server is None else max(ROUNDS // 4, 1)
    store = await Store.open(tmp_path, server)
    await store.control.enrolments.enrol(HOST, b"k" * 32, "owl", 0)
    await store.close()
    command = [sys.executable, "-m", "tests.support.killed_writer", str(tmp_path), str(rounds), "7"]
    done = subprocess.run(
        [*command, *([] if server is None else [url_of(server)])], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    committed = json.loads(done.stdout)
    assert len(committed) == rounds
    assert committed == sorted(committed)
    assert committed[-1] > 0
    told = blocks()[: min(committed[-1] + 50, BLOCKS)]
    store = await Store.open(tmp_path, server)
    async with store.database.read() as connection:
        keys = list((await connection.execute(select(schema.block.c.first_ns))).scalars())
        counted = (await connection.execute(select(func.sum(schema.block.c.samples)))).scalar_one()
        added_up = (await connection.execute(select(func.sum(schema.host_minute.c.samples)))).scalar_one()
    assert {block.first_ns for block in told[: committed[-1]]} <= set(keys)
    assert counted == added_up
    # Once all is delivered, again and for the first time, it is what an undisturbed hub would have.
    fresh = tmp_path / "undisturbed"
    fresh.mkdir()
    disturbed = await the_record(store, told)
    undisturbed = await the_record(await Store.open(fresh), told)
    assert len(disturbed["block"]) == len(told)
    assert without_numbers(disturbed) == without_numbers(undisturbed)
