"""The agents' connections: each proves its host's key, then may send for that host only."""

import asyncio
import logging
import time
from typing import Any

from litestar import WebSocket
from litestar.datastructures import State
from litestar.exceptions import WebSocketDisconnect
from msgspec import structs

from tukur.hub.bus import (
    GOODBYES,
    ORDER_RESULTS,
    Bus,
    DeliveryUnknownError,
    NobodyThereError,
    agent_of,
    frames_of,
)
from tukur.hub.hosts.enrolment import IDENTITY_CONFLICT, Enrolment
from tukur.hub.hosts.presence import Presence
from tukur.hub.ingest.writer import IngestWriter
from tukur.hub.store.control.identity_conflicts import IdentityConflictRow
from tukur.hub.store.errors import BadBlockError, StoreError
from tukur.hub.store.waists import Control
from tukur.protocol import messages
from tukur.protocol.errors import ProtocolError
from tukur.protocol.hub_side import HubSession, LiveFrame, pack
from tukur.text import readable

log = logging.getLogger(__name__)

HELLO_S = 10.0
"""How long a new connection may take to prove its key."""
LIVES_S = 3.0
"""How long the first of two connections has to prove that it is alive before the second replaces it."""
BLOCKS = 16
"""Blocks of one agent that may wait to be stored: twice what a well-behaved one sends unacknowledged."""

Socket = WebSocket[Any, Any, State]


