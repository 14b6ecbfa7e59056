"""The key that signs orders is replaced, and agents are led to the new one."""

from pathlib import Path

import pytest

from tests.support.hub import HOST, ORDER_KEY, OTHER, agent, running_hub
from tukur.hub.console.hosts import KeyConsole
from tukur.hub.orders.key import FILE, SUCCESSION, OrderKey
from tukur.hub.store.errors import NotWritableError
from tukur.protocol import auth, messages

ORDER = {"boot_id": HOST, "pid": 10, "start_ns": "1", "signal": "TERM"}


def test_each_new_key_is_signed_by_the_one_before(tmp_path: Path) -> None:
    key = OrderKey(tmp_path)
    first = key.public
    for _ in range(3):
        key.rotate()
    again = OrderKey(tmp_path)
    assert again.public == key.public != first
    assert auth.follow(first, again.succession) == again.public
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_a_rotation_that_was_interrupted_leaves_the_old_key_and_no_way_to_another(tmp_path: Path) -> None:
    key = OrderKey(tmp_path)
    old = key.secret
    key.rotate()
    (tmp_path / FILE).write_bytes(old)
    again = OrderKey(tmp_path)
    assert (again.secret, again.succession) == (old, ())
    again.rotate()
    assert auth.follow(auth.public_key(old), OrderKey(tmp_path).succession) == again.public


def test_a_succession_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    OrderKey(tmp_path)
    (tmp_path / SUCCESSION).write_bytes(b"\xc1")
    with pytest.raises(NotWritableError, match="order key"):
        OrderKey(tmp_path)


async def test_connected_agents_are_led_to_the_new_key_before_the_next_order(tmp_path: Path) -> None:
    pinned = auth.public_key(ORDER_KEY)
    async with running_hub(tmp_path) as hub, agent(hub) as scripted, await hub.bearer("operator") as operator:
        await KeyConsole(tmp_path).rotate_order_key()
        hub.parts.fleet.wake()
        told = await scripted.hear(messages.OrderKeys)
        newest = auth.follow(pinned, told.succession)
        assert newest == OrderKey(tmp_path).public != pinned
        assert (await operator.post(f"/api/hosts/{HOST}/orders", json=ORDER)).status_code == 201
        order = await scripted.hear(messages.Order)
        assert auth.verify(newest, auth.order_text(order.body), order.signature)
        assert not auth.verify(pinned, auth.order_text(order.body), order.signature)
        async with agent(hub, OTHER) as late:
            assert auth.follow(pinned, (await late.hear(messages.OrderKeys)).succession) == newest
        entries = [entry async for entry in hub.parts.audit.lines()]
        assert b"order_key.rotate" in b"".join(entries)
