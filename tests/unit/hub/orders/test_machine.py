"""Orders under every order of events: decisions, lost and repeated messages, restarts, deadlines."""

import asyncio
import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from tests.support.hub import HOST, KEYS, OTHER
from tests.support.record import BOOT, WALL, facts_of
from tests.support.stores import lay_empty_store
from tests.support.waiting import until
from tukur.hub.audit.log import AuditLog, audit_key
from tukur.hub.auth.identity import Identity, Rights, Role
from tukur.hub.bus import ORDER_RESULTS, Bus, DeliveryUnknownError, NobodyThereError, agent_of
from tukur.hub.errors import ProblemError
from tukur.hub.hosts.presence import Presence
from tukur.hub.models.order import Order, OrderRequest
from tukur.hub.orders.key import OrderKey
from tukur.hub.orders.machine import NEXT, Limits, State
from tukur.hub.orders.orders import Orders
from tukur.hub.store.control.audit import AuditQuery
from tukur.hub.store.control.orders import OrderRow
from tukur.hub.store.store import Store
from tukur.protocol import auth, messages
from tukur.protocol.messages import OrderResult

T = TypeVar("T")
LIMITS = Limits()
REQUEST = OrderRequest(boot_id=BOOT, pid=10, start_ns="1234", signal="TERM")


def person(name: str) -> Identity:
    return Identity(name, Rights(Role.OPERATOR), 0, "cookie", b"")