class Ingest:
    """Admits agents and dispatches their messages. An agent's errors end its own connection only."""

    def __init__(
        self, control: Control, bus: Bus, presence: Presence, recorder: IngestWriter, enrolment: Enrolment
    ) -> None:
        self._control = control
        self._bus = bus
        self._presence = presence
        self._recorder = recorder
        self._enrolment = enrolment
        self._current: dict[str, _Connection] = {}

    async def handle(self, socket: Socket) -> None:
        """Serves one connection until it ends."""
        await socket.accept()
        session = self._enrolment.session()
        try:
            try:
                hello = await self._admit(socket, session)
            except (ProtocolError, TimeoutError) as error:
                await _refuse(socket, session, error)
                return
            if hello is None:
                await socket.close()
                return
            connection = _Connection(socket, session, hello, self)
            await self._run(connection, hello)
        except WebSocketDisconnect:
            return

    async def _admit(self, socket: Socket, session: HubSession) -> messages.Hello | None:
        """The hello of an admitted host; None: the connection was for something else, which was answered."""
        await socket.send_bytes(session.challenge())
        async with asyncio.timeout(HELLO_S):
            first = session.receive(await _receive(socket))
        try:
            match first:
                case messages.Hello():
                    answer, only_boot = await self._enrolment.admit(session, first)
                    first = structs.replace(first, facts=_plain(first.facts))
                    await self._check_identity(first, only_boot, _address(socket))
                    await self._control.enrolments.save_facts(first.host_id, first.facts, time.time_ns())
                case messages.Join():
                    answer = pack(await self._enrolment.join(session, first, _address(socket)))
                case messages.InstanceJoin():
                    answer = pack(await self._enrolment.join_instance(session, first, _address(socket)))
                case messages.Rotate():
                    answer = pack(await self._enrolment.rotate(session, first))
                case _:
                    raise ProtocolError(
                        "out_of_order", "unexpected first message; Hello, Join or Rotate expected"
                    )
        except StoreError as error:
            raise ProtocolError(error.code, str(error)) from error
        await socket.send_bytes(answer)
        if not isinstance(first, messages.Hello):
            return None
        # Sent first: orders after it are signed by the newest key.
        keys = self._enrolment.order_keys() if first.follows else None
        if keys is not None:
            await socket.send_bytes(pack(keys))
        authorities = self._enrolment.authorities(first.host_id) if first.certificate else None
        if authorities is not None:
            await socket.send_bytes(pack(authorities))
        return first

    async def _check_identity(self, hello: messages.Hello, only_boot: str | None, address: str) -> None:
        """Raises ProtocolError where another machine, or another agent of this one, uses the host's key."""
        host_id, boot_id = hello.host_id, hello.facts.boot_id
        older = self._current.get(host_id)
        lives = older is not None and await older.lives()
        if lives and older is not None and older.boot_id == boot_id:
            self._presence.fault(host_id, "hub.twice")
            raise ProtocolError("twice", "another agent of this machine is connected with the same identity")
        admitted = only_boot or (older.boot_id if lives and older is not None else boot_id)
        if admitted == boot_id:
            if only_boot is not None:
                await self._control.identity_conflicts.settle(host_id)
            return
        now_ms = time.time_ns() // 1_000_000
        row = IdentityConflictRow(host_id, boot_id, hello.facts.hostname, address, now_ms, now_ms)
        await self._control.identity_conflicts.record(row, admitted)
        self._presence.fault(host_id, "hub.held")
        log.error(
            "host %s: identity conflict: a second machine (%s at %s) has its key and is refused",
            host_id,
            row.hostname,
            address,
        )
        raise ProtocolError(IDENTITY_CONFLICT.code, IDENTITY_CONFLICT.detail)

    async def _run(self, connection: "_Connection", hello: messages.Hello) -> None:
        host_id = hello.host_id
        older = self._current.get(host_id)
        if older is not None:
            log.warning("host %s has connected again; its older connection is closed", host_id)
            await older.close("another connection of this host took over")
        self._current[host_id] = connection
        with self._bus.respond(agent_of(host_id), connection.respond):
            number = self._presence.connected(hello, time.time_ns())
            log.info(
                "host %s (%s) is connected, source %s", hello.facts.hostname, host_id, hello.facts.source
            )
            try:
                await connection.run()
            except ProtocolError as error:
                log.warning("host %s violates the protocol: %s", host_id, error)
                await _refuse(connection.socket, connection.session, error)
            finally:
                if self._current.get(host_id) is connection:
                    del self._current[host_id]
                self._presence.disconnected(host_id, number)
                log.info("host %s is disconnected", host_id)

    async def store(self, connection: "_Connection", block: messages.Block | messages.Gap) -> None:
        """Stores one block or gap and acknowledges it."""
        try:
            await self._recorder.put(connection.host_id, self._presence.corrected(connection.host_id, block))
        except BadBlockError as error:
            log.error("host %s: a block can never be stored: %s", connection.host_id, error)
            self._presence.fault(connection.host_id, "hub.rejected")
            answer: messages.Message = messages.Reject(
                boot_id=block.boot_id, first_ns=block.first_ns, code=error.code, detail=str(error)[:1000]
            )
        else:
            last_ns = block.last_ns if isinstance(block, messages.Gap) else 0
            answer = messages.Ack(boot_id=block.boot_id, first_ns=block.first_ns, last_ns=last_ns)
        await connection.send(answer)

    def handle_message(self, connection: "_Connection", message: messages.FromAgent | LiveFrame) -> None:
        """Dispatches a message that needs no answer."""
        host_id = connection.host_id
        match message:
            case LiveFrame(data):
                self._bus.publish(frames_of(host_id), data)
            case messages.Heartbeat():
                self._presence.beat(host_id, message, time.time_ns())
            case messages.OrderResult():
                self._bus.publish(ORDER_RESULTS, (host_id, message))
            case messages.Inspection():
                connection.answered(message)
            case messages.Goodbye():
                self._bus.publish(GOODBYES, (host_id, message))
            case messages.AgentLog():
                log.info("host %s logs (%s): %s", host_id, message.level, message.text)
            case _:
                pass


