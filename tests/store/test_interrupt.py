"""A question that nobody waits for any more ends, and costs the next one nothing."""

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from tukur.hub.store.backends.database import CancellableReads
from tukur.hub.store.backends.sqlite import READERS
from tukur.hub.store.errors import EndedError
from tukur.hub.store.schema import host
from tukur.hub.store.store import Store

SLOW = {
    "sqlite": "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 2000000000) "
    "SELECT SUM(x) FROM n",
    "mysql": "SELECT SLEEP(40)",
}


async def slow_question(store: Store) -> None:
    async with store.database.read() as connection:
        await connection.execute(text(SLOW[connection.dialect.name]))


async def test_questions_that_nobody_wants_end_at_once_and_their_connections_serve_the_next(
    store: Store,
) -> None:
    loop = asyncio.get_running_loop()
    for _ in range(2):
        questions = CancellableReads()
        asked = [loop.create_task(slow_question(store), context=questions.context()) for _ in range(READERS)]
        # Nothing says that a query runs on its connection: by then all do.
        await asyncio.sleep(0.3)
        assert not any(question.done() for question in asked)
        begun = time.monotonic()
        await questions.end()
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(answer, EndedError) for answer in answers)
        async with store.database.read() as connection:
            assert len((await connection.execute(select(host.c.id))).all()) == 2
        assert time.monotonic() - begun < 5
    if store.database.backend.timeout_s:
        async with store.database.read() as connection:
            left = await connection.execute(
                text("SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP(%'")
            )
            assert left.scalar_one() == 0, "the server goes on with none of them"


async def test_there_is_nothing_to_end_where_nothing_is_asked(store: Store) -> None:
    questions = CancellableReads()
    await asyncio.get_running_loop().create_task(store.hosts(), context=questions.context())
    await questions.end()
    assert len(await store.hosts()) == 2


async def test_a_task_that_is_cancelled_at_any_moment_leaves_the_database_to_the_next(store: Store) -> None:
    async def use(way: Callable[[], AbstractAsyncContextManager[AsyncConnection]]) -> None:
        async with way() as connection:
            await connection.execute(select(host.c.id))
            if way == store.database.write:
                await connection.execute(host.update().values(name="renamed"))

    dice = random.Random(11)
    for _ in range(30):
        for _ in range(10):
            using = asyncio.create_task(use(dice.choice([store.database.write, store.database.read])))
            await asyncio.sleep(dice.uniform(0, 0.004))
            using.cancel()
            await asyncio.wait([using])
        async with asyncio.timeout(20):
            await use(store.database.write)
            await use(store.database.read)
