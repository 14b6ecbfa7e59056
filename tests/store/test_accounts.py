"""Users, links, sessions and tokens as they are kept: the same for every database."""

import asyncio

import pytest

from tukur.hub.store.control.sessions import IDLE_MS, NewSession
from tukur.hub.store.control.tokens import TokenRow
from tukur.hub.store.control.users import LastAdminError
from tukur.hub.store.store import Store


def secret(number: int) -> bytes:
    return bytes([number]) * 32


def session(number: int, now_ms: int = 10, expires_ms: int = 5000) -> NewSession:
    return NewSession(secret(number), now_ms, expires_ms, "link", "192.0.2.1", "Firefox 143 on Linux")


async def test_a_link_signs_in_once(store: Store) -> None:
    accounts = store.control.sessions
    user = await store.control.users.ensure("ada", "admin", 1)
    await accounts.add_link(secret(1), user, expires_ms=1000)
    assert await accounts.exchange_link(secret(1), session(2, 10))
    assert not await accounts.exchange_link(secret(1), session(3, 11))
    held = await accounts.session(secret(2), 20)
    assert held is not None
    assert (held.name, held.role, held.expires_ms) == ("ada", "admin", 5000)
    assert await accounts.session(secret(3), 20) is None


async def test_of_many_who_use_a_link_at_once_one_gets_in(store: Store) -> None:
    accounts = store.control.sessions
    user = await store.control.users.ensure("ada", "admin", 1)
    await accounts.add_link(secret(1), user, expires_ms=1000)
    tries = [accounts.exchange_link(secret(1), session(number, 10)) for number in range(2, 12)]
    assert sorted(await asyncio.gather(*tries)) == [False] * 9 + [True]


async def test_a_link_that_expired_or_was_never_made_signs_nobody_in(store: Store) -> None:
    accounts = store.control.sessions
    user = await store.control.users.ensure("ada", "admin", 1)
    await accounts.add_link(secret(1), user, expires_ms=1000)
    assert not await accounts.exchange_link(secret(9), session(2, 10))
    assert not await accounts.exchange_link(secret(1), session(2, 1000))
    assert await accounts.session(secret(2), 10) is None


async def test_a_session_holds_until_it_expires_or_is_ended(store: Store) -> None:
    accounts = store.control.sessions
    user = await store.control.users.ensure("ada", "viewer", 1)
    for number in (1, 2):
        await accounts.add_link(secret(number), user, expires_ms=1000)
        assert await accounts.exchange_link(secret(number), session(number + 10, 10))
    assert await accounts.session(secret(11), 4999) is not None
    assert await accounts.session(secret(11), 5000) is None
    await accounts.end(secret(11))
    assert await accounts.session(secret(11), 20) is None
    assert await accounts.session(secret(12), 20) is not None


async def test_a_user_is_made_once(store: Store) -> None:
    first = await store.control.users.ensure("ada", "admin", 1)
    assert await store.control.users.ensure("ada", "admin", 2) == first
    assert await store.control.users.ensure("bob", "admin", 2) != first


async def test_a_tokens_name_is_taken_until_it_is_revoked_or_expires(store: Store) -> None:
    accounts = store.control.tokens
    assert await accounts.add(secret(1), TokenRow("ci", "viewer", "", 1, 1000))
    assert not await accounts.add(secret(2), TokenRow("ci", "viewer", "", 2, 1000))
    assert await accounts.add(secret(2), TokenRow("ci", "operator", "", 1000, 2000))
    assert await accounts.token(secret(1), 1001) is None
    assert await accounts.drop("ci")
    assert not await accounts.drop("ci")
    assert await accounts.add(secret(3), TokenRow("ci", "viewer", "", 1002, 2000))


async def test_a_token_holds_until_it_expires_or_is_revoked(store: Store) -> None:
    accounts = store.control.tokens
    await accounts.add(secret(1), TokenRow("ci", "operator", "", 1, 1000))
    await accounts.add(secret(2), TokenRow("a first", "viewer", "", 1, 1000))
    token = await accounts.token(secret(1), 999)
    assert token is not None
    assert (token.name, token.role, token.created_ms, token.expires_ms) == ("ci", "operator", 1, 1000)
    assert await accounts.token(secret(1), 1000) is None
    assert [token.name for token in await accounts.all()] == ["a first", "ci"]
    await accounts.drop("ci")
    assert await accounts.token(secret(1), 10) is None


async def test_a_session_ends_that_was_not_used_for_a_day(store: Store) -> None:
    await store.control.users.ensure("ada", "viewer", 1)
    assert await store.control.sessions.begin("ada", session(1, 10, 10 * IDLE_MS))
    await store.control.sessions.touch(secret(1), 1000)
    assert await store.control.sessions.session(secret(1), IDLE_MS + 999) is not None
    assert await store.control.sessions.session(secret(1), IDLE_MS + 1000) is None


