"""The agent: samples each second, records, and does what the hub may ask."""

import asyncio
import gc
import logging
import math
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from tukur import heap
from tukur.agent.clock import SECOND, Instant, Ticker, now
from tukur.agent.cost import Cost
from tukur.agent.facts import boot_id, host_facts
from tukur.agent.frames import FrameMaker
from tukur.agent.joining.google import is_preempted
from tukur.agent.joining.hub_address import hub_uri
from tukur.agent.joining.identity import IdentityError, IdentitySource
from tukur.agent.link import Link
from tukur.agent.machine import MachineWatch
from tukur.agent.memory_metric import MemoryMetric, on_google
from tukur.agent.orders.answers import inspection, order_results
from tukur.agent.orders.executor import Executor
from tukur.agent.orders.frozen import FrozenCgroups
from tukur.agent.orders.gate import OrderGate
from tukur.agent.orders.inspection import inspect
from tukur.agent.outbox import Outbox
from tukur.agent.policy.policy import PolicySource
from tukur.agent.recording.block_recorder import BlockRecorder, Sampled
from tukur.agent.recording.images import Images
from tukur.agent.recording.scrub import Scrubber
from tukur.agent.spool.drain import DEFAULT_RATE
from tukur.agent.spool.spool import Bounds, Spool
from tukur.protocol import auth, messages
from tukur.protocol.agent_side import AgentSession
from tukur.records import Departed, Losses, Snapshot, TaskArray, host_rates
from tukur.sources.base import Source
from tukur.sources.cgroups import CgroupPaths
from tukur.sources.host import HostReader
from tukur.sources.oom import OomReader
from tukur.sources.users import Users
from tukur.supervisor import Supervisor

log = logging.getLogger(__name__)

_COLLECT_S = 0.26
"""Between two readings of what the kernel holds of ended lives: a little over a quarter, so that the last one
before a sample is not just before it."""


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """What an agent needs to know."""

    identity: IdentitySource
    spool: Path
    policy: PolicySource
    spool_bounds: Bounds = field(default_factory=Bounds)
    drain_rate: float = DEFAULT_RATE
    """Bytes a second at which the past is sent once the hub is back."""
    scrubber: Scrubber = field(default_factory=Scrubber)


