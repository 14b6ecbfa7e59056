"""A cgroup that is frozen for a kill does not stay frozen, whatever becomes of the agent."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cgroups import cgroups
from tests.support.waiting import until
from tukur.agent.facts import boot_id
from tukur.agent.orders.frozen import FrozenCgroups

DIES = """
import asyncio, os, signal, sys
from pathlib import Path
from tukur.agent.orders.frozen import FrozenCgroups

async def die():
    async with FrozenCgroups(Path(sys.argv[1])).frozen(Path(sys.argv[2])):
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(die())
"""


@pytest.fixture
def cgroup() -> Iterator[Path]:
    sleeper = subprocess.Popen(["sleep", "60"])
    try:
        with cgroups() as made:
            made.place("tukur-test-frozen", sleeper.pid)
            yield made.root / "tukur-test-frozen"
            sleeper.kill()
            sleeper.wait()
    finally:
        sleeper.kill()
        sleeper.wait()


def frozen(cgroup: Path) -> bool:
    return "frozen 1" in (cgroup / "cgroup.events").read_text()


def left_frozen(notes: Path, cgroup: Path) -> None:
    """An agent dies while the cgroup is frozen."""
    agent = subprocess.run([sys.executable, "-c", DIES, str(notes), str(cgroup)], check=False)
    assert agent.returncode == -signal.SIGKILL
    assert (cgroup / "cgroup.freeze").read_text() == "1\n"


async def test_a_cgroup_is_frozen_while_it_is_held_and_nothing_of_it_is_left(
    cgroup: Path, tmp_path: Path
) -> None:
    notes = tmp_path / "frozen"
    with pytest.raises(ValueError, match="while it is held"):
        async with FrozenCgroups(notes).frozen(cgroup):
            assert frozen(cgroup)
            assert len(list(notes.iterdir())) == 1
            raise ValueError("while it is held")
    await until(lambda: not frozen(cgroup))
    assert list(notes.iterdir()) == []


async def test_what_an_agent_that_was_killed_left_frozen_is_thawed_by_the_next(
    cgroup: Path, tmp_path: Path
) -> None:
    notes = tmp_path / "frozen"
    left_frozen(notes, cgroup)
    await FrozenCgroups(notes).thaw_left()
    await until(lambda: not frozen(cgroup))
    assert list(notes.iterdir()) == []


@pytest.mark.parametrize("changed", ["boot", "inode", "damaged"])
async def test_only_the_cgroup_that_was_noted_is_thawed(cgroup: Path, tmp_path: Path, changed: str) -> None:
    notes = tmp_path / "frozen"
    left_frozen(notes, cgroup)
    (note,) = notes.iterdir()
    content = json.loads(note.read_text())
    assert content == {"boot_id": boot_id(), "path": str(cgroup)}
    match changed:
        case "boot":
            note.write_text(json.dumps({**content, "boot_id": "another"}))
        case "inode":
            note.rename(notes / "1")
        case _:
            note.write_text("{")
    await FrozenCgroups(notes).thaw_left()
    assert (cgroup / "cgroup.freeze").read_text() == "1\n"
    assert list(notes.iterdir()) == []
    (cgroup / "cgroup.freeze").write_text("0")


async def test_a_full_disk_keeps_nothing_from_being_frozen(
    cgroup: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    async with FrozenCgroups(in_the_way).frozen(cgroup):
        assert frozen(cgroup)
    assert "could not be noted" in caplog.text


async def test_there_is_nothing_to_thaw_where_no_agent_has_run(tmp_path: Path) -> None:
    await FrozenCgroups(tmp_path / "frozen").thaw_left()
    assert not (tmp_path / "frozen").exists()
