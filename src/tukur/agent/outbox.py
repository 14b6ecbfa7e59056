"""What waits to be sent to the hub: messages that must arrive, live frames, heartbeats, and the spool."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, NamedTuple, ParamSpec, TypeVar

from tukur.agent.cost import Cost
from tukur.agent.spool.drain import DEFAULT_RATE, Drain
from tukur.agent.spool.format import span_of
from tukur.agent.spool.spool import Spool
from tukur.protocol import messages
from tukur.protocol.hub_side import pack

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

FRAMES = 3
"""Live frames that wait, at most: past that the viewers get a key frame instead."""
MESSAGES = 1000
"""Messages that must arrive and wait, at most; the final results of orders are kept beyond it."""
_FINAL = 2


class _Waiting(NamedTuple):
    importance: int
    data: bytes


class Outbox:
    """Decides what is sent next: results of orders first, blocks last.

    Heartbeats and live frames may be dropped; a message that must arrive waits until it was sent, blocks and
    gaps stay in the spool until they are acknowledged. All use of the spool is here: one thread at a time.
    """

    def __init__(
        self,
        spool: Spool,
        frames_lost: Callable[[], None],
        rate: float = DEFAULT_RATE,
        cost: Cost | None = None,
    ) -> None:
        """`rate`: bytes a second of what was recorded before; `frames_lost`: a key frame is due."""
        self._spool = spool
        self._cost = cost or Cost()
        self._frames_lost = frames_lost
        self._spool_lock = asyncio.Lock()
        self._drain = Drain(spool, rate)
        self._messages: deque[_Waiting] = deque()
        self._frames: deque[bytes] = deque()
        self._heartbeat: bytes | None = None
        self._staged: bytes | None = None
        self._open = False
        self._takes_goodbye = False
        self._wake = asyncio.Event()
        self._fed = asyncio.Event()
        self._settled = asyncio.Event()
        self._sent = asyncio.Event()
        self.spooled = len(spool)
        """Blocks in the spool. Counted while no thread works on it: `len(spool)` is for nobody else."""
        self.refused = 0
        """Messages given up because :data:`MESSAGES` waited."""

    def set_rate(self, rate: float) -> None:
        """Bytes a second of what was recorded before, from now on."""
        self._drain.set_rate(rate)
        self._wake.set()

    # --- what the agent offers

    def send(self, message: messages.Message) -> None:
        """A message that must arrive, such as an order's result."""
        self._messages.append(_Waiting(_importance(message), pack(message)))
        if len(self._messages) > MESSAGES:
            self._refuse_one()
        self._wake.set()

    def _refuse_one(self) -> None:
        """Gives up the oldest of the least important messages, but no order's final result."""
        least = min(self._messages, key=lambda waiting: waiting.importance)
        if least.importance == _FINAL:
            return
        self._remove(least)
        self.refused += 1
        if self.refused in (1, 10, 100) or self.refused % 1000 == 0:
            log.error("%d messages wait for the hub: %d were dropped so far", MESSAGES, self.refused)

    def beat(self, heartbeat: messages.Heartbeat) -> None:
        """The newest heartbeat; replaces one that was not sent yet."""
        if self._open:
            self._heartbeat = pack(heartbeat)
            self._wake.set()

    def frame(self, frame: bytes) -> None:
        """One live frame. Frames are differences: where one is lost, a key frame must follow."""
        if not self._open:
            return
        if len(self._frames) >= FRAMES:
            self._frames.clear()
            self._frames_lost()
            return
        self._frames.append(messages.FRAME + frame)
        self._wake.set()

    async def record(self, block: messages.Block) -> None:
        """Spools one block; it is sent when its turn comes."""
        with self._cost.part("encode"):
            data = pack(block)
        async with self._spool_lock:
            # The disk may be slow; sampling must not wait for it.
            ticket = await self._in_thread(self._spool.put, span_of(block), data)
            self._drain.recorded(ticket)
        log.debug("block %s-%020d is in the spool", block.boot_id, block.first_ns)
        self._fed.set()

    async def drained(self, seconds: float) -> bool:
        """Whether the spool is empty within `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                while self.spooled:
                    self._settled.clear()
                    await self._settled.wait()
        except TimeoutError:
            return False
        return True

    async def say_goodbye(self, seconds: float, *, preempted: bool = False) -> None:
        """Tells the hub that this agent was told to end, where a hub is there that understands it."""
        if not self._open or not self._takes_goodbye:
            return
        self.send(messages.Goodbye(preempted=preempted))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._open and self._messages:
                    self._sent.clear()
                    await self._sent.wait()

    # --- what the connection takes and hands over

    def begin(self, *, takes_gaps: bool, takes_goodbye: bool = False) -> None:
        """A connection is open."""
        self._open = True
        self._takes_goodbye = takes_goodbye
        self._drain.begin(takes_gaps=takes_gaps)

    def end(self) -> None:
        """It is lost: what was not acknowledged waits again, frames and heartbeats are outdated."""
        self._open = False
        self._drain.end()
        self._staged = None
        self._frames.clear()
        self._heartbeat = None

    async def deliver(self, send: Callable[[bytes], Coroutine[Any, Any, None]]) -> None:
        """Sends all there is, until it is cancelled. Raises what `send` raises, OSError."""
        feeder = asyncio.create_task(self._feed(), name="feeder")
        sender = asyncio.create_task(self._send_all(send), name="sender")
        try:
            done, _ = await asyncio.wait((feeder, sender), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            feeder.cancel()
            sender.cancel()
            await asyncio.gather(feeder, sender, return_exceptions=True)

    async def acknowledged(self, ack: messages.Ack) -> None:
        """The hub has a block, or a gap up to `last_ns`."""
        if ack.last_ns:
            async with self._spool_lock:
                await self._in_thread(self._spool.gap_done, ack.boot_id, ack.first_ns, ack.last_ns)
        else:
            await self._settle(ack.boot_id, ack.first_ns)

    async def rejected(self, reject: messages.Reject) -> None:
        """The hub can never store a block: it is set aside for a person to look at."""
        log.error("the hub cannot store a block: %s (%s)", reject.detail, reject.code)
        await self._settle(reject.boot_id, reject.first_ns, quarantine="rejected")

    async def _settle(self, boot_id: str, first_ns: int, quarantine: str = "") -> None:
        async with self._spool_lock:
            ticket = self._drain.acknowledged(boot_id, first_ns)
            if ticket is not None and quarantine:
                await self._in_thread(self._spool.quarantine, ticket, quarantine)
            elif ticket is not None:
                await self._in_thread(self._spool.done, ticket)
        self._settled.set()
        self._fed.set()

    async def _send_all(self, send: Callable[[bytes], Coroutine[Any, Any, None]]) -> None:
        while True:
            if self._messages:
                first = self._messages[0]
                await self._cost.awaited("send", send(first.data))
                # Only now: had the connection broken, it would be sent by the next one.
                self._remove(first)
                self._sent.set()
            elif (data := self._next()) is not None:
                await self._cost.awaited("send", send(data))
            else:
                await self._wake.wait()
                self._wake.clear()

    def _remove(self, waiting: _Waiting) -> None:
        for index, one in enumerate(self._messages):
            if one is waiting:
                del self._messages[index]
                return

    def _next(self) -> bytes | None:
        if self._frames:
            return self._frames.popleft()
        if self._heartbeat is not None:
            beat, self._heartbeat = self._heartbeat, None
            return beat
        block, self._staged = self._staged, None
        if block is not None:
            self._fed.set()
        return block

    async def _feed(self) -> None:
        """Keeps the next block at hand, so that nothing else waits for the disk."""
        while True:
            wait = None
            if self._staged is None:
                async with self._spool_lock:
                    self._staged = await self._in_thread(self._drain.next)
                    wait = self._drain.wait_s() if self._staged is None else None
                self._wake.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._fed.wait()
            self._fed.clear()

    async def _in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Works on the spool, whose lock is held; a cancellation waits until the thread is done with it."""
        working = asyncio.ensure_future(asyncio.to_thread(self._measured, partial(work, *args, **kwargs)))
        try:
            return await asyncio.shield(working)
        finally:
            while not working.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([working])
            self.spooled = len(self._spool)

    def _measured(self, work: Callable[[], T]) -> T:
        with self._cost.part("spool"):
            return work()


def _importance(message: messages.Message) -> int:
    """What is given up last has the highest: an order's outcome is sent once."""
    if not isinstance(message, messages.OrderResult):
        return 0
    return _FINAL if message.final else 1
