"""The tests' own helpers: what is left behind is found, and what is waited for is waited for."""

import asyncio
import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import leftovers, waiting
from tests.support.leftovers import Leftovers, tasks_left
from tests.support.waiting import eventually, until


def test_a_thread_that_goes_on_is_named() -> None:
    found = Leftovers()
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name="goes on")
    thread.start()
    assert found.left() == ["thread goes on"]
    end.set()
    assert found.settled() == []
    thread.join()


def test_a_child_is_named_by_its_command_until_it_is_waited_for() -> None:
    found = Leftovers()
    child = subprocess.Popen(["sleep", "60"])
    eventually(lambda: found.left() == [f"child process {child.pid}: sleep 60"])
    child.kill()
    eventually(lambda: found.left() == [f"child process {child.pid}: not waited for"])
    child.wait()
    assert found.left() == []


def test_an_open_file_is_named_by_its_path(tmp_path: Path) -> None:
    found = Leftovers()
    file = os.open(tmp_path / "open", os.O_CREAT | os.O_WRONLY)
    assert found.left() == [f"file descriptor {file}: {tmp_path / 'open'}"]
    os.close(file)
    assert found.left() == []


def test_what_a_wider_fixture_made_meanwhile_is_accepted() -> None:
    found = Leftovers()
    before = leftovers.resources()
    reader, writer = os.pipe()
    found.accept(leftovers.resources().keys() - before.keys())
    assert found.left() == []
    os.close(reader)
    os.close(writer)


async def test_the_threads_of_the_loops_executor_may_stay_as_long_as_the_loop() -> None:
    found = Leftovers()
    await asyncio.to_thread(os.getpid)
    assert found.left() == []


async def test_a_task_that_goes_on_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "SETTLE_S", 0.05)
    before = asyncio.all_tasks()
    task = asyncio.create_task(asyncio.Event().wait(), name="goes on")
    (left,) = await tasks_left(before)
    assert left.startswith("task goes on: <coroutine object Event.wait")
    task.cancel()
    assert await tasks_left(before) == []


def counted(false: int) -> Callable[[], int]:
    """A condition that is false so many times, then true."""
    answers = iter([0] * false + [7])
    return lambda: next(answers)


async def test_the_first_true_result_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_PAUSE_S", 0.001)
    assert eventually(counted(3)) == 7
    assert await until(counted(3)) == 7
    answers = counted(3)

    async def asked() -> int:
        return answers()

    assert await until(asked) == 7


async def test_what_does_not_happen_in_time_fails_with_what_was_waited_for() -> None:
    with pytest.raises(AssertionError, match=r"not within 0\.01 s: the sun rises"):
        eventually(lambda: False, 0.01, "the sun rises")
    with pytest.raises(AssertionError, match="the sun rises"):
        await until(lambda: False, 0.01, "the sun rises")
