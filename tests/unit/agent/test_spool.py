"""The spool: nothing half-written, nothing lost that need not be."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tukur.agent.spool import MEMORY_BLOCKS, Spool

BOOT = "11111111-2222-3333-4444-555555555555"


def name(number: int) -> str:
    return Spool.name(BOOT, number)


def test_what_was_put_in_is_there_after_a_restart_in_order(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for number in (10, 9, 100):
        spool.put(name(number), b"%d" % number)
    again = Spool(tmp_path)
    assert again.names() == [name(9), name(10), name(100)]
    assert again.get(name(100)) == b"100"


def test_a_dropped_block_is_gone_for_good(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.put(name(1), b"x")
    spool.drop(name(1))
    assert len(spool) == 0
    assert len(Spool(tmp_path)) == 0
    spool.drop(name(1))


def test_a_block_that_was_being_written_when_the_agent_died_is_not_taken_for_one(tmp_path: Path) -> None:
    (tmp_path / (name(1) + ".tmp")).write_bytes(b"half")
    assert Spool(tmp_path).names() == []
    assert list(tmp_path.glob("*.tmp")) == []


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty"])
def test_a_damaged_block_is_set_aside_and_counted(tmp_path: Path, damage: str) -> None:
    spool = Spool(tmp_path)
    spool.put(name(1), b"precious")
    path = tmp_path / (name(1) + ".block")
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[3] ^= 1
    path.write_bytes({"truncate": bytes(content[:-3]), "flip": bytes(content), "empty": b""}[damage])
    assert spool.get(name(1)) is None
    assert spool.damaged == 1
    assert spool.names() == []
    assert (tmp_path / "damaged" / (name(1) + ".block")).exists()


def test_past_its_limit_the_oldest_goes_first_and_is_counted(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit=3000)
    for number in range(1, 6):
        spool.put(name(number), bytes(996))
    assert spool.names() == [name(3), name(4), name(5)]
    assert spool.dropped == 2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs needs root")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", tmp_path], check=True)
    yield tmp_path
    subprocess.run(["umount", "-l", tmp_path], check=True)


def test_a_full_disk_costs_no_block_while_memory_has_room(small_disk: Path) -> None:
    spool = Spool(small_disk / "spool")
    filler = small_disk / "filler"
    filler.write_bytes(bytes(52 * 1024))
    for number in range(4):
        spool.put(name(number), bytes([number]) * 10_000)
    assert "ENOSPC" in spool.fault
    assert [spool.get(name(number)) for number in range(4)] == [bytes([n]) * 10_000 for n in range(4)]
    filler.unlink()
    spool.put(name(4), b"small")
    assert spool.fault == ""
    assert Spool(small_disk / "spool").names() == [name(number) for number in range(5)]


def test_memory_stays_bounded_while_the_disk_takes_nothing(small_disk: Path) -> None:
    spool = Spool(small_disk / "spool")
    (small_disk / "filler").write_bytes(bytes(60 * 1024))
    for number in range(MEMORY_BLOCKS + 5):
        spool.put(name(number), bytes(20_000))
    assert len(spool) == MEMORY_BLOCKS
    assert spool.dropped == 5
    assert spool.names()[0] == name(5)
