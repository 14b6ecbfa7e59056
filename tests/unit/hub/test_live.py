"""Frames from one agent to those who watch."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from tests.support.hub import HOST, OTHER, RunningHub, ScriptedAgent, agent, running_hub
from tests.support.waiting import until
from tukur.hub import live as module
from tukur.protocol import messages


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[RunningHub]:
    async with running_hub(tmp_path) as running:
        await running.token("viewer", "shared")
        yield running


@contextlib.asynccontextmanager
async def watching(
    hub: RunningHub, host_id: str = HOST, *, token: str = "", queue: int = 16
) -> AsyncIterator[ClientConnection]:
    """A browser that watches a host; its first status was not read yet."""
    secret = token or await hub.token("viewer", f"viewer {time.monotonic_ns()}")
    async with connect(
        hub.socket(f"/api/live/{host_id}"),
        additional_headers={"Authorization": f"Bearer {secret}"},
        max_size=None,
        max_queue=queue,
        compression=None,
        proxy=None,
    ) as socket:
        yield socket


async def received(socket: ClientConnection, seconds: float = 5) -> str | bytes:
    async with asyncio.timeout(seconds):
        return await socket.recv()


async def status(socket: ClientConnection) -> bool:
    said = json.loads(await received(socket))
    assert said["type"] == "status"
    return bool(said["online"])


async def watch(owl: ScriptedAgent) -> bool:
    return (await owl.hear(messages.Watch)).on


async def no_word(owl: ScriptedAgent, seconds: float = 0.1) -> None:
    with pytest.raises(TimeoutError):
        await owl.hear(messages.Watch, seconds)


async def test_frames_arrive_byte_for_byte_and_in_order_at_all_who_watch(hub: RunningHub) -> None:
    frames = [b"", b"\x00\xff not even a frame", bytes(range(256)) * 100]
    async with agent(hub) as owl, watching(hub) as one, watching(hub) as two:
        assert await status(one)
        assert await status(two)
        assert await watch(owl)
        for frame in frames:
            await owl.frame(frame)
        for socket in (one, two):
            assert [await received(socket) for _ in frames] == frames


async def test_an_agent_sends_from_the_first_viewer_until_the_last_has_gone(hub: RunningHub) -> None:
    async with agent(hub) as owl:
        await no_word(owl)
        async with watching(hub) as first:
            await status(first)
            assert await watch(owl)
            async with watching(hub) as second:
                await status(second)
                assert await watch(owl), "the second viewer needs a key frame"
            await no_word(owl)
        assert not await watch(owl)


async def test_a_viewer_that_lost_frames_asks_for_a_key_frame_but_not_without_end(hub: RunningHub) -> None:
    async with agent(hub) as owl, watching(hub) as viewer:
        await status(viewer)
        assert await watch(owl)
        for _ in range(20):
            await viewer.send('{"type": "refresh"}')
        assert await watch(owl)
        await no_word(owl)


@pytest.mark.parametrize("said", ["[]", "refresh", '{"type": "order"}', b"\x00"])
async def test_a_viewer_that_says_anything_else_is_sent_away(hub: RunningHub, said: str | bytes) -> None:
    async with watching(hub) as viewer:
        await status(viewer)
        await viewer.send(said)
        async with asyncio.timeout(20):
            await viewer.wait_closed()
        assert viewer.close_code == 1008


async def test_a_slow_viewer_loses_frames_and_slows_no_other(hub: RunningHub) -> None:
    size, count = 1 << 20, 60
    async with agent(hub) as owl, watching(hub, queue=1) as slow, watching(hub) as quick:
        assert await status(quick)
        await status(slow)
        begun = time.monotonic()
        for number in range(count):
            await owl.frame(number.to_bytes(4, "big") + bytes(size))
            frame = await received(quick)
            assert isinstance(frame, bytes)
            assert int.from_bytes(frame[:4], "big") == number
        assert time.monotonic() - begun < 10
        last = b"the last"
        await owl.frame(last)
        assert await received(quick) == last
        found = []
        while (frame := await received(slow)) != last:
            assert isinstance(frame, bytes)
            found.append(int.from_bytes(frame[:4], "big"))
        assert found == sorted(found)
        assert len(found) < count
        await watch(owl)


async def test_a_host_that_does_not_exist_cannot_be_watched(hub: RunningHub) -> None:
    with pytest.raises(InvalidStatus) as raised:
        async with watching(hub, "33333333-2222-3333-4444-555555555555"):
            pass
    assert raised.value.response.status_code == 403


async def test_a_viewer_of_a_host_sees_nothing_of_another(hub: RunningHub) -> None:
    async with agent(hub) as owl, agent(hub, OTHER) as other, watching(hub, OTHER) as viewer:
        assert await status(viewer)
        await owl.frame(b"mine")
        await other.frame(b"other")
        assert await received(viewer) == b"other"
        await no_word(owl)


async def test_a_revoked_token_stops_watching(hub: RunningHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHECK_S", 0.05)
    token = await hub.token("viewer", "revoked")
    async with agent(hub) as owl, watching(hub, token=token) as viewer:
        assert await status(viewer)
        # Three looks at the token, each of which finds it valid.
        await asyncio.sleep(0.15)
        await owl.frame(b"still")
        assert await received(viewer) == b"still"
        await hub.parts.auth.revoke_token("revoked")
        async with asyncio.timeout(20):
            await viewer.wait_closed()
        assert viewer.close_code == 4401
        assert await watch(owl)
        assert not await watch(owl), "nobody watches any more"


async def test_a_session_that_signed_out_stops_watching(
    hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHECK_S", 0.05)
    async with await hub.signed_in() as browser:
        cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        headers = {"Cookie": cookie, "Origin": hub.url}
        async with connect(hub.socket(f"/api/live/{HOST}"), additional_headers=headers, proxy=None) as viewer:
            assert not await status(viewer)
            await browser.delete("/api/session")
            async with asyncio.timeout(20):
                await viewer.wait_closed()
            assert viewer.close_code == 4401


async def test_viewers_are_told_when_the_agent_goes_and_comes_and_it_is_asked_again(hub: RunningHub) -> None:
    async with watching(hub) as viewer:
        assert not await status(viewer)
        for frame in (b"first", b"second"):
            async with agent(hub) as owl:
                assert await status(viewer)
                assert await watch(owl), "an agent that comes back does not know that it is watched"
                await owl.frame(frame)
                assert await received(viewer) == frame
            assert not await status(viewer)


async def test_viewers_that_come_and_go_leave_nothing_behind(hub: RunningHub) -> None:
    async with agent(hub) as owl:
        for _ in range(5):
            async with watching(hub) as viewer:
                await status(viewer)
                viewer.transport.abort()
        await until(lambda: not hub.parts.live._viewers)
        await until(lambda: not any(topic.startswith("frames.") for topic in hub.parts.bus._topics))
        await owl.frame(b"to nobody")
