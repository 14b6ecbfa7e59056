"""Join tokens, keys and revocation as they are kept: the same for every database."""

import asyncio

from tests.support.hub import HOST, KEYS
from tukur.hub.store.control.enrolment import KEEP_MS
from tukur.hub.store.store import Store
from tukur.protocol import auth

SECRET = bytes([1]) * 32


def host_id(number: int) -> str:
    return f"33333333-2222-3333-4444-{number:012d}"


async def test_a_token_lets_in_as_many_as_it_says_and_then_says_so(store: Store) -> None:
    enrolments = store.control.enrolments
    assert await enrolments.add_token(SECRET, "rack 1", 2, 10, 1000)
    assert await enrolments.join(SECRET, host_id(1), bytes(32), "one", 20) is None
    assert await enrolments.join(SECRET, host_id(2), bytes(32), "two", 20) is None
    assert await enrolments.join(SECRET, host_id(3), bytes(32), "three", 20) == "token_used_up"
    (row,) = await enrolments.tokens()
    assert (row.label, row.uses, row.uses_left) == ("rack 1", 2, 0)
    names = {row.host_id: row.name for row in await store.hosts()}
    assert (names[host_id(1)], names[host_id(2)]) == ("one", "two")
    assert host_id(3) not in names


async def test_of_many_who_come_at_once_for_the_last_use_one_gets_it(store: Store) -> None:
    await store.control.enrolments.add_token(SECRET, "one", 1, 10, 1000)
    tries = [store.control.enrolments.join(SECRET, host_id(n), bytes(32), "x", 20) for n in range(10)]
    results = await asyncio.gather(*tries)
    assert results.count(None) == 1
    assert results.count("token_used_up") == 9


async def test_a_token_that_expired_or_was_revoked_or_never_made_lets_nobody_in(store: Store) -> None:
    enrolments = store.control.enrolments
    await enrolments.add_token(SECRET, "one", 1, 10, 1000)
    assert await enrolments.join(SECRET, host_id(1), bytes(32), "x", 1000) == "token_expired"
    assert await enrolments.drop_token("one")
    assert not await enrolments.drop_token("one")
    assert await enrolments.join(SECRET, host_id(1), bytes(32), "x", 20) == "token_unknown"


async def test_a_label_is_taken_while_its_token_holds(store: Store) -> None:
    enrolments = store.control.enrolments
    assert await enrolments.add_token(SECRET, "one", 1, 10, 1000)
    assert not await enrolments.add_token(bytes(32), "one", 1, 20, 2000)
    assert await enrolments.add_token(bytes(32), "one", 1, 1000, 2000)


async def test_what_expired_long_ago_is_forgotten(store: Store) -> None:
    await store.control.enrolments.add_token(SECRET, "old", 1, 10, 1000)
    await store.control.enrolments.add_token(bytes(32), "new", 1, 1000 + KEEP_MS, 2000 + KEEP_MS)
    assert [row.label for row in await store.control.enrolments.tokens()] == ["new"]


async def test_a_key_is_changed_by_who_has_the_one_that_holds(store: Store) -> None:
    enrolments, public = store.control.enrolments, auth.public_key(KEYS[HOST])
    assert not await enrolments.change_key(HOST, bytes(32), bytes([7]) * 32)
    assert await enrolments.change_key(HOST, public, bytes([7]) * 32)
    known = await enrolments.key(HOST)
    assert known is not None
    assert known.public == bytes([7]) * 32


async def test_a_revoked_host_is_told_apart_and_keeps_its_key(store: Store) -> None:
    enrolments, public = store.control.enrolments, auth.public_key(KEYS[HOST])
    assert await enrolments.revoked() == frozenset()
    assert await enrolments.revoke(HOST, 10)
    assert not await enrolments.revoke(host_id(9), 10)
    assert await enrolments.revoked() == {HOST}
    assert not await enrolments.change_key(HOST, public, bytes(32))


async def test_a_host_gets_another_name(store: Store) -> None:
    assert await store.control.enrolments.change(HOST, name="señor owl")
    assert not await store.control.enrolments.change(host_id(9), name="nobody")
    assert [row.name for row in await store.hosts(HOST)] == ["señor owl"]
