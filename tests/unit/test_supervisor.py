"""Background tasks: no crash goes unnoticed, and none ends the work."""

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest

from tests.support.waiting import until
from tukur.supervisor import Supervisor


@pytest.fixture
async def supervisor() -> AsyncIterator[Supervisor]:
    async with Supervisor(wait_s=(0.01, 0.05)) as made:
        yield made


class Work:
    """Fails as often as it is told to, then runs for ever."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.starts = 0
        self.cancelled = False

    async def run(self) -> None:
        self.starts += 1
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop(0)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise


async def test_a_crash_is_logged_with_its_traceback_counted_and_followed_by_a_restart(
    supervisor: Supervisor, caplog: pytest.LogCaptureFixture
) -> None:
    work = Work(ValueError("first line\nsecond"), KeyError("k"))
    with caplog.at_level(logging.ERROR, "tukur.supervisor"):
        supervisor.run("job", work.run)
        await until(lambda: work.starts == 3)
    (status,) = supervisor.status()
    assert (status.name, status.state, status.crashes) == ("job", "running", 2)
    assert status.last_error == "KeyError: 'k'"
    assert supervisor.crashes() == {"job": 2}
    await until(lambda: supervisor.failing() == [])
    assert "ValueError: first line" in caplog.text
    assert "Traceback" in caplog.text


async def test_a_task_that_crashes_again_and_again_is_told_as_failing_also_while_it_runs() -> None:
    crashing, runs = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        runs.set()
        await crashing.wait()
        crashing.clear()
        raise ValueError("again")

    async with Supervisor(wait_s=(0.3, 0.3)) as supervisor:
        supervisor.run("job", work)
        await runs.wait()
        assert supervisor.failing() == []
        for _ in range(2):
            runs.clear()
            crashing.set()
            await runs.wait()
            assert supervisor.status()[0].state == "running"
            assert supervisor.failing() == ["job"]
        await until(lambda: supervisor.failing() == [])


async def test_while_it_waits_for_its_restart_it_is_told_as_failing() -> None:
    async with Supervisor(wait_s=(30, 30)) as supervisor:
        supervisor.run("job", Work(ValueError("first line\nsecond")).run)
        await until(lambda: supervisor.failing() == ["job"])
        (status,) = supervisor.status()
        assert (status.state, status.last_error) == ("restarting", "ValueError: first line")
        assert status.since_s > 0


async def test_the_pauses_grow() -> None:
    async with Supervisor(wait_s=(0.02, 10)) as slow:
        work = Work(*[OSError("no")] * 50)
        slow.run("job", work.run)
        await asyncio.sleep(0.3)
        assert 1 < work.starts < 8


async def test_a_task_that_ran_long_enough_starts_again_at_once() -> None:
    async with Supervisor(wait_s=(30, 30), steady_s=0) as supervisor:
        work = Work(OSError("no"))
        supervisor.run("job", work.run)
        await until(lambda: work.starts == 2)


async def test_a_task_that_returns_has_crashed(supervisor: Supervisor) -> None:
    async def work() -> None:
        await asyncio.sleep(0)

    supervisor.run("job", work)
    await until(lambda: supervisor.crashes().get("job", 0) >= 2)
    assert supervisor.status()[0].last_error.startswith("TaskEndedError: returned")


async def test_a_cancellation_from_within_is_no_reason_to_end(supervisor: Supervisor) -> None:
    async def work() -> None:
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        gone.cancel()
        await gone

    supervisor.run("job", work)
    await until(lambda: supervisor.crashes().get("job", 0) >= 2)


async def test_the_end_cancels_and_awaits_all_and_is_no_crash(caplog: pytest.LogCaptureFixture) -> None:
    work, once = Work(), Work()
    async with Supervisor() as supervisor:
        supervisor.run("job", work.run)
        supervisor.spawn("once", once.run())
        await until(lambda: work.starts == once.starts == 1)
    assert work.cancelled
    assert once.cancelled
    assert supervisor.crashes() == {}
    assert supervisor.status()[0].state == "ended"
    assert caplog.text == ""


async def test_a_crash_of_a_task_that_runs_once_is_logged_and_counted(
    supervisor: Supervisor, caplog: pytest.LogCaptureFixture
) -> None:
    await supervisor.spawn("once", Work(ValueError("no")).run())
    assert supervisor.crashes() == {"once": 1}
    assert supervisor.status() == []
    assert "task once crashed" in caplog.text
    assert "ValueError: no" in caplog.text


async def test_a_task_that_is_cancelled_before_it_began_leaves_nothing_behind() -> None:
    async with Supervisor() as supervisor:
        task = supervisor.spawn("once", Work().run())
    assert task.cancelled()
    assert supervisor.crashes() == {}
