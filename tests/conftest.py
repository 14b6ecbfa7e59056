"""For all tests."""

import asyncio
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any

import pytest
import pytest_asyncio
import uvloop
from hypothesis import settings

from tests.support.leftovers import Leftovers, resources, tasks_left

# How long an example takes depends on what else the machine does: that is no property of the code.
settings.register_profile("tukur", deadline=None)
settings.load_profile("tukur")

_leftovers = pytest.StashKey[Leftovers]()
_wider = pytest.StashKey[set[str]]()
"""Names of the tests' own fixtures that serve more than one test, as long as they are there."""


def pytest_configure(config: pytest.Config) -> None:
    """Nothing is there yet."""
    config.stash[_wider] = set()
    # libuv keeps a pipe for signals for as long as the process lives, from its first loop on.
    uvloop.new_event_loop().close()
    # A plugin of its own: hooks of a conftest.py are not called for fixtures that serve the whole session.
    config.pluginmanager.register(_WiderFixtures())


class _WiderFixtures:
    """Follows the fixtures that serve more than one test."""

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, object, object]:
        """What a fixture of a wider scope makes while a test is set up stays there on purpose."""
        leftovers = request.config.stash.get(_leftovers, None)
        if fixturedef.scope != "function" and fixturedef.baseid:
            request.config.stash[_wider].add(fixturedef.argname)
        if fixturedef.scope == "function" or leftovers is None:
            return (yield)
        before = resources()
        try:
            return (yield)
        finally:
            leftovers.accept(resources().keys() - before.keys())

    def pytest_fixture_post_finalizer(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> None:
        """Forgets a wider fixture that has ended."""
        if fixturedef.scope != "function":
            request.config.stash[_wider].discard(fixturedef.argname)


def _loop_scope(request: pytest.FixtureRequest) -> str:
    """For how long the event loop of the test lives."""
    marker = request.node.get_closest_marker("asyncio")
    return "function" if marker is None else str(marker.kwargs.get("loop_scope", "function"))


@pytest.fixture(autouse=True)
def nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test no child process, thread or open file is there that was not there before."""
    leftovers = Leftovers(shared=not request.config.stash[_wider].isdisjoint(request.fixturenames))
    request.config.stash[_leftovers] = leftovers
    yield
    del request.config.stash[_leftovers]
    left = leftovers.settled()
    if left:
        pytest.fail(f"left behind: {'; '.join(left)}", pytrace=False)


@pytest_asyncio.fixture(loop_scope="function")
async def no_task_left_in_function() -> AsyncIterator[None]:
    """In an event loop of the test's own."""
    before = asyncio.all_tasks()
    yield
    left = await tasks_left(before)
    if left:
        pytest.fail(f"left behind: {'; '.join(left)}", pytrace=False)


@pytest_asyncio.fixture(loop_scope="module")
async def no_task_left_in_module() -> AsyncIterator[None]:
    """In an event loop shared by the tests of a module."""
    before = asyncio.all_tasks()
    yield
    left = await tasks_left(before)
    if left:
        pytest.fail(f"left behind: {'; '.join(left)}", pytrace=False)


@pytest.fixture(autouse=True)
def no_task_left(nothing_left: None, request: pytest.FixtureRequest) -> None:
    """After each async test its event loop has no task that was not there before."""
    if request.node.get_closest_marker("asyncio") is not None:
        request.getfixturevalue(f"no_task_left_in_{_loop_scope(request)}")
