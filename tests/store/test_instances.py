"""Hosts that are virtual machines, and what their groups said of them: the same for every database."""

import asyncio

from tests.support.hub import HOST
from tests.support.record import WALL, facts_of
from tukur.hub.store.control.instances import InstanceRow, Judged
from tukur.hub.store.store import Store

GROUP = "regions/europe-west1/instanceGroupManagers/web"
KEY, OTHER_KEY = bytes([1]) * 32, bytes([2]) * 32
NOW_MS = WALL // 1_000_000


def host_id(number: int) -> str:
    return f"33333333-2222-3333-4444-{number:012d}"


def machine(number: int, name: str = "web-aaaa") -> InstanceRow:
    return InstanceRow(str(number), name, GROUP, "europe-west1-b")


async def enrolled(store: Store, number: int, name: str = "web-aaaa") -> str:
    found = await store.control.instances.enrol(host_id(number), KEY, machine(number, name), NOW_MS)
    assert found is not None
    return found


async def names(store: Store, *, left: bool) -> set[str]:
    return {row.host_id for row in await store.hosts(left=left)}


async def test_a_machine_is_a_host_with_the_name_that_google_knows(store: Store) -> None:
    await enrolled(store, 4711)
    (row,) = await store.hosts(host_id(4711))
    assert (row.name, row.instance) == ("web-aaaa", machine(4711))
    (other,) = await store.hosts(HOST)
    assert other.instance is None


async def test_of_many_keys_that_come_at_once_for_one_machine_one_is_let_in(store: Store) -> None:
    tries = [
        store.control.instances.enrol(host_id(n), bytes([n]) * 32, machine(4711), NOW_MS) for n in range(10)
    ]
    found = [one for one in await asyncio.gather(*tries) if one is not None]
    assert len(found) == 1
    assert await store.control.instances.enrol(host_id(99), OTHER_KEY, machine(4711), NOW_MS) is None


async def test_the_same_key_joins_again_as_the_same_host_unless_it_was_revoked(store: Store) -> None:
    first = await enrolled(store, 4711)
    instances = store.control.instances
    assert await instances.enrol(host_id(2), KEY, machine(4711), NOW_MS) == first
    await store.control.enrolments.revoke(first, NOW_MS)
    assert await instances.enrol(host_id(2), KEY, machine(4711), NOW_MS) is None


async def test_a_name_comes_again_as_another_host(store: Store) -> None:
    assert await enrolled(store, 4711) != await enrolled(store, 4712)
    assert [row.name for row in await store.hosts()].count("web-aaaa") == 2


async def test_a_host_that_left_folds_away_until_it_connects_again(store: Store) -> None:
    found = await enrolled(store, 4711)
    instances = store.control.instances
    await store.control.enrolments.save_facts(found, facts_of(), WALL)
    await instances.judge([Judged(found, "left", "removed", NOW_MS + 1)])
    assert found not in await names(store, left=False)
    assert found in await names(store, left=True)
    assert await instances.watched() == []
    assert await instances.left() == [((), 1)]
    await store.control.enrolments.save_facts(found, facts_of(), WALL + 10**9)
    assert found in await names(store, left=False)
    assert [one.host_id for one in await instances.watched()] == [found]
    assert await instances.left() == []


async def test_what_a_group_said_of_several_hosts_is_kept_for_each(store: Store) -> None:
    one, two = await enrolled(store, 1), await enrolled(store, 2)
    await store.control.instances.judge(
        [Judged(one, "running", "", NOW_MS), Judged(two, "stopped", "preempted", NOW_MS + 5)]
    )
    found = {watched.host_id: watched.instance for watched in await store.control.instances.watched()}
    assert (found[one].state, found[one].reason, found[one].asked_ms) == ("running", "", NOW_MS)
    assert (found[two].state, found[two].reason, found[two].asked_ms) == ("stopped", "preempted", NOW_MS + 5)
