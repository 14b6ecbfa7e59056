"""Links, sessions and tokens as they are kept: the same for every database."""

import asyncio

from tukur.hub.store.accounts import TokenRow
from tukur.hub.store.store import Store


def secret(number: int) -> bytes:
    return bytes([number]) * 32


async def test_a_link_signs_in_once(store: Store) -> None:
    accounts = store.accounts
    user = await accounts.ensure_user("ada", "admin", 1)
    await accounts.add_link(secret(1), user, expires_ms=1000)
    assert await accounts.exchange_link(secret(1), secret(2), 10, 5000)
    assert not await accounts.exchange_link(secret(1), secret(3), 11, 5000)
    session = await accounts.session(secret(2), 20)
    assert session is not None
    assert (session.name, session.role, session.expires_ms) == ("ada", "admin", 5000)
    assert await accounts.session(secret(3), 20) is None


async def test_of_many_who_use_a_link_at_once_one_gets_in(store: Store) -> None:
    accounts = store.accounts
    user = await accounts.ensure_user("ada", "admin", 1)
    await accounts.add_link(secret(1), user, expires_ms=1000)
    tries = [accounts.exchange_link(secret(1), secret(number), 10, 5000) for number in range(2, 12)]
    assert sorted(await asyncio.gather(*tries)) == [False] * 9 + [True]


async def test_a_link_that_expired_or_was_never_made_signs_nobody_in(store: Store) -> None:
    accounts = store.accounts
    user = await accounts.ensure_user("ada", "admin", 1)
    await accounts.add_link(secret(1), user, expires_ms=1000)
    assert not await accounts.exchange_link(secret(9), secret(2), 10, 5000)
    assert not await accounts.exchange_link(secret(1), secret(2), 1000, 5000)
    assert await accounts.session(secret(2), 10) is None


async def test_a_session_holds_until_it_expires_or_is_ended(store: Store) -> None:
    accounts = store.accounts
    user = await accounts.ensure_user("ada", "viewer", 1)
    for number in (1, 2):
        await accounts.add_link(secret(number), user, expires_ms=1000)
        assert await accounts.exchange_link(secret(number), secret(number + 10), 10, 5000)
    assert await accounts.session(secret(11), 4999) is not None
    assert await accounts.session(secret(11), 5000) is None
    await accounts.drop_session(secret(11))
    assert await accounts.session(secret(11), 20) is None
    assert await accounts.session(secret(12), 20) is not None


async def test_a_user_is_made_once(store: Store) -> None:
    first = await store.accounts.ensure_user("ada", "admin", 1)
    assert await store.accounts.ensure_user("ada", "admin", 2) == first
    assert await store.accounts.ensure_user("bob", "admin", 2) != first


async def test_a_tokens_name_is_taken_until_it_is_revoked_or_expires(store: Store) -> None:
    accounts = store.accounts
    assert await accounts.add_token(secret(1), TokenRow("ci", "viewer", "", 1, 1000))
    assert not await accounts.add_token(secret(2), TokenRow("ci", "viewer", "", 2, 1000))
    assert await accounts.add_token(secret(2), TokenRow("ci", "operator", "", 1000, 2000))
    assert await accounts.token(secret(1), 1001) is None
    assert await accounts.drop_token("ci")
    assert not await accounts.drop_token("ci")
    assert await accounts.add_token(secret(3), TokenRow("ci", "viewer", "", 1002, 2000))


async def test_a_token_holds_until_it_expires_or_is_revoked(store: Store) -> None:
    accounts = store.accounts
    await accounts.add_token(secret(1), TokenRow("ci", "operator", "", 1, 1000))
    await accounts.add_token(secret(2), TokenRow("a first", "viewer", "", 1, 1000))
    token = await accounts.token(secret(1), 999)
    assert token is not None
    assert (token.name, token.role, token.created_ms, token.expires_ms) == ("ci", "operator", 1, 1000)
    assert await accounts.token(secret(1), 1000) is None
    assert [token.name for token in await accounts.tokens()] == ["a first", "ci"]
    await accounts.drop_token("ci")
    assert await accounts.token(secret(1), 10) is None
