"""Rollups: hours are summed from minutes once they are over, and again if a late block changed them."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Select, Table, delete, false, func, insert, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from tukur.hub.store.backends.bulk import merge
from tukur.hub.store.backends.database import Database, retry_on_conflict
from tukur.hub.store.schema import (
    boot,
    device_hour,
    device_minute,
    host_hour,
    host_minute,
    process_hour,
    process_minute,
    recorded_hour,
)

MINUTE_MS = 60_000
HOUR_MS = 3_600_000


async def mark_hours(connection: AsyncConnection, times: Iterable[tuple[int, int]]) -> None:
    """Marks, in the transaction that changes minutes, their hours as stale: to be summed again.

    `times`: (host, an instant in milliseconds).
    """
    hours = sorted({(host_no, at_ms // HOUR_MS * HOUR_MS) for host_no, at_ms in times})
    rows = [{"host": host_no, "hour_ms": hour_ms, "stale": True} for host_no, hour_ms in hours]
    # Both sides lock the row: the summing transaction sees the minutes of those that marked it before.
    await merge(connection, recorded_hour, rows, maxima=("stale",))


class RollupStore:
    """Sums minutes to hours, and reads both together. All methods raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_up(self, before_ms: int, limit: int) -> int:
        """Sums the oldest stale hours that ended before `before_ms`, one transaction each; how many."""
        columns = recorded_hour.c
        # With `IS TRUE` a server would not use the index.
        wanted = (
            select(columns.host, columns.hour_ms)
            .where(columns.stale == true(), columns.hour_ms <= before_ms - HOUR_MS)
            .order_by(columns.hour_ms)
            .limit(limit)
        )
        async with self._database.read() as connection:
            hours = list(await connection.execute(wanted))
        for host_no, hour_ms in hours:
            await self._add_up(host_no, hour_ms)
        return len(hours)

    @retry_on_conflict
    async def _add_up(self, host_no: int, hour_ms: int) -> None:
        async with self._database.write() as connection:
            columns = recorded_hour.c
            await connection.execute(
                update(recorded_hour)
                .where(columns.host == host_no, columns.hour_ms == hour_ms)
                .values(stale=False)
            )
            boots = select(boot.c.id).where(boot.c.host == host_no)
            numbers = [int(number) for number in (await connection.execute(boots)).scalars()]
            await _replace(connection, host_hour, host_minute, [host_no], hour_ms)
            await _replace(connection, device_hour, device_minute, [host_no], hour_ms)
            await _replace(connection, process_hour, process_minute, numbers, hour_ms)

    async def fresh_hours(self, host_no: int, from_ms: int, to_ms: int) -> list[int]:
        """The hours that lie entirely within [from, to) and are not stale, in order."""
        columns = recorded_hour.c
        wanted = (
            select(columns.hour_ms)
            .where(
                columns.host == host_no,
                columns.hour_ms >= from_ms,
                columns.hour_ms <= to_ms - HOUR_MS,
                columns.stale == false(),
            )
            .order_by(columns.hour_ms)
        )
        async with self._database.read() as connection:
            return [int(hour) for hour in (await connection.execute(wanted)).scalars()]

    async def process_sums(self, host_no: int, from_ms: int, to_ms: int) -> list[Any]:
        """Sums of what each life did in the minutes that begin in [from, to).

        Rows of boot, start_ns, pid, cpu_ns, rss_peak, read_bytes, write_bytes; a life may have several.
        """
        fresh = await self.fresh_hours(host_no, from_ms, to_ms)
        boots = select(boot.c.id).where(boot.c.host == host_no)
        found: list[Any] = []
        async with self._database.read() as connection:
            numbers = [int(number) for number in (await connection.execute(boots)).scalars()]
            for begin, end in _runs(fresh):
                found += await connection.execute(_sums(process_hour, numbers, begin, end))
            for begin, end in _between(fresh, from_ms, to_ms):
                found += await connection.execute(_sums(process_minute, numbers, begin, end))
        return found

    async def figures(self, host_no: int, from_ms: int, to_ms: int, *, coarse: bool) -> list[Any]:
        """The host's figures of the minutes that begin in [from, to), by time.

        Rows of at_ms, samples, then low, high and total of each of ``schema.FIGURES``. With `coarse` an hour
        that is not stale has one row instead of sixty.
        """
        return await self._rows((host_hour, host_minute), host_no, (from_ms, to_ms), coarse=coarse)

    async def devices(self, host_no: int, from_ms: int, to_ms: int, *, coarse: bool) -> list[Any]:
        """The same of each disk and interface: at_ms, then the other columns of ``schema.device_minute``."""
        return await self._rows((device_hour, device_minute), host_no, (from_ms, to_ms), coarse=coarse)

    async def _rows(
        self, tables: tuple[Table, Table], host_no: int, span: tuple[int, int], *, coarse: bool
    ) -> list[Any]:
        hours, minutes = tables
        fresh = await self.fresh_hours(host_no, *span) if coarse else []
        wanted = [(hours, begin, end) for begin, end in _runs(fresh)]
        wanted += [(minutes, begin, end) for begin, end in _between(fresh, *span)]
        found: list[Any] = []
        async with self._database.read() as connection:
            for table, begin, end in sorted(wanted, key=lambda part: part[1]):
                owner, at = _OWNER_AND_TIME[table]
                figures = select(at.label("at_ms"), *list(table.c)[2:])
                found += await connection.execute(
                    figures.where(owner == host_no, at >= begin, at < end).order_by(at)
                )
        return found

    async def has_minutes(self, host_no: int, at_ms: int) -> bool:
        """Whether the minutes from `at_ms` on are still kept, as far as the host existed."""
        oldest = []
        async with self._database.read() as connection:
            for table in (host_minute, host_hour):
                owner, at = _OWNER_AND_TIME[table]
                first = select(at).where(owner == host_no).order_by(at).limit(1)
                oldest.append((await connection.execute(first)).scalar_one_or_none())
        minute, hour = oldest
        return hour is None or (minute is not None and minute - HOUR_MS < max(at_ms, hour))