async def test_a_disabled_user_has_no_session_and_its_links_open_nothing(store: Store) -> None:
    user = await store.control.users.ensure("ada", "viewer", 1)
    assert await store.control.sessions.begin("ada", session(1))
    await store.control.sessions.add_link(secret(2), user, expires_ms=1000)
    assert await store.control.users.change("ada", {"disabled": True})
    assert await store.control.sessions.session(secret(1), 20) is None
    assert await store.control.sessions.of("ada", 20) == []
    assert not await store.control.sessions.begin("ada", session(3))
    assert not await store.control.sessions.exchange_link(secret(2), session(4))
    assert await store.control.users.change("ada", {"disabled": False})
    assert not await store.control.sessions.exchange_link(secret(2), session(4)), "it was used up"


async def test_all_sessions_and_links_of_a_user_end_but_for_one_session(store: Store) -> None:
    for name in ("ada", "bob"):
        await store.control.users.ensure(name, "viewer", 1)
    for number, name in ((1, "ada"), (2, "ada"), (3, "ada"), (4, "bob")):
        assert await store.control.sessions.begin(name, session(number, number))
    row = await store.control.users.user("ada")
    assert row is not None
    await store.control.sessions.add_link(secret(5), row.id, expires_ms=1000)
    assert await store.control.sessions.end_all("ada", but=secret(2)) == 2
    assert not await store.control.sessions.exchange_link(secret(5), session(6))
    (left,) = await store.control.sessions.of("ada", 20)
    assert (left.hash, left.address, left.browser, left.via) == (
        secret(2),
        "192.0.2.1",
        "Firefox 143 on Linux",
        "link",
    )
    assert len(await store.control.sessions.of("bob", 20)) == 1


@pytest.mark.parametrize("how", ["demoted", "disabled", "removed"])
async def test_the_last_administrator_stays_one(store: Store, how: str) -> None:
    users = store.control.users

    async def done(name: str) -> bool:
        if how == "removed":
            return await users.remove(name)
        return await users.change(name, {"role": "viewer"} if how == "demoted" else {"disabled": True})

    await users.ensure("ada", "admin", 1)
    await users.ensure("bob", "viewer", 1)
    await users.ensure("gone", "admin", 1)
    await users.change("gone", {"disabled": True})
    with pytest.raises(LastAdminError):
        await done("ada")
    row = await users.user("ada")
    assert row is not None
    assert (row.role, row.disabled) == ("admin", False)
    assert await done("bob")
    await users.ensure("eve", "admin", 2)
    assert await done("ada")
    assert not await done("nobody")


async def test_of_two_administrators_who_remove_each_other_one_stays(store: Store) -> None:
    await store.control.users.ensure("ada", "admin", 1)
    await store.control.users.ensure("bob", "admin", 1)
    done = await asyncio.gather(
        store.control.users.remove("ada"), store.control.users.remove("bob"), return_exceptions=True
    )
    assert sorted(str(type(each).__name__) for each in done) == ["LastAdminError", "bool"]
    assert len(await store.control.users.users()) == 1


async def test_a_name_is_taken_however_it_is_written(store: Store) -> None:
    assert await store.control.users.add("Ada", "viewer", "web=operator", 1) is not None
    assert await store.control.users.add("ada", "admin", "", 2) is None
    row = await store.control.users.user("Ada")
    assert row is not None
    assert (row.role, row.grants, row.password, row.totp) == ("viewer", "web=operator", None, None)


async def test_a_removed_user_leaves_nothing_that_opens(store: Store) -> None:
    user = await store.control.users.ensure("ada", "viewer", 1)
    await store.control.sessions.add_link(secret(1), user, expires_ms=1000)
    assert await store.control.sessions.begin("ada", session(2))
    await store.control.users.change("ada", {"totp": "sealed"})
    assert await store.control.users.confirm_totp(user, 5, [secret(9)])
    assert await store.control.users.remove("ada")
    assert await store.control.sessions.session(secret(2), 20) is None
    assert not await store.control.sessions.exchange_link(secret(1), session(3))
    assert await store.control.users.recovery_codes(user) == 0


async def test_a_code_counts_once_though_many_give_it_at_once(store: Store) -> None:
    user = await store.control.users.ensure("ada", "viewer", 1)
    assert not await store.control.users.confirm_totp(user, 5, [secret(1)]), "there is no secret"
    await store.control.users.change("ada", {"totp": "sealed"})
    assert await store.control.users.confirm_totp(user, 5, [secret(1), secret(2)])
    assert not await store.control.users.confirm_totp(user, 6, [secret(3)])
    assert not await store.control.users.use_step(user, 5)
    used = await asyncio.gather(*(store.control.users.use_step(user, 6) for _ in range(5)))
    assert sorted(used) == [False] * 4 + [True]
    spent = await asyncio.gather(*(store.control.users.use_recovery_code(user, secret(1)) for _ in range(5)))
    assert sorted(spent) == [False] * 4 + [True]
    assert await store.control.users.recovery_codes(user) == 1
    await store.control.users.drop_totp(user)
    assert await store.control.users.recovery_codes(user) == 0


async def test_a_hash_is_replaced_unless_the_password_changed_meanwhile(store: Store) -> None:
    await store.control.users.ensure("ada", "viewer", 1)
    await store.control.users.change("ada", {"password": "second"})
    await store.control.users.rehash("ada", "first", "first anew")
    row = await store.control.users.user("ada")
    assert row is not None
    assert row.password == "second"
    await store.control.users.rehash("ada", "second", "second anew")
    row = await store.control.users.user("ada")
    assert row is not None
    assert row.password == "second anew"