class Agent:
    """One host's agent. :meth:`run` is all that is called from outside. Raises IdentityError when made."""

    def __init__(self, settings: AgentSettings, source: Source) -> None:
        self._settings = settings
        identity = settings.identity.load()
        self._source = source
        self._boot_id = boot_id()
        self._host = HostReader()
        self._ticker = Ticker()
        self._cost = Cost()
        self._cgroups = CgroupPaths()
        self._oom = OomReader()
        self._users = Users()
        self._images = Images(settings.scrubber, cgroup_path=self._cgroups.path, users=self._users)
        self._recorder = BlockRecorder(self._boot_id, self._images)
        self._frames = FrameMaker(self._boot_id)
        self._watched = False
        self._gate = OrderGate(identity.host_id, self._boot_id, identity.order_key)
        self._frozen = FrozenCgroups(settings.spool.parent / "frozen")
        self._executor = Executor(settings.policy, self._exact_start, frozen=self._frozen, users=self._users)
        self._spool = Spool(settings.spool, settings.spool_bounds)
        self._outbox = Outbox(self._spool, self._frames.request_key, settings.drain_rate, self._cost)
        self._link = Link(
            hub_uri(identity.hub),
            self._session,
            self._outbox,
            self._handle,
            lambda: settings.identity.load().trust,
        )
        self._session_before: AgentSession | None = None
        self._turn = 0
        self._supervisor = Supervisor()
        self._source_faults = 0
        self._source_name = source.name
        self._reported_policy = settings.policy.current()
        self._machine = MachineWatch()
        self._lost = Losses()

    async def run(self, stop: asyncio.Event) -> None:
        """Works until `stop` is set; then what was recorded is flushed, and sent if the hub is there."""
        # What the modules made at import lives for ever: the collector need not walk it each time.
        gc.freeze()
        await self._frozen.thaw_left()
        self._supervisor.run("link", self._link.run)
        if on_google():
            self._supervisor.run("memory metric", MemoryMetric(self._memory_used).run)
        sampling = self._supervisor.run("sampling", self._sample_forever)
        self._supervisor.run("heap", heap.run)
        try:
            await stop.wait()
        finally:
            sampling.cancel()
            await asyncio.wait([sampling])
            recorded = self._flush()
            if recorded is not None:
                await recorded
            if self._link.connected.is_set():
                await self._say_goodbye()
                await self._outbox.drained(3)
            await self._supervisor.close()
            self.close()

    async def _say_goodbye(self) -> None:
        try:
            is_instance = self._settings.identity.load().google
        except IdentityError:
            is_instance = False
        await self._outbox.say_goodbye(1, preempted=is_instance and await is_preempted(1))

    def change(self, bounds: Bounds, drain_rate: float) -> None:
        """Other bounds of the spool, and another rate of the past in bytes a second, while it runs."""
        self._spool.bounds = bounds
        self._outbox.set_rate(drain_rate)

    def close(self) -> None:
        """Closes every file; :meth:`run` ends with it."""
        self._source.close()
        self._host.close()
        self._cgroups.close()
        self._oom.close()
        self._spool.close()

    async def _sample_forever(self) -> None:
        while True:
            wait = self._ticker.wait_ns(now())
            if wait > 0:
                await asyncio.sleep(min(wait / SECOND, _COLLECT_S))
                self._collect()
                continue
            self._sample(now())
            if self._recorder.due():
                self._flush()

    def _collect(self) -> None:
        try:
            with self._cost.part("collect"):
                self._source.collect()
        except (OSError, ValueError) as error:
            self._count_fault(error)

    def _count_fault(self, error: Exception) -> None:
        """Counts a reading that failed; logged now and then, not each time."""
        self._source_faults += 1
        if self._source_faults in (1, 10, 100) or self._source_faults % 1000 == 0:
            log.error("source %s failed (%d times): %s", self._source.name, self._source_faults, error)

    def _sample(self, at: Instant) -> None:
        missed = self._ticker.taken(at)
        try:
            with self._cost.part("host"):
                host = self._host.read()
            with self._cost.part("read"):
                snapshot = Snapshot(at.wall_ns, at.boot_ns, host, self._source.read())
        except (OSError, LookupError, ValueError) as error:
            # One failing reading must not end the watch: it is counted and shown, the next is tried.
            self._count_fault(error)
            self._ticker.failed(missed)
            return
        except Exception:
            # The supervisor starts the sampling again; this sample is missing all the same.
            self._ticker.failed(missed)
            raise
        with self._cost.part("collect"):
            departed = self._departed(snapshot.tasks)
        if self._source.name != self._source_name:
            self._source_name = self._source.name
            self._supervisor.spawn("renew", self._link.renew())
        policy = self._settings.policy.current()
        if policy != self._reported_policy:
            self._reported_policy = policy
            self._supervisor.spawn("renew", self._link.renew())
        if self._machine.is_due(snapshot.host, at.boot_ns):
            self._supervisor.spawn("renew", self._link.renew())
        for cgroup_id, path in departed.cgroups:
            self._cgroups.learn(cgroup_id, path)
        self._lost += departed.lost
        if self._recorder.clock_stepped(at) or self._recorder.interrupted(at):
            self._flush()
        with self._cost.part("account"):
            sampled = self._recorder.add(snapshot, missed, departed, self._oom.read(), rows=self._watched)
        with self._cost.part("encode"):
            self._publish(sampled)

    def _memory_used(self) -> float | None:
        newest = self._recorder.newest
        if newest is None:
            return None
        used = host_rates(newest.host, newest.host, 0, 0)
        share = used.mem_used / used.mem_total if used.mem_total else math.nan
        return None if math.isnan(share) else share

    def _departed(self, living: TaskArray) -> Departed:
        """The lives that ended; none where that cannot be read: the snapshot is good all the same."""
        try:
            return self._source.departed(living)
        except (OSError, LookupError, ValueError) as error:
            self._count_fault(error)
            return Departed()

    def _publish(self, sampled: Sampled) -> None:
        self._outbox.beat(self._heartbeat(sampled))
        if self._watched:
            self._outbox.frame(
                self._frames.frame(
                    sampled.snapshot,
                    sampled.rows,
                    sampled.rates,
                    sampled.fresh,
                    self._images.all(),
                    sampled.devices,
                )
            )

    def _heartbeat(self, sampled: Sampled) -> messages.Heartbeat:
        faults = {f"host.{name}": count for name, count in self._host.faults.items()}
        if self._source_faults:
            faults[f"source.{self._source.name}"] = self._source_faults
        if self._lost.lives:
            faults["lives.lost"] = self._lost.lives
        if self._spool.dropped:
            faults["spool.dropped"] = self._spool.dropped
        if self._spool.damaged:
            faults["spool.damaged"] = self._spool.damaged
        if self._spool.fault:
            faults["spool.unwritable"] = 1
        if self._outbox.refused:
            faults["messages.dropped"] = self._outbox.refused
        faults |= self._images.faults()
        faults |= {f"task.{name}": count for name, count in self._supervisor.crashes().items()}
        return messages.Heartbeat(
            wall_ns=sampled.snapshot.wall_ns,
            boot_ns=sampled.snapshot.boot_ns,
            rates=msgspec.to_builtins(sampled.rates),
            top=sampled.top,
            missed=self._ticker.missed,
            spooled=self._outbox.spooled,
            faults=faults,
            cost_us=self._cost.us(),
        )

    def _flush(self) -> asyncio.Task[None] | None:
        """Closes the block; the task ends when it is in the spool."""
        with self._cost.part("encode"):
            block = self._recorder.flush()
        return None if block is None else self._supervisor.spawn("record", self._outbox.record(block))

    # --- what the hub asks

    def _session(self, certificate: bytes) -> AgentSession:
        # A new connection begins unwatched: the hub says so again where somebody watches.
        self._watched = False
        newest = self._recorder.newest
        machine = self._machine.report(newest.host if newest is not None else self._host.read())
        self._reported_policy = self._settings.policy.current()
        facts = host_facts(self._source, self._reported_policy, machine, self._oom_blind())
        identity = self._settings.identity.load()
        # While a new key is put in place of the old one, either may be the one that the hub knows.
        keys = [key for key in (identity.key, identity.next_key) if key]
        if self._session_before is not None and not self._session_before.open:
            self._turn += 1
        session = AgentSession(identity.host_id, keys[self._turn % len(keys)], facts, certificate=certificate)
        self._session_before = session
        return session

    async def _trust_authorities(self, message: messages.Authorities) -> None:
        source = self._settings.identity
        identity = source.load()
        text = auth.authorities_text(identity.host_id, message.certificates)
        if not auth.verify(identity.order_key, text, message.signature):
            log.error("other authorities are named for the hub, and not by its order key: refused")
        elif await asyncio.to_thread(source.trust_authorities, message.certificates):
            log.info("the hub has another authority; it is trusted from now on")

    async def _pin_order_key(self, message: messages.OrderKeys) -> None:
        source = self._settings.identity
        pinned = source.load().order_key
        newest = auth.follow(pinned, message.succession)
        if newest != pinned:
            await asyncio.to_thread(source.pin_order_key, newest)
            self._gate.follow(newest)
            log.info("the hub has another order key, signed by the one before; it is pinned from now on")

    def _oom_blind(self) -> list[str]:
        return [self._oom.blind_spot] if self._oom.blind_spot else []

    async def _handle(self, message: messages.FromHub) -> None:
        match message:
            case messages.Watch(on=on):
                self._watched = on
                self._frames.request_key()
            case messages.Order():
                self._supervisor.spawn("order", self._order(message))
            case messages.OrderKeys():
                # At once: what comes after it is signed by the newest key.
                await self._pin_order_key(message)
            case messages.Authorities():
                self._supervisor.spawn("authorities", self._trust_authorities(message))
            case messages.Inspect():
                self._supervisor.spawn("inspect", self._inspect(message))
            case _:
                pass

    async def _order(self, order: messages.Order) -> None:
        async for result in order_results(order, now().wall_ns, self._gate, self._executor):
            self._outbox.send(result)

    async def _inspect(self, request: messages.Inspect) -> None:
        def answer() -> Coroutine[None, None, messages.Inspection]:
            policy = self._settings.policy.current()
            return inspect(request, self._boot_id, self._source.read(), self._images, policy, self._users)

        self._outbox.send(await inspection(request, self._boot_id, answer))

    def _exact_start(self, pid: int) -> int | None:
        if self._source.name == "procfs":
            return None
        tasks: TaskArray = self._source.read()
        found = tasks["start_ns"][tasks["pid"] == pid]
        return int(found[0]) if len(found) else None