class World:
    """A hub's orders over a real store, with a clock and an agent that do what they are told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now_ns = WALL
        self.received: list[str] = []
        """Orders that reached the agent."""
        self.connection = "good"
        self.store: Store
        self.orders: Orders
        self.audit: AuditLog
        self.bus: Bus

    async def start(self, *, needs_approval: bool | None = None) -> None:
        await lay_empty_store(self.folder)
        self.store = await Store.open(self.folder)
        if needs_approval is not None:
            for host_id in (HOST, OTHER):
                await self.store.control.enrolments.enrol(
                    host_id, auth.public_key(KEYS[host_id]), "owl", WALL
                )
            await self.store.control.enrolments.change(OTHER, needs_approval=needs_approval)
        self.bus = Bus()
        presence = Presence(self.bus)
        for host_id in (HOST, OTHER):
            hello = messages.Hello(host_id=host_id, facts=facts_of(), signature=bytes(64), protocol=1)
            presence.connected(hello, WALL)
            self.bus._responders[agent_of(host_id)] = self._deliver
        self.audit = AuditLog(self.store.control.audit, self.folder, audit_key(self.folder))
        key = OrderKey(self.folder)
        self.orders = Orders(
            self.store, self.bus, presence, self.audit, key, limits=LIMITS, clock_ns=lambda: self.now_ns
        )

    async def _deliver(self, order: messages.Order) -> None:
        body = messages.order_body.decode(order.body)
        if self.connection in ("good", "full", "broke"):
            self.received.append(body.order_id)
        if self.connection == "full":
            raise TimeoutError
        if self.connection in ("broke", "lost"):
            raise DeliveryUnknownError(body.host_id)
        if self.connection == "gone":
            raise NobodyThereError(body.host_id)

    async def restart(self) -> None:
        await self.store.close()
        await self.start()

    def pass_time(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)

    async def issue(self, host_id: str = HOST) -> Order:
        return await self.orders.issue(host_id, REQUEST, "ada", "192.0.2.1")

    async def row(self, order_id: str) -> OrderRow:
        row = await self.store.control.orders.order_row(order_id)
        assert row is not None
        return row

    async def all_entries(self) -> dict[str, Counter[tuple[str, str, str]]]:
        """(actor, action, result) of every audit entry of each order."""
        found: dict[str, Counter[tuple[str, str, str]]] = defaultdict(Counter)
        for each in await self.audit.find(AuditQuery(action="order"), 10_000):
            # A decision that was refused is on record, and is no transition.
            if each.result != "own_order":
                found[json.loads(each.detail)["order_id"]][each.actor, each.action, each.result] += 1
        return found


@pytest.fixture
async def world(tmp_path: Path) -> Any:
    one = World(tmp_path)
    await one.start(needs_approval=True)
    yield one
    await one.store.close()


def result(order_id: str, outcome: Any = "exited", *, final: bool = True, **more: Any) -> OrderResult:
    return OrderResult(order_id=order_id, outcome=outcome, final=final, **more)


async def test_an_order_approved_at_the_end_of_its_wait_is_not_ended_by_that_deadline(world: World) -> None:
    order = await world.issue(OTHER)
    world.pass_time(LIMITS.approval_s - 0.5)
    await world.orders.decide(order.order_id, person("ben"), "", approve=True)
    world.pass_time(1)
    await world.orders.sweep()
    assert not (await world.row(order.order_id)).order.final
    await world.orders.report(OTHER, result(order.order_id))
    assert (await world.row(order.order_id)).order.outcome == "exited"


async def test_after_a_restart_an_order_waits_for_what_is_left_of_its_ten_minutes(world: World) -> None:
    order = await world.issue(OTHER)
    world.pass_time(300)
    await world.restart()
    world.pass_time(299)
    await world.orders.sweep()
    assert (await world.row(order.order_id)).order.outcome == "waiting"
    world.pass_time(1)
    await world.orders.sweep()
    row = await world.row(order.order_id)
    assert (row.order.outcome, row.order.final) == ("declined", True)
    assert row.order.detail == "nobody approved it within 10 minutes"


async def test_an_order_is_not_approved_after_its_deadline_even_before_the_sweep(world: World) -> None:
    order = await world.issue(OTHER)
    world.pass_time(LIMITS.approval_s)
    with pytest.raises(ProblemError) as raised:
        await world.orders.decide(order.order_id, person("ben"), "", approve=True)
    assert raised.value.code == "not_waiting"
    assert not world.received


async def test_an_outcome_after_the_deadline_is_taken_and_then_it_is_the_last(world: World) -> None:
    order_id = (await world.issue()).order_id
    world.pass_time(18)
    await world.orders.sweep()
    overdue = await world.row(order_id)
    assert (overdue.state, overdue.order.outcome, overdue.order.final) == ("unknown", "no_answer", True)
    await world.orders.report(HOST, result(order_id, exit_signal=15))
    await world.orders.report(HOST, result(order_id, "alive"))
    known = await world.row(order_id)
    assert (known.state, known.order.outcome, known.order.exit_signal) == ("final", "exited", 15)
    assert (await world.all_entries())[order_id] == {
        ("ada", "order.issue", "done"): 1,
        ("hub", "order.outcome", "no_answer"): 1,
        (f"host:{HOST}", "order.outcome", "exited"): 1,
    }


async def test_deadline_and_result_at_once_do_not_overwrite_each_other(world: World) -> None:
    for _ in range(10):
        order_id = (await world.issue()).order_id
        world.pass_time(18)
        await asyncio.gather(world.orders.sweep(), world.orders.report(HOST, result(order_id)))
        row = await world.row(order_id)
        assert (row.state, row.order.outcome) == ("final", "exited")


@pytest.mark.parametrize("connection", ["full", "broke"])
async def test_a_connection_that_does_not_confirm_an_order_leaves_it_open(
    world: World, connection: str
) -> None:
    world.connection = connection
    order = await world.issue()
    assert (order.outcome, order.final) == ("pending", False)
    await world.orders.report(HOST, result(order.order_id))
    assert (await world.row(order.order_id)).order.outcome == "exited"


async def test_what_was_reported_before_the_deadline_is_not_replaced_by_it(world: World) -> None:
    order_id = (await world.issue()).order_id
    await world.orders.report(HOST, result(order_id, "delivered", final=False))
    await world.orders.report(HOST, result(order_id, "exited", final=False, exit_code=3))
    world.pass_time(18)
    await world.orders.sweep()
    row = await world.row(order_id)
    assert (row.state, row.order.outcome, row.order.exit_code, row.order.final) == (
        "unknown",
        "exited",
        3,
        True,
    )


async def test_what_was_known_at_the_deadline_and_is_confirmed_after_it_has_an_entry_of_each(
    world: World,
) -> None:
    order_id = (await world.issue()).order_id
    await world.orders.report(HOST, result(order_id, final=False))
    world.pass_time(18)
    await world.orders.sweep()
    await world.orders.report(HOST, result(order_id))
    assert (await world.all_entries())[order_id] == {
        ("ada", "order.issue", "done"): 1,
        (f"host:{HOST}", "order.delivered", "exited"): 1,
        ("hub", "order.outcome", "exited"): 1,
        (f"host:{HOST}", "order.outcome", "exited"): 1,
    }


async def test_results_that_come_before_or_between_two_runs_are_recorded(world: World) -> None:
    first, second = (await world.issue()).order_id, (await world.issue()).order_id
    for order_id in (first, second):
        world.bus.publish(ORDER_RESULTS, (HOST, result(order_id)))
        fails = mock.patch.object(
            world.store.control.orders, "next_deadline_ms", side_effect=[RuntimeError("unforeseen")]
        )
        with fails, pytest.raises(ExceptionGroup):
            await world.orders.run()
    running = asyncio.create_task(world.orders.run())
    for order_id in (first, second):

        async def final(order_id: str = order_id) -> bool:
            return (await world.row(order_id)).order.final

        await until(final, 30, "the result is recorded")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_of_two_people_who_decide_at_once_one_decides(world: World) -> None:
    order = await world.issue(OTHER)
    decisions = [
        world.orders.decide(order.order_id, person("ben"), "", approve=True),
        world.orders.decide(order.order_id, person("eve"), "", approve=True),
        world.orders.decide(order.order_id, person("fay"), "", approve=False),
    ]
    found = await asyncio.gather(*decisions, return_exceptions=True)
    assert sum(isinstance(each, Order) for each in found) == 1
    assert len(world.received) <= 1


def test_every_state_has_its_transitions_and_final_has_none() -> None:
    assert set(NEXT) == set(State)
    assert NEXT[State.FINAL] == frozenset()
    assert NEXT[State.UNKNOWN] == {State.FINAL}


# --- every order of events

CONNECTIONS = ["good", "full", "broke", "lost", "gone"]
OUTCOMES = st.sampled_from(["exited", "alive", "gone", "refused", "failed"])


class OrderLife(RuleBasedStateMachine):
    """Whatever happens, in whatever order: see the invariants."""

    issued = Bundle("issued")
    told = Bundle("told")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.world = World(Path(self.folder.name))
        self.run_until(self.world.start(needs_approval=True))
        self.seen: dict[str, OrderRow] = {}
        self.transitions: Counter[str] = Counter()
        self.reported: dict[str, str] = {}
        """The first final outcome that the agent reported of an order it had, and the hub received."""

    def run_until(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        self.run_until(self.world.store.close())
        self.loop.close()
        self.folder.cleanup()

    @rule(
        target=issued,
        host_id=st.sampled_from([HOST, OTHER]),
        connection=st.sampled_from(CONNECTIONS),
    )
    def issue(self, host_id: str, connection: str) -> Any:
        self.world.connection = connection
        try:
            return self.run_until(self.world.issue(host_id))
        except ProblemError as error:
            assert (error.code, connection) == ("host_offline", "gone")
            return multiple()

    @rule(order=issued, who=st.sampled_from(["ben", "eve", "ada"]), approve=st.booleans())
    def decide(self, order: Order, who: str, *, approve: bool) -> None:
        self.run_until(self._decide(order, who, approve=approve))

    @rule(order=issued)
    def the_hub_ends_between_approval_and_sending(self, order: Order) -> None:
        with mock.patch.object(self.world.orders, "_send", side_effect=ProblemError(503, "not_waiting", "")):
            self.run_until(self._decide(order, "ben", approve=True))
        self.restart()

    @rule(order=issued)
    def two_approve_at_once(self, order: Order) -> None:
        self.run_until(self._together(*(self._decide(order, who, approve=True) for who in ("ben", "eve"))))

    async def _together(self, *work: Coroutine[Any, Any, Any]) -> None:
        await asyncio.gather(*work)

    async def _decide(self, order: Order, who: str, *, approve: bool) -> None:
        try:
            await self.world.orders.decide(order.order_id, person(who), "", approve=approve)
        except ProblemError as error:
            assert (
                error.code == "own_order" if who == "ada" else error.code in ("not_waiting", "host_offline")
            )

    @rule(target=told, order=issued, outcome=OUTCOMES, steps=st.integers(1, 3))
    def act(self, order: Order, outcome: Any, steps: int) -> Any:
        """The agent carries an order out that reached it: what it reports is on its way."""
        if order.order_id not in self.world.received:
            return multiple()
        self.world.received.remove(order.order_id)
        results = [
            result(order.order_id, "delivered", final=False),
            result(order.order_id, "exited", final=False),
            result(order.order_id, outcome),
        ]
        return multiple(*((order.host_id, each) for each in results[-steps:]))

    @rule(report=told)
    def arrive(self, report: tuple[str, OrderResult]) -> None:
        """May come again, and in any order."""
        self.run_until(self._report(report))

    @rule(report=consumes(told))
    def get_lost(self, report: tuple[str, OrderResult]) -> None:
        """It never arrives."""

    @rule(report=told)
    def arrive_at_the_deadline(self, report: tuple[str, OrderResult]) -> None:
        self.run_until(self._together(self.world.orders.sweep(), self._report(report)))

    @rule(report=told)
    def arrive_from_another_host(self, report: tuple[str, OrderResult]) -> None:
        host_id, each = report
        before = self.run_until(self.world.row(each.order_id))
        self.run_until(self.world.orders.report(OTHER if host_id == HOST else HOST, each))
        assert self.run_until(self.world.row(each.order_id)) == before

    async def _report(self, report: tuple[str, OrderResult]) -> None:
        host_id, each = report
        if each.final:
            self.reported.setdefault(each.order_id, each.outcome)
        await self.world.orders.report(host_id, each)

    @rule(seconds=st.sampled_from([0.001, 5, 10, 17.999, 18, 300, 599.999, 600]))
    def pass_time(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @rule()
    def sweep(self) -> None:
        self.run_until(self.world.orders.sweep())
        assert not self.run_until(self.world.store.control.orders.due_orders(self.world.now_ns // 1_000_000))
        for row in self.run_until(self._rows()):
            if row.state in (State.WAITING, State.APPROVED, State.SENT, State.DELIVERED):
                assert row.deadline_ms is not None
                assert row.deadline_ms > self.world.now_ns // 1_000_000

    @rule()
    def restart(self) -> None:
        self.run_until(self.world.restart())

    async def _rows(self) -> list[OrderRow]:
        return [
            await self.world.row(each.order_id)
            for each in await self.world.store.control.orders.list_orders(1000)
        ]

    @invariant()
    def final_is_final_but_for_unknown_that_becomes_known(self) -> None:
        for row in self.run_until(self._rows()):
            before = self.seen.get(row.order.order_id)
            if before is not None and before.state == State.FINAL:
                assert row == before
            if before is not None and before.order.final:
                assert row.order.final
            self.seen[row.order.order_id] = row

    @invariant()
    def what_the_agent_reported_is_the_outcome(self) -> None:
        for order_id, outcome in self.reported.items():
            row = self.run_until(self.world.row(order_id))
            assert (row.state, row.order.outcome) == (State.FINAL, outcome)

    @invariant()
    def each_transition_has_its_one_audit_entry(self) -> None:
        found = self.run_until(self.world.all_entries())
        for row in self.run_until(self._rows()):
            entries = found[row.order.order_id]
            assert max(entries.values()) == 1, entries
            actions = Counter(action for _, action, _ in entries)
            asked = row.order.host_id == OTHER
            assert actions["order.request"] == int(asked)
            assert actions["order.decide"] == int(asked and bool(row.order.approver))
            assert actions["order.issue"] == int(row.sent_ms is not None)
            ended = row.state in (State.UNKNOWN, State.FINAL) and not (
                row.order.outcome == "declined" and row.order.approver
            )
            assert actions["order.outcome"] >= int(ended)
            assert actions["order.outcome"] <= int(ended) + int(row.state == State.FINAL)


TestOrderLife = OrderLife.TestCase
TestOrderLife.settings = settings(
    max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
