"""What the record last knew of lives that ended while no agent watched: lower bounds of their totals.

Counters and RSS of the last sample that has a life, and the peaks and sums of its minutes and hours. Each
bound is only ever raised, so that blocks may arrive in any order.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Table, bindparam, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from tukur.blocks import BlockDamagedError, decode_samples
from tukur.hub.store.backends.bulk import chunks
from tukur.hub.store.payloads import Payloads
from tukur.hub.store.record.rollups import HOUR_MS
from tukur.hub.store.schema import UNKNOWN_PEAK, block, process, process_hour, process_minute
from tukur.protocol.messages import Block
from tukur.records import rss_of

log = logging.getLogger(__name__)

_LOOK_BACK_MS = 31 * 24 * HOUR_MS
"""How far back rollups are read for a life that is older: the writer waits meanwhile."""

Life = tuple[int, int]
"""(start_ns, pid)"""


class Totals(NamedTuple):
    """At least so much; None: unknown."""

    cpu_ns: int | None = None
    rss_peak: int | None = None
    read_bytes: int | None = None
    write_bytes: int | None = None

    def raised(self, other: "Totals") -> "Totals":
        """The higher of both, each by itself."""
        return Totals(*(_higher(mine, theirs) for mine, theirs in zip(self, other, strict=True)))


def _higher(first: int | None, second: int | None) -> int | None:
    known = [value for value in (first, second) if value is not None]
    return max(known, default=None)


def of_minutes(content: Block) -> dict[Life, Totals]:
    """Peaks within one block."""
    return {(row.start_ns, row.pid): Totals(rss_peak=row.rss_peak) for row in content.process_minutes}


async def of_samples(tasks: bytes) -> dict[Life, Totals]:
    """Every process of a block's last sample; nothing where the block is damaged."""
    try:
        return await asyncio.to_thread(_of_last_sample, tasks)
    except BlockDamagedError as error:
        log.error("a block is damaged, the totals of lives are taken from the minutes: %s", error)
        return {}


def _of_last_sample(tasks: bytes) -> dict[Life, Totals]:
    *_, (_, _, records) = decode_samples(tasks)
    columns = [records[name].tolist() for name in ("start_ns", "pid", "cpu_ns", "read_bytes", "write_bytes")]
    return {
        (start_ns, pid): Totals(cpu_ns, rss, read, write)
        for start_ns, pid, cpu_ns, read, write, rss in zip(*columns, rss_of(records).tolist(), strict=True)
    }


async def of_record(
    connection: AsyncConnection, payloads: Payloads, boot_no: int, lives: Sequence[Life], before_ns: int
) -> dict[Life, Totals]:
    """What is stored of these lives in samples before `before_ns`."""
    if not lives:
        return {}
    last = (
        select(block.c.boot, block.c.first_ns, block.c.last_ms)
        .where(block.c.boot == boot_no, block.c.first_ns < before_ns)
        .order_by(block.c.first_ns.desc())
        .limit(1)
    )
    found = {life: Totals() for life in lives}
    for row in await payloads.get(connection, last):
        sampled = await of_samples(row.tasks)
        found = {life: sampled.get(life, Totals()) for life in lives}
    for life, totals in (await _of_rollups(connection, boot_no, lives)).items():
        found[life] = found[life].raised(totals)
    return found


async def _of_rollups(connection: AsyncConnection, boot_no: int, lives: Sequence[Life]) -> dict[Life, Totals]:
    columns = process.c
    found: dict[Life, Totals] = {}
    for part in chunks(lives):
        these = tuple_(columns.start_ns, columns.pid).in_(part)
        spans = select(func.min(columns.first_ms), func.max(columns.last_ms)).where(
            columns.boot == boot_no, these
        )
        first_ms, last_ms = (await connection.execute(spans)).one()
        if last_ms is None:
            continue
        from_ms = max(int(first_ms), int(last_ms) - _LOOK_BACK_MS) // HOUR_MS * HOUR_MS
        # An hour is the sum of its minutes: of what is in both tables the higher bound counts.
        for table in (process_hour, process_minute):
            for row in await connection.execute(_sums(table, boot_no, part, from_ms)):
                life = row.start_ns, row.pid
                found[life] = found.get(life, Totals()).raised(_totals(row))
    return found


def _sums(table: Table, boot_no: int, lives: Sequence[Life], from_ms: int) -> Any:
    columns = table.c
    at = list(table.primary_key)[1]
    return (
        select(
            columns.start_ns,
            columns.pid,
            func.max(columns.rss_peak).label("rss_peak"),
            *(func.sum(columns[name]).label(name) for name in ("cpu_ns", "read_bytes", "write_bytes")),
        )
        .where(columns.boot == boot_no, at >= from_ms, tuple_(columns.start_ns, columns.pid).in_(lives))
        .group_by(columns.start_ns, columns.pid)
    )


def _totals(row: Any) -> Totals:
    peak = None if row.rss_peak == UNKNOWN_PEAK else int(row.rss_peak)
    return Totals(int(row.cpu_ns), peak, int(row.read_bytes), int(row.write_bytes))


async def raise_totals(
    connection: AsyncConnection, boot_no: int, run_ns: int, known: Mapping[Life, Totals]
) -> None:
    """Raises the totals of lives that the run at `run_ns` found gone to what is known of them."""
    columns = process.c
    stored: dict[Life, Totals] = {}
    for part in chunks(list(known)):
        rows = await connection.execute(
            select(columns.start_ns, columns.pid, *(columns[name] for name in Totals._fields)).where(
                columns.boot == boot_no,
                columns.gone_ns == run_ns,
                tuple_(columns.start_ns, columns.pid).in_(part),
            )
        )
        stored.update({(row.start_ns, row.pid): Totals(*row[2:]) for row in rows})
    raised = {life: totals.raised(known[life]) for life, totals in stored.items()}
    changed = [
        {"key_start_ns": life[0], "key_pid": life[1], **{f"new_{n}": v for n, v in totals._asdict().items()}}
        for life, totals in raised.items()
        if totals != stored[life]
    ]
    if changed:
        await connection.execute(
            update(process)
            .where(
                columns.boot == boot_no,
                columns.start_ns == bindparam("key_start_ns"),
                columns.pid == bindparam("key_pid"),
            )
            .values({name: bindparam(f"new_{name}") for name in Totals._fields}),
            changed,
        )
