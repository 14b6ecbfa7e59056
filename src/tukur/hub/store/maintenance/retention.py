"""Deletes what is older than the retention policy allows, in short transactions."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any

from sqlalchemy import Select, Table, delete, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from tukur.hub.store.backends.database import Database
from tukur.hub.store.maintenance.partitions import PartitionStore
from tukur.hub.store.maintenance.retention_policy import DAY_MS, Cutoffs
from tukur.hub.store.payloads import Payloads
from tukur.hub.store.record.commands import delete_commands, unused_commands
from tukur.hub.store.schema import (
    block,
    boot,
    device_hour,
    device_minute,
    gap,
    host,
    host_hour,
    host_minute,
    image,
    life_group,
    oom_kill,
    process,
    process_hour,
    process_minute,
    recorded_hour,
    run,
)

BATCH = 500
"""Blocks or lives deleted by one transaction, at most."""
WHOLE_DAYS_MS = 2 * DAY_MS
"""Data kept at least so long is deleted in whole days if there are partitions."""
ROWS = 2000
"""Rows of minutes or hours deleted by one transaction, plus the rest of the last instant."""


_Owned = tuple[Table, str, str]
_MINUTES: tuple[_Owned, ...] = (
    (host_minute, "host", "minute_ms"),
    (device_minute, "host", "minute_ms"),
    (process_minute, "boot", "minute_ms"),
)
_HOURS: tuple[_Owned, ...] = (
    (host_hour, "host", "hour_ms"),
    (device_hour, "host", "hour_ms"),
    (recorded_hour, "host", "hour_ms"),
    (process_hour, "boot", "hour_ms"),
    (life_group, "boot", "at_ms"),
    (oom_kill, "boot", "at_ms"),
    (gap, "boot", "last_ms"),
    # A boot has few.
    (run, "boot", "first_ms"),
)
"""(table, owner, time): in large tables an index begins with the owner and the time."""


class RetentionStore:
    """Each generator deletes batch by batch, each in a short transaction, and yields the number of rows."""

    def __init__(self, database: Database, partitions: PartitionStore, payloads: Payloads) -> None:
        self._database = database
        self._partitions = partitions
        self._payloads = payloads

    async def align_to_partitions(self, cutoffs: Cutoffs, now_ms: int) -> Cutoffs:
        """The cutoffs, with partitions rounded down to whole days."""
        if not await self._partitions.has_partitions():
            return cutoffs

        def floored(cutoff_ms: int) -> int:
            # If data is kept for hours only, one more day would be too much.
            return cutoff_ms // DAY_MS * DAY_MS if now_ms - cutoff_ms >= WHOLE_DAYS_MS else cutoff_ms

        return Cutoffs(floored(cutoffs.seconds_ms), floored(cutoffs.minutes_ms), cutoffs.hours_ms)

    async def prepare_partitions(self, now_ms: int) -> None:
        """Creates the partitions for what will be recorded next."""
        oldest = await self.oldest()
        await self._partitions.ensure(min(oldest.minutes_ms, now_ms) if oldest else now_ms, now_ms)

    async def trim(self, cutoffs: Cutoffs) -> AsyncGenerator[int, None]:
        """Deletes all that is older than the cutoffs."""
        for part in (
            self._partitions.drop(cutoffs.seconds_ms),
            self.blocks(cutoffs.seconds_ms),
            self._partitions.drop_minutes(cutoffs.minutes_ms),
            self._timed(_MINUTES, cutoffs.minutes_ms),
            self._timed(_HOURS, cutoffs.hours_ms),
            self._lives(cutoffs.hours_ms),
            self._commands(cutoffs.hours_ms),
        ):
            async for deleted in part:
                yield deleted

    async def blocks(self, before_ms: int) -> AsyncGenerator[int, None]:
        """Deletes blocks whose last sample is older."""
        columns = block.c
        for number in await self._numbers(host):
            old = (
                select(columns.boot, columns.first_ns)
                .where(columns.host == number, columns.last_ms < before_ms)
                .order_by(columns.last_ms)
                .limit(BATCH)
            )
            while keys := await self._keys(old):
                async with self._database.write() as connection:
                    await self._payloads.delete(
                        connection, [(boot_no, first_ns) for boot_no, first_ns in keys]
                    )
                yield len(keys)

    async def _timed(self, tables: Sequence[_Owned], before_ms: int) -> AsyncGenerator[int, None]:
        for table, owner_name, time_name in tables:
            owner, at = table.c[owner_name], table.c[time_name]
            for number in await self._numbers(host if owner_name == "host" else boot):
                old = select(at).where(owner == number, at < before_ms).order_by(at).limit(ROWS)
                while times := await self._keys(old):
                    async with self._database.write() as connection:
                        # Includes all rows of the last instant: those of one minute are not many.
                        done = await connection.execute(
                            delete(table).where(owner == number, at <= times[-1][0])
                        )
                    yield int(done.rowcount)

    async def _lives(self, before_ms: int) -> AsyncGenerator[int, None]:
        """Deletes lives that ended before, with their images; of earlier boots also those with no end."""
        columns, current = process.c, await self._current_boots()
        for number in await self._numbers(boot):
            over: Any = columns.last_ms < before_ms
            if number not in current:
                over = or_(over, columns.last_ms.is_(None) & (columns.first_ms < before_ms))
            old = (
                select(columns.boot, columns.start_ns, columns.pid)
                .where(columns.boot == number, over)
                .limit(BATCH)
            )
            while keys := await self._keys(old):
                async with self._database.write() as connection:
                    for table in (image, process):
                        await _delete(connection, table, tuple(table.primary_key)[:3], keys)
                yield len(keys)

    async def _commands(self, before_ms: int) -> AsyncGenerator[int, None]:
        """Deletes commands that no life has run since then."""
        while True:
            async with self._database.read() as connection:
                # One day more: the use of a command is updated once a day.
                numbers = await unused_commands(connection, before_ms - DAY_MS, BATCH)
            if not numbers:
                return
            async with self._database.write() as connection:
                await delete_commands(connection, numbers)
            yield len(numbers)

    async def _keys(self, wanted: Select[Any]) -> list[tuple[Any, ...]]:
        async with self._database.read() as connection:
            return [tuple(row) for row in await connection.execute(wanted)]

    async def oldest(self) -> Cutoffs | None:
        """The oldest block, minute and hour over all hosts; None: nothing is recorded."""
        async with self._database.read() as connection:
            numbers = [int(number) for number in (await connection.execute(select(host.c.id))).scalars()]
            found = []
            # The first entry of the index for each host: as quick with a year of blocks as with an hour.
            for owner, at in (
                (block.c.host, block.c.last_ms),
                (host_minute.c.host, host_minute.c.minute_ms),
                (host_hour.c.host, host_hour.c.hour_ms),
            ):
                firsts = [
                    await connection.execute(select(func.min(at)).where(owner == number))
                    for number in numbers
                ]
                known = [value for first in firsts if (value := first.scalar_one()) is not None]
                found.append(min(known, default=None))
        if found[0] is None and found[1] is None:
            return None
        last = max(value for value in found if value is not None)
        return Cutoffs(*(last if value is None else int(value) for value in found))

    async def newest_ms(self) -> int | None:
        """The newest recorded sample of all hosts."""
        newest = select(func.max(block.c.last_ms)).group_by(block.c.host)
        async with self._database.read() as connection:
            found = [int(last) for last in (await connection.execute(newest)).scalars()]
        return max(found, default=None)

    async def _numbers(self, table: Table) -> list[int]:
        async with self._database.read() as connection:
            return [int(number) for number in (await connection.execute(select(table.c.id))).scalars()]

    async def _current_boots(self) -> set[int]:
        # Not by number: after an outage blocks of a boot may arrive after those of the next one.
        newest = select(boot.c.host, func.max(boot.c.booted_ms)).group_by(boot.c.host)
        wanted = select(boot.c.id).where(tuple_(boot.c.host, boot.c.booted_ms).in_(newest))
        async with self._database.read() as connection:
            return {int(number) for number in (await connection.execute(wanted)).scalars()}


async def _delete(
    connection: AsyncConnection, table: Table, key: Sequence[Any], keys: Sequence[tuple[Any, ...]]
) -> None:
    """Deletes by the first columns of the primary key."""
    await connection.execute(delete(table).where(tuple_(*key).in_(keys)))
