"""Watches over machines of instance groups that are silent: the group is asked what became of them."""

import asyncio
import contextlib
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from tukur.hub.bus import GOODBYES, SILENCES, Bus, Subscription
from tukur.hub.cloud.api import GoogleUnavailableError
from tukur.hub.cloud.groups import Groups, Members
from tukur.hub.cloud.verdict import PREEMPTED, RUNNING, UNKNOWN, Verdict, judge, preempted
from tukur.hub.hosts.presence import Presence
from tukur.hub.store.control.instances import Instances, Judged, WatchedInstance
from tukur.hub.store.errors import StoreError
from tukur.protocol.messages import Goodbye

log = logging.getLogger(__name__)

ROUND_S = 20.0
"""How often the groups of silent hosts are asked again."""
SOON_S = 5.0
"""The same while one has just become silent, or Google does not answer."""
GATHER_S = 0.5
"""Hosts that become silent within this time are asked for together."""
GRACE_S = 20.0
"""So long a machine that runs may be silent before it is reported down: it may be live-migrated or reboot."""
START_GRACE_S = 60.0
"""The same from the hub's start on: the agents come back one after the other."""
GOODBYE_S = 60.0
"""For so long after a goodbye the rounds come soon, so that the end of the connection is not missed."""


class Lifecycle:
    """Asks one question for each group and round, and only while a host of the group is silent."""

    def __init__(
        self,
        instances: Instances,
        groups: Groups,
        presence: Presence,
        bus: Bus,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`clock`: the wall clock, seconds."""
        self._instances = instances
        self._groups = groups
        self._presence = presence
        self._bus = bus
        self._clock = clock
        self._started_s = clock()
        self._goodbyes: dict[str, tuple[float, bool]] = {}
        """Host to (until when the rounds come soon for it, whether it said that it is preempted)."""
        self._failing: set[str] = set()
        """Groups for which Google did not answer."""

    async def run(self) -> None:
        """Asks until it is cancelled."""
        async with self._bus.subscribe(SILENCES, GOODBYES, size=10_000) as news:
            while True:
                try:
                    soon = await self.round()
                except StoreError as error:
                    log.error("cannot look after silent hosts: %s", error)
                    soon = True
                await self._wait(news, SOON_S if soon else ROUND_S)

    async def _wait(self, news: Subscription, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                self._heard(await news.get())
        await asyncio.sleep(GATHER_S)
        while not news.empty():
            self._heard(await news.get())

    def _heard(self, item: tuple[str, Goodbye | None]) -> None:
        host_id, goodbye = item
        if goodbye is not None:
            self._goodbyes[host_id] = (self._clock() + GOODBYE_S, goodbye.preempted)

    async def round(self) -> bool:
        """Asks for every silent host once; whether the next round is due soon. Raises StoreError."""
        now_s = self._clock()
        self._goodbyes = {host: said for host, said in self._goodbyes.items() if said[0] > now_s}
        online = self._presence.all_online()
        silent: defaultdict[str, list[WatchedInstance]] = defaultdict(list)
        for watched in await self._instances.watched():
            if watched.host_id not in online:
                silent[watched.instance.group].append(watched)
        # A goodbye alone decides nothing: whoever is connected is there.
        waiting = not online.isdisjoint(self._goodbyes)
        if not silent:
            return waiting
        asked_ms = int(now_s * 1000)
        answers = await asyncio.gather(*(self._ask(group) for group in silent))
        judged: list[Judged] = []
        for members, hosts in zip(answers, silent.values(), strict=True):
            found, waits = self._judge(members, hosts, asked_ms)
            judged += found
            waiting = waiting or waits or members is None
        if judged:
            await self._instances.judge(judged)
        return waiting

    async def _ask(self, group: str) -> Members | None:
        """What the group has; None: Google does not answer."""
        try:
            members = await self._groups.members(group)
        except GoogleUnavailableError as error:
            if group not in self._failing:
                log.warning("cannot ask what became of the silent hosts of %s: %s", group, error)
            self._failing.add(group)
            return None
        if group in self._failing:
            log.info("%s can be asked again", group)
            self._failing.discard(group)
        return members

    def _judge(
        self, members: Members | None, hosts: Iterable[WatchedInstance], asked_ms: int
    ) -> tuple[Sequence[Judged], bool]:
        """(what is new, whether a host that runs is not silent for long enough yet)."""
        judged, waits = [], False
        for watched in hosts:
            verdict = Verdict(UNKNOWN) if members is None else judge(watched.instance, members)
            if self._said_preempted(watched):
                verdict = preempted(verdict)
            if verdict.state == RUNNING and self._silent_s(watched, asked_ms) < GRACE_S:
                waits = True
            elif self._is_new(watched, verdict):
                judged.append(Judged(watched.host_id, *verdict, asked_ms))
                log.info("%s (%s) is silent: %s %s", watched.instance.name, watched.host_id, *verdict)
        return judged, waits

    def _said_preempted(self, watched: WatchedInstance) -> bool:
        known = watched.instance
        kept = known.reason == PREEMPTED and known.asked_ms > self._seen_ms(watched)
        return kept or self._goodbyes.get(watched.host_id, (0.0, False))[1]

    def _seen_ms(self, watched: WatchedInstance) -> int:
        state = self._presence.get(watched.host_id)
        return max(watched.seen_ms, state.seen_wall_ns // 1_000_000 if state is not None else 0)

    def _silent_s(self, watched: WatchedInstance, asked_ms: int) -> float:
        """For how long it is; since the hub's start the agents have a while to come back."""
        since_ms = float(self._seen_ms(watched))
        if self._presence.get(watched.host_id) is None:
            since_ms = max(since_ms, 1000 * (self._started_s + START_GRACE_S - GRACE_S))
        return (asked_ms - since_ms) / 1000

    def _is_new(self, watched: WatchedInstance, verdict: Verdict) -> bool:
        known = watched.instance
        if known.asked_ms <= self._seen_ms(watched):
            # What was said before it was heard again counts no more, and reads as unknown.
            return verdict.state != UNKNOWN
        return (known.state, known.reason) != verdict
