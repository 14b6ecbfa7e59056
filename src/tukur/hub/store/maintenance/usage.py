"""How many bytes a day adds to the record, estimated from samples: no table is counted in full."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, Table, func, select

from tukur.hub.store.backends.database import Database
from tukur.hub.store.maintenance.retention_policy import DAY_MS, Cutoffs
from tukur.hub.store.payloads import Payloads
from tukur.hub.store.record.rollups import HOUR_MS, MINUTE_MS
from tukur.hub.store.schema import (
    block,
    boot,
    device_hour,
    device_minute,
    host,
    host_hour,
    host_minute,
    image,
    process,
    process_hour,
    process_minute,
)

WINDOWS = 24
HOSTS = 20
"""Hosts that are sampled, at most; they represent the others."""
_ROW_BYTES = {
    block.name: 120,
    host_minute.name: 500,
    process_minute.name: 40,
    device_minute.name: 90,
    host_hour.name: 500,
    device_hour.name: 90,
    process_hour.name: 40,
    process.name: 110,
    image.name: 130,
}
"""Of a row with its index entries, without its texts and blobs."""


@dataclass(frozen=True, slots=True)
class Growth:
    """Bytes that a day adds at each resolution."""

    seconds: float
    minutes: float
    hours: float


class UsageStore:
    """Samples single minutes of the last day."""

    def __init__(self, database: Database, payloads: Payloads) -> None:
        self._database = database
        self._payloads = payloads

    async def growth(self, oldest: Cutoffs, newest_ms: int) -> Growth:
        """The growth over the last day of the record, or since it began."""
        begin = max(newest_ms - DAY_MS, min(oldest.seconds_ms, oldest.minutes_ms))
        span = max(newest_ms - begin, MINUTE_MS)
        count = max(min(WINDOWS, span // MINUTE_MS), 1)
        starts = [(begin + at * span // count) // MINUTE_MS * MINUTE_MS for at in range(count)]
        per_day = DAY_MS / (count * MINUTE_MS)
        async with self._database.read() as connection:
            hosts = [int(number) for number in (await connection.execute(select(host.c.id))).scalars()]
            sampled = hosts[:: max(len(hosts) // HOSTS, 1)]
            boots = await connection.execute(select(boot.c.id).where(boot.c.host.in_(sampled)))
            numbers = [int(number) for number in boots.scalars()]
            per_day *= len(hosts) / max(len(sampled), 1)
            sums = dict.fromkeys(("seconds", "minutes", "hours"), 0.0)
            for start in starts:
                blocks, payload_bytes = await self._payloads.size(
                    connection,
                    block.c.host.in_(sampled),
                    block.c.last_ms >= start,
                    block.c.last_ms < start + MINUTE_MS,
                )
                sums["seconds"] += blocks * _ROW_BYTES[block.name] + payload_bytes
                for rollup, wanted, row_bytes in _window(sampled, numbers, start):
                    sums[rollup] += int((await connection.execute(wanted)).scalar_one()) * row_bytes
            hour_rows = await self._hours(connection, sampled, numbers, (begin, newest_ms))
        hours_per_day = hour_rows * (DAY_MS / span) * len(hosts) / max(len(sampled), 1)
        return Growth(
            sums["seconds"] * per_day, sums["minutes"] * per_day, sums["hours"] * per_day + hours_per_day
        )

    async def _hours(
        self, connection: Any, hosts: Sequence[int], boots: Sequence[int], span: tuple[int, int]
    ) -> float:
        """Bytes of the hours within the span: few enough to count."""
        begin, end = span
        total = 0.0
        tables = (
            (host_hour, "host", hosts),
            (device_hour, "host", hosts),
            (process_hour, "boot", boots),
        )
        for table, owner, numbers in tables:
            at = table.c.hour_ms
            wanted = select(func.count()).where(
                table.c[owner].in_(numbers), at >= begin - begin % HOUR_MS, at < end
            )
            total += float((await connection.execute(wanted)).scalar_one()) * _ROW_BYTES[table.name]
        return total


def _window(hosts: Sequence[int], boots: Sequence[int], start: int) -> list[tuple[str, Select[Any], int]]:
    """(rollup, query of the number of rows, bytes of a row) of the minute from `start` on."""
    end = start + MINUTE_MS
    lives = (process.c.boot.in_(boots), process.c.last_ms >= start, process.c.last_ms < end)
    joined = (
        select(func.count())
        .select_from(image)
        .join(
            process,
            (process.c.boot == image.c.boot)
            & (process.c.start_ns == image.c.start_ns)
            & (process.c.pid == image.c.pid),
        )
        .where(*lives)
    )
    return [
        ("minutes", _rows(host_minute, "host", hosts, start), _ROW_BYTES[host_minute.name]),
        ("minutes", _rows(device_minute, "host", hosts, start), _ROW_BYTES[device_minute.name]),
        ("minutes", _rows(process_minute, "boot", boots, start), _ROW_BYTES[process_minute.name]),
        ("hours", select(func.count()).where(*lives), _ROW_BYTES[process.name]),
        ("hours", joined, _ROW_BYTES[image.name]),
    ]


def _rows(table: Table, owner: str, numbers: Sequence[int], start: int) -> Select[Any]:
    return select(func.count()).where(table.c[owner].in_(numbers), table.c.minute_ms == start)
