"""What waits for the hub: what is kept, what is given up, and who works on the spool."""

import asyncio
import logging
import threading
from pathlib import Path

import pytest

from tests.support.waiting import until
from tests.unit.agent.test_link import block
from tukur.agent import outbox as module
from tukur.agent.outbox import Outbox
from tukur.agent.spool.format import Span
from tukur.agent.spool.spool import Spool, Ticket
from tukur.protocol import messages
from tukur.protocol.hub_side import pack


class SlowSpool(Spool):
    """Whose put takes until the test lets it go on, and whose length cannot be asked for meanwhile."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.may_go_on = threading.Event()
        self.busy = False

    def put(self, span: Span, data: bytes) -> Ticket:
        self.busy = True
        self.may_go_on.wait(5)
        ticket = super().put(span, data)
        self.busy = False
        return ticket

    def __len__(self) -> int:
        if self.busy:
            raise RuntimeError("dictionary changed size during iteration")
        return super().__len__()


def final(number: int) -> messages.OrderResult:
    return messages.OrderResult(order_id=f"order {number}", outcome="exited", final=True)


def running(number: int) -> messages.OrderResult:
    return messages.OrderResult(order_id=f"order {number}", outcome="delivered", final=False)


def asked(number: int) -> messages.Inspection:
    return messages.Inspection(request_id=f"request {number}", alive=False)


async def sent_by(outbox: Outbox, count: int) -> list[bytes]:
    sent: list[bytes] = []

    async def send(data: bytes) -> None:
        sent.append(data)

    task = asyncio.create_task(outbox.deliver(send))
    await until(lambda: len(sent) >= count)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return sent


def nothing() -> None:
    pass


async def test_how_much_is_spooled_can_be_asked_while_a_block_is_written(tmp_path: Path) -> None:
    spool = SlowSpool(tmp_path)
    outbox = Outbox(spool, nothing)
    recording = asyncio.create_task(outbox.record(block(1)))
    await until(lambda: spool.busy)
    assert outbox.spooled == 0
    spool.may_go_on.set()
    await recording
    assert outbox.spooled == 1


async def test_a_cancelled_recording_leaves_the_spool_to_nobody_while_its_thread_works(
    tmp_path: Path,
) -> None:
    spool = SlowSpool(tmp_path)
    outbox = Outbox(spool, nothing)
    recording = asyncio.create_task(outbox.record(block(1)))
    await until(lambda: spool.busy)
    recording.cancel()
    await asyncio.sleep(0.02)
    assert not recording.done()
    spool.may_go_on.set()
    await asyncio.gather(recording, return_exceptions=True)
    assert not spool.busy
    assert outbox.spooled == 1


async def test_a_message_that_could_not_be_sent_is_sent_again(tmp_path: Path) -> None:
    outbox = Outbox(Spool(tmp_path), nothing)
    outbox.send(final(1))

    async def broken(_: bytes) -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await outbox.deliver(broken)
    outbox.end()
    assert await sent_by(outbox, 1) == [pack(final(1))]


async def test_past_the_bound_the_least_important_goes_first_and_no_final_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "MESSAGES", 4)
    outbox = Outbox(Spool(tmp_path), nothing)
    for message in (final(1), asked(1), running(1), asked(2)):
        outbox.send(message)
    assert outbox.refused == 0
    with caplog.at_level(logging.ERROR, "tukur.agent.outbox"):
        outbox.send(final(2))
        outbox.send(final(3))
        outbox.send(asked(3))
        outbox.send(final(4))
        outbox.send(final(5))
    assert outbox.refused == 4
    assert "4 messages wait for the hub" in caplog.text
    assert await sent_by(outbox, 5) == [pack(final(number)) for number in (1, 2, 3, 4, 5)]


async def test_a_fault_of_the_spool_ends_the_delivery_with_its_error(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    outbox = Outbox(spool, nothing)

    def failing(_: object) -> None:
        raise ValueError("unexpected")

    spool.newest = failing  # type: ignore[method-assign, assignment]

    async def send(_: bytes) -> None:
        pass

    with pytest.raises(ValueError, match="unexpected"):
        async with asyncio.timeout(20):
            await outbox.deliver(send)


async def test_a_goodbye_is_said_to_a_hub_that_understands_it(tmp_path: Path) -> None:
    outbox = Outbox(Spool(tmp_path), lambda: None)
    outbox.begin(takes_gaps=True, takes_goodbye=True)
    sent: list[bytes] = []

    async def send(data: bytes) -> None:
        sent.append(data)

    delivering = asyncio.create_task(outbox.deliver(send))
    await outbox.say_goodbye(5)
    assert sent == [pack(messages.Goodbye())]
    delivering.cancel()
    await asyncio.wait([delivering])


async def test_no_goodbye_is_said_to_an_older_hub_nor_waited_for_without_a_hub(tmp_path: Path) -> None:
    outbox = Outbox(Spool(tmp_path), lambda: None)
    async with asyncio.timeout(1):
        await outbox.say_goodbye(60)
        outbox.begin(takes_gaps=True)
        await outbox.say_goodbye(60)
    assert not outbox._messages
