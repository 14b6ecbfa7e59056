"""What lives run is kept once, however many run it, until nobody has for long."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from sqlalchemy import select

from tests.store.test_retention import rows, trim
from tests.store.test_store import START, put, the_host
from tests.support.record import SECOND, Machine
from tukur.hub.store import schema
from tukur.hub.store.maintenance.retention_policy import DAY_MS
from tukur.hub.store.search_tokens import MAX_LENGTH, MAX_TOKENS, command_hash, search_tokens, split
from tukur.hub.store.store import Store


def texts(**changed: Any) -> dict[str, Any]:
    empty = dict.fromkeys(
        ("name", "user", "exe", "cmdline", "cgroup", "unit", "container", "pod", "slice"), ""
    )
    return {**empty, "uid": 0, **changed}


async def test_a_thousand_lives_of_one_command_keep_its_texts_once(store: Store) -> None:
    machine = Machine()
    for pid in range(100, 1100):
        machine.start(pid, "worker", "worker", "--queue", "mail")
    machine.start(2000, "worker", "worker", "--queue", "sms")
    await put(store, machine.block(2))
    assert await rows(store, schema.process, schema.image, schema.command) == [1001, 1001, 2]
    host = await the_host(store)
    (boot,) = await store.facts.lives.boots(host.number)
    async with store.database.read() as connection:
        starts = list((await connection.execute(select(schema.image.c.start_ns).distinct())).scalars())
        words = (await connection.execute(select(schema.command_word.c.word))).scalars()
        assert sorted(set(words)) == ["bin", "mail", "queue", "sms", "usr", "worker"]
    images = await store.facts.images.at(boot, starts, 2**62)
    assert {image.cmdline for image in images.values()} == {"worker --queue mail", "worker --queue sms"}


async def test_texts_of_an_agent_that_was_tampered_with_are_kept_as_they_can_be_shown(store: Store) -> None:
    machine = Machine()
    machine.start(100, "worker", "worker")
    block = machine.block(1)
    odd = structs.replace(block.images[0], name="\u202egnp", user="\x1b[2J" * 60, cmdline="a\nb \x9b")
    await put(store, structs.replace(block, images=[odd]))
    async with store.database.read() as connection:
        (row,) = await connection.execute(select(schema.command))
    assert (row.name, row.cmdline) == (r"\u202egnp", r"a\nb \x9b")
    assert len(row.user) == 255
    assert row.user.startswith(r"\x1b[2J")


async def test_names_that_differ_in_case_or_in_a_space_are_different_commands(store: Store) -> None:
    machine = Machine()
    for pid, name in enumerate(("owl", "Owl", "owl ", "öwl"), 100):
        machine.start(pid, name)
    await put(store, machine.block(1))
    assert await rows(store, schema.command) == [4]
    async with store.database.read() as connection:
        names = (await connection.execute(select(schema.command.c.name))).scalars()
        assert sorted(names) == sorted(("owl", "Owl", "owl ", "öwl"))


async def test_a_command_goes_when_its_last_life_went_long_ago(store: Store) -> None:
    machine = Machine()
    machine.start(10, "lasting")
    machine.start(11, "passing")
    machine.sample()
    machine.end(11)
    await put(store, machine.block(9))
    await trim(store, hours_ms=START + 3 * DAY_MS)
    async with store.database.read() as connection:
        names = (await connection.execute(select(schema.command.c.name))).scalars()
        assert list(names) == ["lasting"]
    assert set(await rows(store, schema.command_word)) != {0}


async def test_a_command_that_is_run_again_is_not_too_old(store: Store) -> None:
    machine = Machine()
    machine.start(10, "daily")
    await put(store, machine.block(9))
    machine.wall_ns += 5 * 86_400 * SECOND
    machine.boot_ns += 5 * 86_400 * SECOND
    machine.start(11, "daily")
    await put(store, machine.block(9))
    async with store.database.read() as connection:
        (used_ms,) = (await connection.execute(select(schema.command.c.used_ms))).scalars()
    assert used_ms > START + 5 * DAY_MS


def test_words_are_letters_and_digits_whatever_stands_between_them() -> None:
    found = search_tokens(
        texts(name="Java", exe="/usr/lib/jvm/java-17/bin/java", cmdline="java -jar /srv/äpp_1.2.jar")
    )
    assert found == ["java", "usr", "lib", "jvm", "17", "bin", "jar", "srv", "äpp", "1", "2"]


@given(st.text(), st.text(max_size=300))
def test_of_any_text_the_words_are_few_and_short(name: str, cmdline: str) -> None:
    found = search_tokens(texts(name=name, cmdline=cmdline * 3))
    assert len(found) <= MAX_TOKENS
    assert all(0 < len(word) <= MAX_LENGTH for word in found)
    assert len(set(found)) == len(found)
    assert split(name.upper()) == split(name.upper().lower())


def test_each_text_makes_another_command() -> None:
    plain = texts()
    others = [{**plain, name: "x" if name != "uid" else 1} for name in plain]
    assert len({command_hash(one) for one in (plain, *others)}) == len(plain) + 1
    assert command_hash(texts(name="ab", exe="c")) != command_hash(texts(name="a", exe="bc"))