_OWNER_AND_TIME = {
    table: tuple(table.primary_key)[:2]
    for table in (device_hour, device_minute, host_hour, host_minute, process_hour, process_minute)
}
_PEAKS: dict[str, Any] = {"low": func.min, "high": func.max, "peak": func.max}
"""How columns with these suffixes are aggregated; all others are summed."""


async def _replace(
    connection: AsyncConnection, hours: Table, minutes: Table, owners: Sequence[int], hour_ms: int
) -> None:
    """Replaces the hour's rows by sums of its minutes."""
    owner, hour = _OWNER_AND_TIME[hours]
    minute_owner, minute = _OWNER_AND_TIME[minutes]
    known = select(minute).where(minute_owner.in_(owners), minute >= hour_ms, minute < hour_ms + HOUR_MS)
    if (await connection.execute(known.limit(1))).first() is None:
        # Its minutes are no longer kept: their sum is all there is.
        return
    await connection.execute(delete(hours).where(owner.in_(owners), hour == hour_ms))
    names = [column.name for column in hours.columns]
    keys = [column for column in minutes.primary_key if column is not minute]
    values: list[Any] = [
        minutes.c[column.name]
        if column.primary_key
        else _PEAKS.get(column.name.rpartition("_")[2], func.sum)(minutes.c[column.name])
        for column in hours.columns
        if column is not hour
    ]
    summed: Select[Any] = (
        select(values[0], func.max(minute - minute % HOUR_MS), *values[1:])
        .where(minute_owner.in_(owners), minute >= hour_ms, minute < hour_ms + HOUR_MS)
        .group_by(*keys)
    )
    await connection.execute(insert(hours).from_select(names, summed))


def _sums(table: Table, boots: Sequence[int], from_ms: int, to_ms: int) -> Select[Any]:
    columns = table.c
    _, at = _OWNER_AND_TIME[table]
    return (
        select(
            columns.boot,
            columns.start_ns,
            columns.pid,
            func.sum(columns.cpu_ns).label("cpu_ns"),
            func.max(columns.rss_peak).label("rss_peak"),
            func.sum(columns.read_bytes).label("read_bytes"),
            func.sum(columns.write_bytes).label("write_bytes"),
        )
        .where(columns.boot.in_(boots), at >= from_ms, at < to_ms)
        .group_by(columns.boot, columns.start_ns, columns.pid)
    )


def _runs(hours: Sequence[int]) -> list[tuple[int, int]]:
    """Hours that follow each other, as (begin, end)."""
    runs: list[tuple[int, int]] = []
    for hour in hours:
        if runs and runs[-1][1] == hour:
            runs[-1] = (runs[-1][0], hour + HOUR_MS)
        else:
            runs.append((hour, hour + HOUR_MS))
    return runs


def _between(hours: Sequence[int], from_ms: int, to_ms: int) -> list[tuple[int, int]]:
    """The parts of [from, to) that are in none of these hours."""
    left = []
    at = from_ms
    for begin, end in _runs(hours):
        if at < begin:
            left.append((at, begin))
        at = end
    return [*left, (at, to_ms)] if at < to_ms else left
