"""Looks after the record in the background: adds hours up, merges blocks, deletes what is too old."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tukur.hub.maintenance.forecast import Forecast, RollupGrowth, forecast
from tukur.hub.store.errors import StoreError
from tukur.hub.store.maintenance.retention_policy import DAY_MS, Cutoffs, RetentionPolicy
from tukur.hub.store.record.rollups import HOUR_MS
from tukur.hub.store.store import Store

log = logging.getLogger(__name__)

ROUND_S = 60.0
LATE_MS = 300_000
"""How long after its end an hour is rolled up: its last blocks have arrived by then."""
SETTLED_MS = HOUR_MS
"""How old blocks are when they are merged: a delayed one may still arrive."""
SHARE = 0.2
"""The share of the time that maintenance may use the database, at most."""
MIN_SECONDS_MS = HOUR_MS
MIN_MINUTES_MS = DAY_MS
"""What is always kept, however little space there is."""
STEPS = 50
"""A resolution that must shrink loses one of so many parts of its age at a time."""
SHRINK_TO = 0.98
"""Of the maximum size; otherwise something would have to be deleted each minute."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """The size of the record, now and in the future."""

    oldest: Cutoffs | None
    """Of each resolution; None: nothing is recorded."""
    used_bytes: int
    room_bytes: int | None
    """How much it can still grow; None: the database is on a server and has no limit."""
    forecast: Forecast | None
    """None: the record is too young for a forecast."""


class Maintenance:
    """One for each hub. Where the store fails it tries again a round later."""

    def __init__(
        self, store: Store, keep: RetentionPolicy, data_dir: Path, clock_ms: Callable[[], int] | None = None
    ) -> None:
        """`data_dir`: whose disk the embedded database fills."""
        self._database = store.database
        self.keep = keep
        self._data_dir = data_dir
        self._now_ms = clock_ms or (lambda: time.time_ns() // 1_000_000)
        self._rollups = store.facts.rollups
        self._merging = store.merging
        self._retention = store.retention
        self._usage = store.usage
        self._no_use_until_ms = 0
        self._overdue = False
        self.space = store.space

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
        # The server closes an idle connection, and with it this hub's lock would be lost.
        await self._database.ensure_connected()
        now_ms = await self._record_ms()
        await self._retention.prepare_partitions(now_ms)
        while await self._rollups.add_up(now_ms - LATE_MS, 50):
            await self._rest(0.05)
        await self.trim(now_ms)
        await self._merge(now_ms - SETTLED_MS)

    async def trim(self, now_ms: int) -> int:
        """Deletes what the policy does not keep, and more if the record is too large; how many rows."""
        keep = self.keep
        deleted = await self._delete(await self._retention.align_to_partitions(keep.cutoffs(now_ms), now_ms))
        if keep.max_bytes and now_ms >= self._no_use_until_ms:
            deleted += await self._shrink(now_ms, keep.max_bytes)
        while await self.space.give_back():
            await self._rest(0.02)
        return deleted

    async def _shrink(self, now_ms: int, max_bytes: int) -> int:
        used, deleted = await self.space.used(), 0
        goal = max_bytes if used <= max_bytes else int(max_bytes * SHRINK_TO)
        while used > goal:
            cutoffs = await self._narrower(now_ms)
            if cutoffs is None:
                log.warning(
                    "the record has %d bytes, more than the limit of %d, and nothing more can be deleted",
                    used,
                    max_bytes,
                )
                break
            deleted += await self._delete(cutoffs)
            before, used = used, await self.space.used()
            if used >= before and not await self.space.is_exact():
                # Going on would delete far too much before the server updates its statistics.
                self._no_use_until_ms = now_ms + HOUR_MS
                break
        return deleted

    async def outlook(self) -> Outlook:
        """The size of the record now, and its forecast. Raises StoreError."""
        used = await self.space.used()
        room = await self.space.left(self._data_dir)
        keep = self.keep
        if keep.max_bytes:
            bound = max(keep.max_bytes - used, 0)
            room = bound if room is None else min(room, bound)
        oldest, newest_ms = await self._retention.oldest(), await self._retention.newest_ms()
        if oldest is None or newest_ms is None:
            return Outlook(oldest, used, room, None)
        growth = await self._usage.growth(oldest, newest_ms)
        growths = [
            RollupGrowth(growth.seconds, newest_ms - oldest.seconds_ms, keep.seconds_ms),
            RollupGrowth(growth.minutes, newest_ms - oldest.minutes_ms, keep.minutes_ms),
            RollupGrowth(growth.hours, newest_ms - min(oldest.hours_ms, oldest.minutes_ms), keep.hours_ms),
        ]
        return Outlook(oldest, used, room, forecast(growths, used, 2**62 if room is None else room))

    async def _record_ms(self) -> int:
        """Now, but at most a day after the newest sample: a clock that jumped ahead must delete nothing."""
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
        """Cutoffs that delete a little more of the oldest: first seconds, then minutes, then hours."""
        oldest = await self._retention.oldest()
        if oldest is None:
            return None
        policy = self.keep.cutoffs(now_ms)
        for name, min_ms in (
            ("seconds_ms", MIN_SECONDS_MS),
            ("minutes_ms", MIN_MINUTES_MS),
            ("hours_ms", MIN_MINUTES_MS),
        ):
            begin: int = getattr(oldest, name)
            until = min(begin + max((now_ms - begin) // STEPS, 60_000) + 1, now_ms - min_ms)
            if until > begin:
                return Cutoffs(
                    **{
                        field: max(getattr(policy, field), until if field == name else 0)
                        for field in ("seconds_ms", "minutes_ms", "hours_ms")
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
