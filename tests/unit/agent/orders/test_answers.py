"""Every order and every inspection is answered, whatever fails."""

import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
import pytest

from tukur.agent.facts import boot_id
from tukur.agent.orders.answers import inspection, order_results
from tukur.agent.orders.executor import Executor
from tukur.agent.orders.gate import OrderGate
from tukur.agent.policy.policy import SIGNALS, Policy
from tukur.protocol import auth, messages
from tukur.protocol.messages import Inspect, Inspection, OrderBody, OrderResult, ProcessKey
from tukur.sources.proc import CLOCK_TICK_NS, read_stat

HOST = "11111111-2222-3333-4444-555555555555"
KEY = auth.new_key()


def own_start_ns() -> int:
    stat = read_stat(os.getpid())
    assert stat is not None
    return stat.start_ticks * CLOCK_TICK_NS


def signed(start_ns: int) -> messages.Order:
    now = time.time_ns()
    body = msgspec.msgpack.encode(
        OrderBody(
            order_id="o1",
            host_id=HOST,
            target=ProcessKey(boot_id(), os.getpid(), start_ns),
            signal="CONT",
            nonce=os.urandom(16),
            issued_wall_ns=now,
            expires_wall_ns=now + 10**10,
            actor="ada",
        )
    )
    return messages.Order(body=body, signature=auth.sign(KEY, auth.order_text(body)))


def executor(exact: Callable[[int], int | None]) -> Executor:
    return Executor(Policy(signals=SIGNALS, own_pid=1), exact, 0.5)


async def results_of(order: messages.Order, by: Executor) -> list[OrderResult]:
    gate = OrderGate(HOST, boot_id(), auth.public_key(KEY))
    return [each async for each in order_results(order, time.time_ns(), gate, by)]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(5, "Input/output error"), "source_failed"),
        (ValueError("a row of 3 bytes; 128 expected"), "source_failed"),
        (RuntimeError("no such state"), "unexpected"),
    ],
)
async def test_a_source_that_fails_while_the_start_is_compared_is_reported_and_nothing_is_sent(
    monkeypatch: pytest.MonkeyPatch, error: Exception, code: str
) -> None:
    def fails(_: int) -> int:
        raise error

    sent: list[str] = []
    monkeypatch.setattr(
        "tukur.agent.orders.process_handle.ProcessHandle.send", lambda _, name: sent.append(name)
    )
    # One nanosecond in the tick: exact enough that the source is asked.
    (last,) = await results_of(signed(own_start_ns() + 1), executor(fails))
    assert (last.outcome, last.final, last.code) == ("failed", True, code)
    assert str(error) in last.detail
    assert not sent


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ([], ("failed", "unexpected")),
        ([("delivered", False)], ("failed", "not_observed")),
        ([("delivered", False), ("exited", False)], ("exited", "")),
    ],
)
async def test_an_executor_that_raises_ends_in_a_final_result_all_the_same(
    monkeypatch: pytest.MonkeyPatch, before: list[tuple[messages.Outcome, bool]], expected: tuple[str, str]
) -> None:
    async def execute(_: Executor, body: OrderBody) -> AsyncIterator[OrderResult]:
        for outcome, final in before:
            yield OrderResult(order_id=body.order_id, outcome=outcome, final=final)
        raise KeyError("unforeseen")

    monkeypatch.setattr(Executor, "execute", execute)
    results = await results_of(signed(own_start_ns()), executor(lambda _: None))
    assert [each.final for each in results] == [False] * len(before) + [True]
    assert (results[-1].outcome, results[-1].code) == expected
    assert "unforeseen" in results[-1].detail


@pytest.mark.parametrize(("shift_ns", "alive"), [(0, True), (CLOCK_TICK_NS, False)])
async def test_an_inspection_whose_source_fails_says_whether_the_process_lives(
    shift_ns: int, *, alive: bool
) -> None:
    def fails() -> Awaitable[Inspection]:
        raise OSError(5, "Input/output error")

    target = ProcessKey(boot_id(), os.getpid(), own_start_ns() + shift_ns)
    answer = await inspection(Inspect(request_id="i1", target=target), boot_id(), fails)
    assert (answer.request_id, answer.alive) == ("i1", alive)
