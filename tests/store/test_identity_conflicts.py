"""Who waits for a decision: the same for every database."""

from tests.support.hub import HOST, OTHER
from tests.support.record import BOOT
from tukur.hub.store.control.identity_conflicts import IdentityConflictRow
from tukur.hub.store.store import Store

CLONE = "99999999-0000-0000-0000-000000000001"


def row(boot_id: str = CLONE, at_ms: int = 10) -> IdentityConflictRow:
    return IdentityConflictRow(HOST, boot_id, "clone", "192.0.2.7", at_ms, at_ms)


async def only_boot(store: Store, host_id: str = HOST) -> str | None:
    known = await store.control.enrolments.key(host_id)
    assert known is not None
    return known.only_boot


async def test_who_is_held_again_is_one_row_with_its_first_and_last_time(store: Store) -> None:
    for at_ms in (10, 20):
        await store.control.identity_conflicts.record(row(at_ms=at_ms), BOOT)
    (held,) = await store.control.identity_conflicts.pending()
    assert held == IdentityConflictRow(HOST, CLONE, "clone", "192.0.2.7", 10, 20)
    assert await only_boot(store) == BOOT
    assert await only_boot(store, OTHER) is None


async def test_the_boot_that_was_let_in_at_first_stays_the_one(store: Store) -> None:
    await store.control.identity_conflicts.record(row(), BOOT)
    await store.control.identity_conflicts.record(row("99999999-0000-0000-0000-000000000002"), CLONE)
    assert await only_boot(store) == BOOT
    assert len(await store.control.identity_conflicts.pending()) == 2


async def test_a_decision_frees_whoever_waited_and_names_the_boot_that_is_let_in(store: Store) -> None:
    await store.control.identity_conflicts.record(row(), BOOT)
    assert await store.control.identity_conflicts.release(HOST, CLONE)
    assert await store.control.identity_conflicts.pending() == []
    assert await store.control.identity_conflicts.only_boots() == {HOST: CLONE}
    assert not await store.control.identity_conflicts.release(HOST, None)


async def test_once_the_named_boot_came_any_may_follow_unless_somebody_waits(store: Store) -> None:
    await store.control.identity_conflicts.record(row(), BOOT)
    await store.control.identity_conflicts.settle(HOST)
    assert await only_boot(store) == BOOT
    await store.control.identity_conflicts.release(HOST, BOOT)
    await store.control.identity_conflicts.settle(HOST)
    assert await only_boot(store) is None
