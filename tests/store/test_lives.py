"""Lives are found by what they ran, in steps down indexes, however many there are."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.dialects import sqlite

from tests.store.test_store import START, put, the_host
from tests.support.hub import OTHER
from tests.support.record import SECOND, WALL, Machine
from tukur.hub.store.record import lives as lives_module
from tukur.hub.store.record.lives import LifeQuery, _by_boots, _by_commands, command_conditions
from tukur.hub.store.schema import command
from tukur.hub.store.store import Store


async def filled(store: Store) -> None:
    """Two hosts: a web server and its workers on one, a build with many compilers on the other."""
    web = Machine()
    web.start(10, "nginx", "nginx", "-c", "/etc/nginx/nginx.conf")
    for at in range(5):
        web.start(20 + at, "java", "java", "-jar", f"/srv/app-1.{at}.jar", "--port=8080")
        web.sample()
    await put(store, web.block(2))
    build = Machine(boot_id="88888888-2222-3333-4444-555555555555", wall_ns=WALL + 60 * SECOND)
    for at in range(40):
        build.start(100 + at, "cc1", "cc1", "-O2", f"file_{at}.c")
        build.sample()
        build.end(100 + at)
    await put(store, build.block(3), host_id=OTHER)


async def found(store: Store, *terms: str, limit: int = 100, **asked: Any) -> list[str]:
    """Command lines, newest first."""
    search = store.facts.lives
    rows = await search.find(LifeQuery(terms=terms, **asked), limit)
    texts = await search.texts([row.command for row in rows])
    return [texts[row.command].cmdline for row in rows]


async def test_a_life_is_found_by_the_beginning_of_any_word(store: Store) -> None:
    await filled(store)
    for terms in (("nginx",), ("NGI",), ("conf",), ("etc", "ngin"), ("/etc/nginx",)):
        assert await found(store, *terms) == ["nginx -c /etc/nginx/nginx.conf"], terms
    assert await found(store, "app-1.3.jar") == ["java -jar /srv/app-1.3.jar --port=8080"]
    assert len(await found(store, "app-1.", "8080")) == 5
    assert await found(store, "app-1.3", "nginx") == []
    assert await found(store, "ginx") == []


async def test_signs_between_words_must_be_just_those(store: Store) -> None:
    await filled(store)
    assert len(await found(store, "app-1")) == 5
    assert await found(store, "app_1") == []


async def test_the_newest_come_first_page_by_page(store: Store) -> None:
    await filled(store)
    everything = await found(store, "cc1")
    assert everything == [f"cc1 -O2 file_{at}.c" for at in reversed(range(40))]
    search, pages, after = store.facts.lives, [], None
    while rows := await search.find(LifeQuery(terms=("cc1",), after=after), 7):
        pages.append(len(rows))
        after = tuple(getattr(rows[-1], name) for name in ("since_ms", "boot", "start_ns", "pid", "since_ns"))
    assert pages == [7, 7, 7, 7, 7, 5]


async def test_host_time_and_user_narrow_it(store: Store) -> None:
    await filled(store)
    host = await the_host(store)
    assert len(await found(store, hosts=(host.number,))) == 6
    assert await found(store, "cc1", hosts=(host.number,)) == []
    begin = START + 60_000
    assert len(await found(store, "cc1", from_ms=begin + 10_000, to_ms=begin + 15_000)) == 5
    assert len(await found(store, user="root")) == len(await found(store)) == 46
    assert await found(store, user="nobody") == []
    assert len(await found(store, unit="owl.service", limit=3)) == 3


async def test_where_very_many_commands_fit_it_is_the_same(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled(store)
    queries: list[tuple[tuple[str, ...], dict[str, Any]]] = [
        (("cc1",), {}),
        (("app-1",), {}),
        ((), {"user": "root"}),
        (("cc1",), {"from_ms": START + 70_000, "limit": 9}),
    ]
    few = [await found(store, *terms, **asked) for terms, asked in queries]
    monkeypatch.setattr(lives_module, "FEW", 2)
    assert [await found(store, *terms, **asked) for terms, asked in queries] == few


async def _plan(store: Store, statement: Any) -> Sequence[str]:
    compiled = statement.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
    async with store.database.read() as connection:
        rows = await connection.exec_driver_sql(f"explain query plan {compiled}")
        return rows.scalars(3).all()


@pytest.mark.parametrize("server", ["sqlite"], indirect=True)
async def test_every_step_of_a_search_goes_down_an_index(store: Store) -> None:
    await filled(store)
    query = LifeQuery(terms=("app-1.3", "java"), after=(START, 1, 1, 1, 1))
    words = await _plan(store, select(command.c.id).where(*command_conditions(query)).limit(9))
    plain = LifeQuery(after=(START, 1, 1, 1, 1))
    (by_command,) = _by_commands([1, 2, 3], None, plain, 10)
    (by_boot,) = _by_boots([1, 2], plain, 10)
    newest = [*await _plan(store, by_command), *await _plan(store, by_boot)]
    for line in [*words, *newest]:
        assert not line.startswith("SCAN image"), line
        assert not line.startswith("SCAN command"), line
    assert sum("ix_image_command_since_ms (command=? AND since_ms" in line for line in newest) == 3
    assert sum("ix_image_boot_since_ms (boot=? AND since_ms" in line for line in newest) == 2
    assert any("SEARCH command_word USING" in line for line in words)
