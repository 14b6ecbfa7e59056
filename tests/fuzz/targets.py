"""What reads bytes that a stranger may have made: each takes any bytes, and raises its own error or none."""

import contextlib
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from tests.support.record import Machine, facts_of
from tukur.agent.joining.trust import parse_pem
from tukur.agent.orders.gate import OrderGate, RefusedError
from tukur.agent.policy.file import PolicyError, parse_policy
from tukur.agent.spool import format as spool_format
from tukur.blocks import BlockDamagedError
from tukur.blocks.reader import decode_host, decode_samples, decode_table, decode_totals
from tukur.hub.api.times import instant_ms
from tukur.hub.errors import ProblemError
from tukur.hub.history import exits, lives
from tukur.protocol import auth, messages
from tukur.protocol.agent_side import AgentSession
from tukur.protocol.errors import UNREADABLE, ProtocolError
from tukur.protocol.frames import decode_frame, is_key
from tukur.protocol.hub_side import HubSession, pack
from tukur.protocol.join_token import JoinToken, TokenError
from tukur.sources.cgroups import cgroup2_mount, parse_cgroup_path
from tukur.sources.proc import parse_cgroup, parse_cmdline

HOST = "11111111-2222-3333-4444-555555555555"
BOOT = "99999999-2222-3333-4444-555555555555"
KEY, ORDER_KEY = auth.new_key(), auth.new_key()


@dataclass(frozen=True, slots=True)
class Target:
    """One reader, and good samples of what it reads."""

    name: str
    read: Callable[[bytes], None]
    samples: tuple[bytes, ...]


def _block() -> messages.Block:
    machine = Machine()
    machine.start(100, "owl", "owl", "--watch")
    machine.start(101, "mouse")
    machine.work(100, 0.5)
    machine.sample()
    machine.end(101)
    return machine.block(5)


BLOCK = _block()


def _from_agent(data: bytes) -> None:
    """The hub's side: a first word, and what comes after one."""
    session = HubSession()
    session.challenge()
    with contextlib.suppress(ProtocolError):
        session.receive(data)
    with contextlib.suppress(ProtocolError):
        session.receive(data)
    with contextlib.suppress(*UNREADABLE):
        messages.from_agent.decode(data)


def _from_hub(data: bytes) -> None:
    session = AgentSession(HOST, KEY, facts_of())
    with contextlib.suppress(ProtocolError):
        session.receive(pack(messages.Challenge(protocol=messages.PROTOCOL_VERSION, nonce=bytes(32))))
        session.receive(pack(messages.Welcome(wall_ns=1)))
        session.receive(data)


def _order(data: bytes) -> None:
    """Rightly signed, so that the body itself is read."""
    gate = OrderGate(HOST, BOOT, auth.public_key(ORDER_KEY))
    with contextlib.suppress(RefusedError):
        gate.check(messages.Order(body=data, signature=auth.sign(ORDER_KEY, auth.order_text(data))), 10**18)


def _with_checksum(data: bytes) -> bytes:
    """A payload whose checksum fits: else nothing behind it would ever be reached."""
    return data[:-4] + zlib.crc32(data[:-4]).to_bytes(4, "little")


def _tasks(data: bytes) -> None:
    for payload in (data, _with_checksum(data)):
        with contextlib.suppress(BlockDamagedError):
            decode_table(payload, BLOCK.last_wall_ns)
        with contextlib.suppress(BlockDamagedError):
            for _ in decode_samples(payload):
                pass
        with contextlib.suppress(BlockDamagedError):
            decode_totals(payload, 0, 2**62)


def _host(data: bytes) -> None:
    for payload in (data, _with_checksum(data)):
        with contextlib.suppress(BlockDamagedError):
            decode_host(payload)


def _frame(data: bytes) -> None:
    is_key(data)
    with contextlib.suppress(ProtocolError):
        decode_frame(data)


def _texts(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    with contextlib.suppress(TokenError):
        JoinToken.parse(text)
    with contextlib.suppress(ProblemError):
        lives.parse_cursor(text)
    with contextlib.suppress(ProblemError):
        exits.parse_cursor(text)
    with contextlib.suppress(ProblemError):
        lives.parse_terms(text)
    with contextlib.suppress(ProblemError):
        instant_ms(text, "at")


def _policy(data: bytes) -> None:
    with contextlib.suppress(PolicyError):
        parse_policy(data.decode("utf-8", "replace"))


def _machine(data: bytes) -> None:
    """Files of /proc, whose texts other users of the machine choose."""
    parse_cmdline(data)
    parse_cgroup_path(parse_cgroup(data))
    cgroup2_mount(data.decode("utf-8", "surrogateescape"))
    with contextlib.suppress(ValueError):
        parse_pem(data.decode("ascii", "replace"))


def _spool(data: bytes) -> None:
    for _ in spool_format.scan(lambda at, length: data[at : at + length], len(data)):
        pass
    spool_format.decode_acks(data)


def _order_body() -> bytes:
    now = time.time_ns()
    return msgspec.msgpack.encode(
        messages.OrderBody(
            order_id="o",
            host_id=HOST,
            target=messages.ProcessKey(BOOT, 7, 7),
            signal="",
            nonce=bytes(16),
            issued_wall_ns=now,
            expires_wall_ns=now,
            actor="ada",
            action=messages.Action(verb="renice", scope="tree", value="5"),
        )
    )


_HELLO = messages.Hello(protocol=1, host_id=HOST, signature=bytes(64), facts=facts_of())
_WATCH, _ACK = messages.Watch(on=True), messages.Ack(boot_id=BOOT, first_ns=1)
_CURSOR = b"1700000000000-1-123456789-42-123456789"

TARGETS = (
    Target("from_agent", _from_agent, (pack(_HELLO), pack(BLOCK))),
    Target(
        "from_hub", _from_hub, (pack(messages.Watch(on=True)), pack(messages.Ack(boot_id=BOOT, first_ns=1)))
    ),
    Target("order", _order, (_order_body(),)),
    Target("tasks", _tasks, (BLOCK.tasks,)),
    Target("host", _host, (BLOCK.host,)),
    Target("frame", _frame, (msgspec.msgpack.encode({"key": True, "rows": {}, "images": {}}),)),
    Target("texts", _texts, (b"2026-11-24T01:02:03Z", _CURSOR, b"owl --watch", b"tukur_join_AAAA")),
    Target("policy", _policy, (b'mode = "signals"\n[protect]\nnames = ["a*"]\n',)),
    Target("machine", _machine, (b"0::/system.slice/a.service\n", b"-----BEGIN CERTIFICATE-----\nAA==\n")),
    Target("spool", _spool, (bytes(64),)),
)
