"""Looks after the record in the background: adds hours up, merges blocks, deletes what is too old."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from tukur.hub.maintenance.forecast import Forecast, LevelGrowth, forecast
from tukur.hub.settings import HubSettings
from tukur.hub.store.errors import StoreError
from tukur.hub.store.maintenance.merging import MergeStore
from tukur.hub.store.maintenance.retention import RetentionStore
from tukur.hub.store.maintenance.retention_policy import DAY_MS, Cutoffs
from tukur.hub.store.maintenance.space import Space
from tukur.hub.store.maintenance.usage import UsageStore
from tukur.hub.store.record.rollups import HOUR_MS, RollupStore
from tukur.hub.store.store import Store

log = logging.getLogger(__name__)

ROUND_S = 60.0
LATE_MS = 300_000
"""How long after its end an hour is added up: its last blocks are in by then."""
SETTLED_MS = HOUR_MS
"""How old blocks are when they are merged: one that was held up may still come and fit in."""
SHARE = 0.2
"""The share of its time that the keeper works in, at most; for the rest the record is the others'."""
LEAST_SECONDS_MS = HOUR_MS
LEAST_MINUTES_MS = DAY_MS
"""What is kept of each level however little room there is."""
STEPS = 50
"""A level that must shrink loses so small a part of its age at once."""
SHRINK_TO = 0.98
"""Of its bound; else each minute a little would have to go."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the record takes now and will take."""

    oldest: Cutoffs | None
    """Of each level; None: nothing is recorded."""
    used_bytes: int
    room_bytes: int | None
    """What it may still grow by; None: the database is on another machine and has no bound."""
    forecast: Forecast | None
    """None: it is too young to tell."""


class Maintenance:
    """One for each hub. Where the store fails it tries again a round later."""

    def __init__(
        self, store: Store, settings: HubSettings, clock_ms: Callable[[], int] | None = None
    ) -> None:
        database = store.database
        self._database = database
        self._settings = settings
        self._now_ms = clock_ms or (lambda: time.time_ns() // 1_000_000)
        self._levels = RollupStore(database)
        self._merging = MergeStore(database)
        self._retention = RetentionStore(database)
        self._usage = UsageStore(database)
        self._no_use_until_ms = 0
        self._overdue = False
        self.space = Space(database)

    async def run(self) -> None:
        """Round after round, for ever. One that an unexpected error ended comes first in the next run."""
        while True:
            if not self._overdue:
                await asyncio.sleep(ROUND_S)
            self._overdue = True
            try:
                await self.round()
            except StoreError as error:
                log.error("maintenance failed, the next try is in %d s: %s", ROUND_S, error)
            self._overdue = False

    async def round(self) -> None:
        """All that is due now. Raises StoreError."""
        # Without anything to write the server would end the connection, and with it this hub's hold.
        await self._database.ensure_connected()
        now_ms = await self._record_ms()
        await self._retention.prepare_days(now_ms)
        while await self._levels.add_up(now_ms - LATE_MS, 50):
            await self._rest(0.05)
        await self.trim(now_ms)
        await self._merge(now_ms - SETTLED_MS)

    async def trim(self, now_ms: int) -> int:
        """Deletes what is older than it is kept, and more where all takes too much room; how many rows."""
        keep = self._settings.keep
        deleted = await self._delete(await self._retention.by_days(keep.cutoffs(now_ms), now_ms))
        if keep.max_bytes and now_ms >= self._no_use_until_ms:
            deleted += await self._shrink(now_ms, keep.max_bytes)
        while await self.space.give_back():
            await self._rest(0.02)
        return deleted

    async def _shrink(self, now_ms: int, most: int) -> int:
        used, deleted = await self.space.used(), 0
        goal = most if used <= most else int(most * SHRINK_TO)
        while used > goal:
            cutoffs = await self._narrower(now_ms)
            if cutoffs is None:
                log.warning("the record takes %d bytes, more than %d, and nothing more may go", used, most)
                break
            deleted += await self._delete(cutoffs)
            before, used = used, await self.space.used()
            if used >= before and not await self.space.is_exact():
                # To go on would delete far too much before the server counts again.
                self._no_use_until_ms = now_ms + HOUR_MS
                break
        return deleted

    async def outlook(self) -> Outlook:
        """The record now, and as it will be. Raises StoreError."""
        used = await self.space.used()
        room = await self.space.left(self._settings.data_dir)
        keep = self._settings.keep
        if keep.max_bytes:
            bound = max(keep.max_bytes - used, 0)
            room = bound if room is None else min(room, bound)
        oldest, newest_ms = await self._retention.oldest(), await self._retention.newest_ms()
        if oldest is None or newest_ms is None:
            return Outlook(oldest, used, room, None)
        growth = await self._usage.growth(oldest, newest_ms)
        levels = [
            LevelGrowth(growth.seconds, newest_ms - oldest.seconds_ms, keep.seconds_ms),
            LevelGrowth(growth.minutes, newest_ms - oldest.minutes_ms, keep.minutes_ms),
            LevelGrowth(growth.hours, newest_ms - min(oldest.hours_ms, oldest.minutes_ms), keep.hours_ms),
        ]
        return Outlook(oldest, used, room, forecast(levels, used, 2**62 if room is None else room))

    async def _record_ms(self) -> int:
        """Now; but no later than a day after the newest sample: a clock that jumped ahead deletes nothing."""
        newest = await self._retention.newest_ms()
        return min(self._now_ms(), (newest or 0) + DAY_MS)

    async def _delete(self, cutoffs: Cutoffs) -> int:
        number = 0
        begun = time.monotonic()
        async for deleted in self._retention.trim(cutoffs):
            number += deleted
            await self._rest(time.monotonic() - begun)
            begun = time.monotonic()
        return number

    async def _narrower(self, now_ms: int) -> Cutoffs | None:
        """Cutoffs that take a little more of the oldest: of the seconds first, of the lives last."""
        oldest = await self._retention.oldest()
        if oldest is None:
            return None
        whole = self._settings.keep.cutoffs(now_ms)
        for name, least_ms in (
            ("seconds_ms", LEAST_SECONDS_MS),
            ("minutes_ms", LEAST_MINUTES_MS),
            ("hours_ms", LEAST_MINUTES_MS),
        ):
            begin: int = getattr(oldest, name)
            until = min(begin + max((now_ms - begin) // STEPS, 60_000) + 1, now_ms - least_ms)
            if until > begin:
                return Cutoffs(
                    **{
                        level: max(getattr(whole, level), until if level == name else 0)
                        for level in ("seconds_ms", "minutes_ms", "hours_ms")
                    }
                )
        return None

    async def _merge(self, before_ms: int) -> None:
        deadline = time.monotonic() + ROUND_S
        for boot in await self._merging.boots():
            begun = time.monotonic()
            while await self._merging.merge(boot, before_ms):
                await self._rest(time.monotonic() - begun)
                begun = time.monotonic()
                if begun > deadline:
                    return

    @staticmethod
    async def _rest(worked_s: float) -> None:
        await asyncio.sleep(worked_s * (1 - SHARE) / SHARE)
