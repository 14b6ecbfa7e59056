"""Agents' connections to the running hub: honest ones, foreign ones, broken ones."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.support.hub import HOST, KEYS, OTHER, RunningHub, agent, connection, running_hub
from tests.support.record import BOOT, WALL, Machine, facts_of
from tests.support.waiting import until
from tukur.hub.ingest import connections as module
from tukur.hub.store.errors import DiskFullError
from tukur.protocol import auth, messages
from tukur.protocol.agent_side import AgentSession
from tukur.protocol.hub_side import pack


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[RunningHub]:
    async with running_hub(tmp_path) as running:
        yield running


def machine() -> Machine:
    made = Machine()
    made.start(10, "worker")
    return made


def heartbeat(cpu: float = 0.5) -> messages.Heartbeat:
    return messages.Heartbeat(
        wall_ns=WALL, boot_ns=1, rates={"cpu": cpu}, top=[], missed=1, spooled=2, faults={"procfs": 3}
    )


# --- who is admitted


async def test_an_enrolled_host_with_its_key_is_online_until_it_goes(hub: RunningHub) -> None:
    async with await hub.bearer("viewer") as viewer:
        async with agent(hub, facts=facts_of(hostname="owl")) as owl:
            await owl.send(heartbeat())

            def beats() -> bool:
                state = hub.parts.presence.get(HOST)
                return state is not None and state.heartbeat is not None

            await until(beats)
            found = (await viewer.get(f"/api/hosts/{HOST}")).json()
            assert (found["online"], found["cpus"], found["source"]) == (True, 4, "procfs")
            assert found["rates"] == {"cpu": 0.5}
            assert (found["missed"], found["spooled"], found["faults"]) == (1, 2, {"procfs": 3})
        await until(lambda: not hub.parts.presence.online(HOST))
        found = (await viewer.get(f"/api/hosts/{HOST}")).json()
        assert (found["online"], found["rates"], found["cpus"]) == (False, None, 4)


@pytest.mark.parametrize(
    ("host_id", "key"), [(HOST, KEYS[OTHER]), (HOST, auth.new_key()), (HOST.replace("1", "3"), KEYS[HOST])]
)
async def test_a_wrong_key_and_an_unknown_host_are_refused_in_the_same_words(
    hub: RunningHub, host_id: str, key: bytes
) -> None:
    async with connection(hub, host_id, key=key) as stranger:
        assert await stranger.ended() == 1008
        assert stranger.refused is not None
        assert stranger.refused.code == "not_admitted"
        assert stranger.refused.detail == "this host is not enrolled here, or its key does not match"
    assert hub.parts.presence.get(host_id) is None


async def refused_code(hub: RunningHub, *sent: bytes | str) -> str:
    """What the hub says to a connection that sends this in answer to the challenge."""
    async with (
        asyncio.timeout(20),
        connect(hub.socket("/agent"), max_size=None, compression=None, proxy=None) as socket,
    ):
        await socket.recv()
        for data in sent:
            await socket.send(data)
        said = messages.from_hub.decode((await socket.recv(decode=False))[1:])
        await socket.wait_closed()
        assert isinstance(said, messages.Refused), said
        return said.code


async def test_a_hello_that_was_heard_before_does_not_admit(hub: RunningHub) -> None:
    session = AgentSession(HOST, KEYS[HOST], facts_of())
    async with connect(hub.socket("/agent"), proxy=None) as socket:
        _, hello = session.receive(await socket.recv(decode=False))
        assert hello is not None
        await socket.send(hello)
        session.receive(await socket.recv(decode=False))
        assert session.open
    assert await refused_code(hub, hello) == "not_admitted"


async def test_what_comes_before_the_hello_is_refused_by_its_kind(hub: RunningHub) -> None:
    assert await refused_code(hub, b"") == "bad_kind"
    assert await refused_code(hub, b"GET / HTTP/1.1") == "bad_kind"
    assert await refused_code(hub, "hello") == "bad_kind"
    assert await refused_code(hub, messages.TYPED + b"\xc1garbage") == "bad_message"
    assert await refused_code(hub, messages.FRAME + b"frame") == "bad_kind"
    assert await refused_code(hub, pack(heartbeat())) == "out_of_order"
    assert await refused_code(hub, pack(machine().block(1))) == "out_of_order"


async def test_an_agent_of_another_protocol_is_told_so(hub: RunningHub) -> None:
    hello = messages.Hello(protocol=99, host_id=HOST, signature=bytes(64), facts=facts_of())
    assert await refused_code(hub, pack(hello)) == "version"


async def test_who_says_nothing_is_sent_away(hub: RunningHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELLO_S", 0.05)
    assert await refused_code(hub) == "too_slow"


# --- blocks


async def test_a_block_is_acknowledged_when_it_is_in_the_database_and_not_before(hub: RunningHub) -> None:
    put, gate = hub.parts.store.facts.blocks.put, asyncio.Event()

    async def held(items: object) -> object:
        await gate.wait()
        return await put(items)  # type: ignore[arg-type]

    hub.parts.store.facts.blocks.put = held  # type: ignore[method-assign, assignment]
    block = machine().block(2)
    async with agent(hub) as owl:
        await owl.send(block)
        with pytest.raises(TimeoutError):
            await owl.hear(messages.Ack, 0.1)
        gate.set()
        ack = await owl.hear(messages.Ack)
        assert (ack.boot_id, ack.first_ns) == (BOOT, block.first_ns)
        (row,) = await hub.parts.store.hosts(HOST)
        assert row.last_ms == block.last_wall_ns // 1_000_000
        await owl.send(block)
        assert (await owl.hear(messages.Ack)).first_ns == block.first_ns, "a repeat is acknowledged too"


async def test_a_block_that_can_never_be_stored_is_rejected_and_the_next_is_taken(hub: RunningHub) -> None:
    made = machine()
    bad, good = msgspec.structs.replace(made.block(1), host=b"?"), made.block(1)
    async with agent(hub) as owl:
        await owl.send(bad, good)
        rejected = await owl.hear(messages.Reject)
        assert (rejected.first_ns, rejected.code) == (bad.first_ns, "bad_block")
        assert (await owl.hear(messages.Ack)).first_ns == good.first_ns
        async with await hub.bearer("viewer") as viewer:
            assert (await viewer.get(f"/api/hosts/{HOST}")).json()["faults"] == {"hub.rejected": 1}


async def test_a_gap_is_acknowledged_with_its_end(hub: RunningHub) -> None:
    gap = messages.Gap(
        boot_id=BOOT,
        first_ns=10,
        last_ns=20,
        first_wall_ns=10,
        last_wall_ns=20,
        blocks=1,
        samples=1,
        reason="spool_full",
    )
    async with agent(hub) as owl:
        await owl.send(gap)
        ack = await owl.hear(messages.Ack)
        assert (ack.boot_id, ack.first_ns, ack.last_ns) == (BOOT, 10, 20)


async def test_while_nothing_can_be_stored_the_health_says_why_and_agents_stay(
    hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tukur.hub.ingest.writer._RETRY_S", (0.01, 0.02))
    put, full = hub.parts.store.facts.blocks.put, True

    async def failing(items: object) -> object:
        if full:
            raise DiskFullError("no space left for the database")
        return await put(items)  # type: ignore[arg-type]

    hub.parts.store.facts.blocks.put = failing  # type: ignore[method-assign, assignment]
    async with agent(hub) as owl, hub.client() as nobody:
        await owl.send(machine().block(1))
        await until(lambda: hub.parts.ingest_writer.fault is not None)
        answer = await nobody.get("/healthz")
        assert (answer.status_code, answer.json()["code"]) == (503, "disk_full")
        full = False
        await owl.hear(messages.Ack)
        assert (await nobody.get("/healthz")).json() == {"status": "ok"}


async def test_an_agent_that_floods_the_hub_with_blocks_is_sent_away(hub: RunningHub) -> None:
    gate = asyncio.Event()

    async def never(_: object) -> None:
        await gate.wait()

    hub.parts.store.facts.blocks.put = never  # type: ignore[method-assign, assignment]
    block = machine().block(1)
    async with agent(hub) as owl:
        await owl.send(*[block] * (module.BLOCKS + 1))
        assert await owl.ended() == 1008
        assert owl.refused is not None
        assert owl.refused.code == "too_many_blocks"


# --- one agent and another


async def test_a_second_connection_takes_the_place_of_a_first_that_shows_no_life(
    hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LIVES_S", 0.1)
    async with agent(hub) as first, agent(hub) as second:
        assert await first.ended() == 1008
        # Time for the end of the first to be noticed everywhere.
        await asyncio.sleep(0.05)
        assert hub.parts.presence.online(HOST), "the end of the first does not end the second"
        await second.send(machine().block(1))
        await second.hear(messages.Ack)
    await until(lambda: not hub.parts.presence.online(HOST))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\xff\x00garbage", "bad_kind"),
        (messages.TYPED + b"\x81", "bad_message"),
        (messages.TYPED + msgspec.msgpack.encode({"type": "block"}), "bad_message"),
        ("text", "bad_kind"),
        (
            pack(messages.Hello(protocol=1, host_id=HOST, signature=bytes(64), facts=facts_of())),
            "out_of_order",
        ),
    ],
)
async def test_what_one_agent_breaks_ends_its_own_connection_and_disturbs_no_other(
    hub: RunningHub, data: bytes | str, code: str
) -> None:
    async with agent(hub, OTHER) as other, agent(hub) as broken:
        await broken.socket.send(data)
        assert await broken.ended() == 1008
        assert broken.refused is not None
        assert broken.refused.code == code
        await until(lambda: not hub.parts.presence.online(HOST))
        await other.send(machine().block(1))
        await other.hear(messages.Ack)
        assert hub.parts.presence.online(OTHER)


async def test_a_message_that_is_too_large_ends_the_connection_alone(hub: RunningHub) -> None:
    async with agent(hub, OTHER) as other, agent(hub) as broken:
        with contextlib.suppress(ConnectionClosed):
            await broken.socket.send(messages.FRAME + bytes(messages.MAX_MESSAGE))
        assert await broken.ended() == 1009
        await other.send(machine().block(1))
        await other.hear(messages.Ack)


async def test_an_agent_that_vanishes_without_a_word_can_come_back(hub: RunningHub) -> None:
    async with agent(hub) as owl:
        owl.socket.transport.abort()
        await until(lambda: not hub.parts.presence.online(HOST))
    async with agent(hub) as owl:
        await owl.send(machine().block(1))
        await owl.hear(messages.Ack)


async def test_figures_out_of_all_bounds_disturb_no_other_host(hub: RunningHub) -> None:
    """Neither a count past 63 bits nor a figure that is no number holds up the one writer."""
    made = machine()
    nan = messages.MinMaxMean(float("nan"), 1.0, 1.0)
    plain = made.block(1)
    async with agent(hub) as broken, agent(hub, OTHER) as other:
        await broken.send(
            msgspec.structs.replace(plain, lives=2**64 - 1),
            msgspec.structs.replace(plain, host_minute=messages.HostMinute(samples=1, figures={"cpu": nan})),
        )
        for _ in range(2):
            assert (await broken.hear(messages.Reject)).code == "bad_block"
        await other.send(plain)
        await other.hear(messages.Ack)