class _Connection:
    """One admitted agent."""

    def __init__(self, socket: Socket, session: HubSession, hello: messages.Hello, ingest: Ingest) -> None:
        self.socket = socket
        self.session = session
        self.host_id = hello.host_id
        self.boot_id = hello.facts.boot_id
        self._received = asyncio.Event()
        self._ended = False
        self._ingest = ingest
        self._inspections: dict[str, asyncio.Future[messages.Inspection]] = {}
        self._blocks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Receives until the connection ends. Raises ProtocolError."""
        try:
            while True:
                message = self.session.receive(await _receive(self.socket))
                self._received.set()
                if isinstance(message, messages.Block | messages.Gap):
                    self._take(message)
                else:
                    self._ingest.handle_message(self, message)
        except WebSocketDisconnect:
            return
        finally:
            self._ended = True
            # Wakes whoever waits in lives().
            self._received.set()
            for task in self._blocks:
                task.cancel()
            await asyncio.gather(*self._blocks, return_exceptions=True)
            for waiting in self._inspections.values():
                if not waiting.done():
                    waiting.set_exception(NobodyThereError(self.host_id))

    async def lives(self) -> bool:
        """Whether anything arrives within :data:`LIVES_S`: an agent sends a heartbeat each second."""
        self._received.clear()
        try:
            async with asyncio.timeout(LIVES_S):
                await self._received.wait()
        except TimeoutError:
            return False
        return not self._ended

    def _take(self, block: messages.Block | messages.Gap) -> None:
        if len(self._blocks) >= BLOCKS:
            raise ProtocolError(
                "too_many_blocks", f"over {BLOCKS} blocks without waiting for acknowledgement"
            )
        task = asyncio.create_task(self._ingest.store(self, block))
        self._blocks.add(task)
        task.add_done_callback(self._stored)

    def _stored(self, task: "asyncio.Task[None]") -> None:
        self._blocks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, WebSocketDisconnect):
            log.error("host %s: a block was not stored: %s", self.host_id, error, exc_info=error)

    async def respond(self, message: messages.FromHub) -> messages.Inspection | None:
        """Sends a message to the agent; of an Inspect the answer is awaited. Raises NobodyThereError."""
        if not isinstance(message, messages.Inspect):
            await self._send_or_raise(message)
            if isinstance(message, messages.Refused):
                await self.close(message.code)
            return None
        waiting: asyncio.Future[messages.Inspection] = asyncio.get_running_loop().create_future()
        self._inspections[message.request_id] = waiting
        try:
            await self._send_or_raise(message)
            return await waiting
        finally:
            del self._inspections[message.request_id]

    async def _send_or_raise(self, message: messages.Message) -> None:
        try:
            await self.send(message)
        except (WebSocketDisconnect, RuntimeError) as error:
            # It has just gone, and the address with it; the message may be on its way.
            raise DeliveryUnknownError(self.host_id) from error

    def answered(self, inspection: messages.Inspection) -> None:
        """Passes an inspection to the request that waits for it."""
        waiting = self._inspections.get(inspection.request_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(inspection)

    async def send(self, message: messages.Message) -> None:
        """One typed message."""
        await self.socket.send_bytes(pack(message))

    async def close(self, reason: str) -> None:
        """Closes the connection."""
        try:
            await self.socket.close(code=1008, reason=reason)
        except (WebSocketDisconnect, RuntimeError):
            # It has just ended by itself.
            return


def _address(socket: Socket) -> str:
    return socket.client.host if socket.client else ""


async def _receive(socket: Socket) -> bytes:
    data = await socket.receive_data(mode="binary")
    if not isinstance(data, bytes):
        raise ProtocolError("bad_kind", "a text message; binary expected")
    return data


async def _refuse(socket: Socket, session: HubSession, error: Exception) -> None:
    code = error.code if isinstance(error, ProtocolError) else "too_slow"
    detail = error.detail if isinstance(error, ProtocolError) else f"no hello within {HELLO_S:.0f} s"
    try:
        await socket.send_bytes(session.refuse(code, detail))
        await socket.close(code=1008, reason=code)
    except (WebSocketDisconnect, RuntimeError):
        return


def _plain(facts: messages.HostFacts) -> messages.HostFacts:
    """With texts that can be shown, whatever the agent sends."""
    names = ("hostname", "kernel", "os", "architecture", "agent_version", "source")
    return structs.replace(
        facts,
        **{name: readable(getattr(facts, name)) for name in names},
        blind_spots=[readable(sentence) for sentence in facts.blind_spots],
    )
