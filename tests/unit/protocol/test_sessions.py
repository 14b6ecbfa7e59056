"""Both halves of the connection between agent and hub, without a network."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tukur.protocol import auth, messages
from tukur.protocol.agent_side import AgentSession
from tukur.protocol.errors import ProtocolError
from tukur.protocol.hub_side import HubSession, LiveFrame, pack

HOST = "11111111-2222-3333-4444-555555555555"
BOOT = "99999999-2222-3333-4444-555555555555"
KEY = auth.new_key()

FACTS = messages.HostFacts(
    hostname="owl",
    kernel="6.1",
    os="Debian",
    architecture="x86_64",
    cpus=2,
    mem_total=1,
    boot_id=BOOT,
    booted_wall_ns=0,
    agent_version="0",
    source="procfs",
    blind_spots=[],
    signals=["TERM"],
)


def opened() -> tuple[HubSession, AgentSession]:
    hub, agent = HubSession(), AgentSession(HOST, KEY, FACTS)
    _, hello = agent.receive(hub.challenge())
    assert hello is not None
    hub.receive(hello)
    welcome = hub.admit(auth.public_key(KEY), 1)
    assert welcome is not None
    agent.receive(welcome)
    return hub, agent


def test_an_agent_that_proves_its_key_is_welcome() -> None:
    hub, agent = opened()
    assert hub.open
    assert agent.open


def test_an_agent_with_another_key_is_not_admitted() -> None:
    hub, agent = HubSession(), AgentSession(HOST, auth.new_key(), FACTS)
    _, hello = agent.receive(hub.challenge())
    assert hello is not None
    hub.receive(hello)
    assert hub.admit(auth.public_key(KEY), 1) is None
    assert not hub.open


def test_a_recorded_hello_opens_no_second_connection() -> None:
    first, agent = HubSession(), AgentSession(HOST, KEY, FACTS)
    _, hello = agent.receive(first.challenge())
    assert hello is not None
    second = HubSession()
    second.challenge()
    second.receive(hello)
    assert second.admit(auth.public_key(KEY), 1) is None


def test_a_hello_of_one_host_is_not_taken_for_another() -> None:
    hub, agent = HubSession(), AgentSession(HOST, KEY, FACTS)
    _, hello = agent.receive(hub.challenge())
    assert hello is not None
    forged = msgspec.structs.replace(messages.from_agent.decode(hello[1:]), host_id=BOOT)
    hub.receive(pack(forged))
    assert hub.admit(auth.public_key(KEY), 1) is None


@pytest.mark.parametrize(
    "message",
    [
        messages.AgentLog(wall_ns=1, level="info", text="x"),
        messages.OrderResult(order_id="x", outcome="exited", final=True),
    ],
)
def test_nothing_is_heard_before_the_proof(message: messages.Message) -> None:
    hub = HubSession()
    hub.challenge()
    with pytest.raises(ProtocolError, match="out_of_order"):
        hub.receive(pack(message))


def test_no_live_frame_is_relayed_before_the_proof() -> None:
    hub = HubSession()
    hub.challenge()
    with pytest.raises(ProtocolError, match="bad_kind"):
        hub.receive(messages.FRAME + b"x")


def test_a_live_frame_passes_through_undecoded() -> None:
    hub, _ = opened()
    assert hub.receive(messages.FRAME + b"\xff\x00 any bytes") == LiveFrame(b"\xff\x00 any bytes")


def test_a_second_hello_is_refused() -> None:
    hub, agent = HubSession(), AgentSession(HOST, KEY, FACTS)
    _, hello = agent.receive(hub.challenge())
    assert hello is not None
    hub.receive(hello)
    with pytest.raises(ProtocolError, match="out_of_order"):
        hub.receive(hello)


def test_an_agent_of_another_protocol_is_told_both_versions() -> None:
    hub, agent = HubSession(), AgentSession(HOST, KEY, FACTS)
    _, hello = agent.receive(hub.challenge())
    assert hello is not None
    newer = msgspec.structs.replace(messages.from_agent.decode(hello[1:]), protocol=99)
    with pytest.raises(ProtocolError, match=r"speaks protocol 99, this hub 1"):
        hub.receive(pack(newer))


def test_an_agent_obeys_nobody_before_the_welcome() -> None:
    agent = AgentSession(HOST, KEY, FACTS)
    for message in (messages.Watch(on=True), messages.Order(body=b"", signature=b"")):
        with pytest.raises(ProtocolError, match="out_of_order"):
            agent.receive(pack(message))


def test_a_second_challenge_is_refused_so_that_the_key_signs_once_a_connection() -> None:
    hub, agent = opened()
    with pytest.raises(ProtocolError, match="out_of_order"):
        agent.receive(hub.challenge())


def test_a_refusal_reaches_the_agent_in_words() -> None:
    agent = AgentSession(HOST, KEY, FACTS)
    with pytest.raises(ProtocolError, match="host_unknown: not enrolled"):
        agent.receive(HubSession().refuse("host_unknown", "not enrolled"))


def test_an_oversized_message_is_refused_unread() -> None:
    hub, _ = opened()
    with pytest.raises(ProtocolError, match="too_large"):
        hub.receive(bytes(messages.MAX_MESSAGE + 1))


def test_fields_of_a_newer_peer_are_ignored() -> None:
    hub, _ = opened()
    newer = {"type": "log", "wall_ns": 1, "level": "info", "text": "hi", "mood": "curious"}
    found = hub.receive(messages.TYPED + msgspec.msgpack.encode(newer))
    assert found == messages.AgentLog(wall_ns=1, level="info", text="hi")


@given(st.binary(max_size=300))
def test_no_bytes_of_an_agent_break_the_hub(data: bytes) -> None:
    hub, _ = opened()
    try:
        hub.receive(data)
    except ProtocolError as error:
        assert error.code in {"bad_kind", "bad_message", "out_of_order"}


@given(st.binary(max_size=300))
def test_no_bytes_of_a_hub_break_the_agent(data: bytes) -> None:
    _, agent = opened()
    try:
        agent.receive(data)
    except ProtocolError as error:
        assert error.code


@given(st.binary(min_size=1, max_size=64), st.integers(0, 511))
def test_a_signature_fits_one_text_only(text: bytes, bit: int) -> None:
    signature = bytearray(auth.sign(KEY, text))
    assert auth.verify(auth.public_key(KEY), text, bytes(signature))
    assert not auth.verify(auth.public_key(KEY), text + b"x", bytes(signature))
    signature[bit // 8] ^= 1 << bit % 8
    assert not auth.verify(auth.public_key(KEY), text, bytes(signature))


def test_a_hello_is_never_an_order() -> None:
    assert auth.hello_text(b"n" * 32, "x")[:6] == auth.order_text(b"")[:6]
    assert not auth.order_text(b"").startswith(auth.hello_text(b"", ""))
