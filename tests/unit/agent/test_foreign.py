"""Calls that hang, in an event loop that goes on and ends all the same."""

import asyncio
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from tests.support.directory import Directory
from tests.support.waiting import until
from tukur.agent import foreign
from tukur.agent.foreign import AgentLoop, in_own_thread


async def test_the_result_and_the_error_of_a_call_are_those_of_the_call() -> None:
    assert await in_own_thread(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await in_own_thread(divmod, 7, 0)


async def test_one_that_is_given_up_goes_on_and_too_many_that_hang_are_refused() -> None:
    ends = os.pipe()
    for _ in range(foreign.MAX_CALLS):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(in_own_thread(os.read, ends[0], 1), 0.01)
    with pytest.raises(TimeoutError, match="have not ended"):
        await in_own_thread(os.read, ends[0], 1)
    os.write(ends[1], b"x" * foreign.MAX_CALLS)

    async def free() -> bool:
        try:
            return await in_own_thread(divmod, 7, 2) == (3, 1)
        except TimeoutError:
            return False

    await until(free, 5, "they have ended")
    for end in ends:
        os.close(end)


def test_addresses_are_found_as_ever() -> None:
    with asyncio.Runner(loop_factory=AgentLoop) as runner:
        found = runner.run(_addresses("127.0.0.1"))
        assert found == {("127.0.0.1", 80)}
        with pytest.raises(OSError, match=r"."):
            runner.run(_addresses("no.such.name.invalid"))


async def _addresses(host: str) -> set[Any]:
    loop = asyncio.get_running_loop()
    return {found[4][:2] for found in await loop.getaddrinfo(host, 80)}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for a mount namespace")
def test_a_resolver_that_hangs_holds_up_neither_the_executor_nor_the_end(tmp_path: Path) -> None:
    directory = Directory(tmp_path)
    directory.hang(on=True)
    code = """
        import asyncio
        from tukur.agent.foreign import AgentLoop

        async def connect():
            try:
                await asyncio.wait_for(asyncio.open_connection("hub.invalid", 1), 0.02)
            except OSError as error:
                return type(error).__name__

        async def work():
            print({await connect() for _ in range(40)})
            print(await asyncio.wait_for(asyncio.to_thread(divmod, 7, 2), 10))

        with asyncio.Runner(loop_factory=AgentLoop) as runner:
            runner.run(work())
    """
    command = directory.command([sys.executable, "-c", textwrap.dedent(code)])
    found = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert found.stdout.splitlines() == ["{'TimeoutError'}", "(3, 1)"]
