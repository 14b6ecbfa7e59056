"""Runs of an agent within a boot, and blocks that arrive late: the record is the same in any order.

The first block of a run lists every process. A life that was known before and is not listed ended while no
agent ran; the block that introduced it may arrive before or after that first block.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import TextClause, bindparam, exists, func, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from tukur.hub.store.backends.bulk import chunks, insert_new
from tukur.hub.store.payloads import Payloads
from tukur.hub.store.record.last_known import of_minutes, of_record, of_samples, raise_totals
from tukur.hub.store.record.rows import run_row
from tukur.hub.store.schema import block, image, process, run
from tukur.protocol.messages import Block, Image

_PLACES = 64
"""Places looked up in one statement."""

Row = dict[str, Any]
Life = tuple[int, int]
"""(start_ns, pid)"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a block lies among the stored ones."""

    known: bool
    """Its first sample is in a stored block."""
    earliest: bool
    late: bool
    """Stored blocks of its boot lie after it."""
    next_run: int | None
    """first_ns of the agent's next run, if known."""


_BOOT: Any = bindparam("boot_no")
_AT: Any = bindparam("at_ns")
# Made once: SQLAlchemy takes longer to build it than the database to answer it.
_PLACE = select(
    select(block.c.last_ns)
    .where(block.c.boot == _BOOT, block.c.first_ns <= _AT)
    .order_by(block.c.first_ns.desc())
    .limit(1)
    .scalar_subquery()
    .label("last_ns"),
    exists().where(block.c.boot == _BOOT, block.c.first_ns > _AT).label("late"),
    select(func.min(run.c.first_ns))
    .where(run.c.boot == _BOOT, run.c.first_ns > _AT)
    .scalar_subquery()
    .label("next_run"),
)


async def place_of(connection: AsyncConnection, boot_no: int, first_ns: int) -> Place:
    """Finds where a block belongs that begins at `first_ns`."""
    found = await connection.execute(_PLACE, {"boot_no": boot_no, "at_ns": first_ns})
    row = found.one()
    # An older block may have become part of a longer one.
    known = row.last_ns is not None and row.last_ns >= first_ns
    return Place(known, row.last_ns is None, bool(row.late), row.next_run)


async def places_of(connection: AsyncConnection, asked: Sequence[tuple[int, int]]) -> list[Place]:
    """The same of many blocks, given as (boot, first_ns)."""
    found: list[Place] = []
    for part in chunks(asked, _PLACES):
        values = {f"{name}{n}": key[i] for n, key in enumerate(part) for i, name in enumerate(("boot", "at"))}
        rows = await connection.execute(_places(len(part)), values)
        for (_, first_ns), row in zip(part, sorted(rows, key=lambda row: int(row.n)), strict=True):
            known = row.last_ns is not None and row.last_ns >= first_ns
            found.append(Place(known, row.last_ns is None, bool(row.late), row.next_run))
    return found


@functools.cache
def _places(number: int) -> TextClause:
    """One statement that looks up so many places: a round trip for each would be most of the work."""
    parts = (
        f"select {n} as n, (select last_ns from block where boot = :boot{n} and first_ns <= :at{n} "  # noqa: S608
        f"order by first_ns desc limit 1) as last_ns, exists (select 1 from block where boot = :boot{n} "
        f"and first_ns > :at{n}) as late, (select min(first_ns) from run where boot = :boot{n} "
        f"and first_ns > :at{n}) as next_run"
        for n in range(number)
    )
    return text(" union all ".join(parts))


async def begin_run(connection: AsyncConnection, payloads: Payloads, boot_no: int, content: Block) -> None:
    """Stores a run by its first block, which is not stored yet, and ends the lives that ended before it."""
    first_ns = content.first_ns
    await insert_new(connection, run, [run_row(boot_no, content)])
    columns = process.c
    # What began after this block's first sample is not its to end: of a late block that may be known already.
    seen_before = exists().where(
        image.c.boot == columns.boot,
        image.c.start_ns == columns.start_ns,
        image.c.pid == columns.pid,
        image.c.since_ns < first_ns,
    )
    found = await connection.execute(
        select(columns.start_ns, columns.pid).where(
            columns.boot == boot_no,
            columns.ended.is_(False) | (columns.gone_ns > first_ns),
            seen_before,
        )
    )
    living = {(entry.start_ns, entry.pid) for entry in content.images}
    gone = [key for row in found if (key := (row.start_ns, row.pid)) not in living]
    await _end(connection, boot_no, gone, first_ns)
    known = await of_record(connection, payloads, boot_no, gone, first_ns)
    await raise_totals(connection, boot_no, first_ns, known)


async def end_before_run(
    connection: AsyncConnection, payloads: Payloads, boot_no: int, content: Block, run_ns: int
) -> None:
    """For a block that arrives after the next run's first one: ends the lives that this run did not find."""
    columns = process.c
    keys = [(entry.start_ns, entry.pid) for entry in content.images]
    gone: list[Life] = []
    for part in chunks(keys):
        found = await connection.execute(
            select(columns.start_ns, columns.pid).where(
                columns.boot == boot_no,
                tuple_(columns.start_ns, columns.pid).in_(part),
                columns.ended.is_(False),
                columns.run_ns < run_ns,
            )
        )
        gone += [(row.start_ns, row.pid) for row in found]
    await _end(connection, boot_no, gone, run_ns)
    known = await of_record(connection, payloads, boot_no, gone, run_ns)
    await raise_totals(connection, boot_no, run_ns, known)
    last = await _last_before(connection, boot_no, run_ns)
    if last is not None and last.first_ns == content.first_ns:
        # Until now an earlier one was taken for the last before that run.
        await connection.execute(
            update(process)
            .where(columns.boot == boot_no, columns.gone_ns == run_ns)
            .values(last_ms=last.last_ms)
        )
        await raise_totals(connection, boot_no, run_ns, await of_samples(content.tasks))
    await raise_totals(connection, boot_no, run_ns, of_minutes(content))


async def _end(connection: AsyncConnection, boot_no: int, gone: Sequence[Life], run_ns: int) -> None:
    if not gone:
        return
    last = await _last_before(connection, boot_no, run_ns)
    for part in chunks(gone):
        await connection.execute(
            update(process)
            .where(
                process.c.boot == boot_no,
                tuple_(process.c.start_ns, process.c.pid).in_(part),
            )
            .values(ended=True, last_ms=None if last is None else last.last_ms, gone_ns=run_ns)
        )


async def _last_before(connection: AsyncConnection, boot_no: int, first_ns: int) -> Any:
    found = await connection.execute(
        select(block.c.first_ns, block.c.last_ms)
        .where(block.c.boot == boot_no, block.c.first_ns < first_ns)
        .order_by(block.c.first_ns.desc())
        .limit(1)
    )
    return found.one_or_none()


async def newest_images(
    connection: AsyncConnection, boot_no: int, rows: Sequence[Row], before_ns: int
) -> dict[Life, Row]:
    """The newest image of each of these rows' lives before an instant."""
    starts = [row["start_ns"] for row in rows]
    found: dict[Life, Row] = {}
    for part in chunks(starts):
        wanted = (
            select(image)
            .where(
                image.c.boot == boot_no,
                image.c.start_ns.in_(part),
                image.c.since_ns < before_ns,
            )
            .order_by(image.c.since_ns)
        )
        found.update({(row.start_ns, row.pid): row._asdict() for row in await connection.execute(wanted)})
    return found


async def preserve_images_of_run(
    connection: AsyncConnection, boot_no: int, rows: Sequence[Row], run_ns: int
) -> None:
    """To be called before the images of a late block are stored: an image that the next run found unchanged
    gets a row of its own, or these images would seem to have replaced it."""
    newest = await newest_images(connection, boot_no, rows, run_ns)
    older = {
        key: newest[key]
        for row in rows
        if (key := (row["start_ns"], row["pid"])) in newest and newest[key]["since_ns"] < row["since_ns"]
    }
    keys = list(older)
    for part in chunks(keys):
        found = await connection.execute(
            select(process.c.start_ns, process.c.pid, run.c.first_ms)
            .join(run, (run.c.boot == process.c.boot) & (run.c.first_ns == run_ns))
            .where(
                process.c.boot == boot_no,
                tuple_(process.c.start_ns, process.c.pid).in_(part),
                process.c.run_ns >= run_ns,
            )
        )
        kept = [
            {**older[row.start_ns, row.pid], "since_ns": run_ns, "since_ms": row.first_ms} for row in found
        ]
        # Where the run found a change its own row is there, and stays.
        await insert_new(connection, image, kept)


async def correct_beginnings(connection: AsyncConnection, boot_no: int, images: Sequence[Image]) -> None:
    """For a late block: gives lives that are only known from later blocks the parents they began with."""
    if not images:
        return
    await connection.execute(
        update(process)
        .where(
            process.c.boot == boot_no,
            process.c.start_ns == bindparam("key_start_ns"),
            process.c.pid == bindparam("key_pid"),
            process.c.first_ms >= bindparam("since_ms"),
        )
        .values(ppid=bindparam("new_ppid"), kthread=bindparam("new_kthread"), first_ms=bindparam("since_ms")),
        [
            {
                "key_start_ns": entry.start_ns,
                "key_pid": entry.pid,
                "since_ms": entry.since_wall_ns // 1_000_000,
                "new_ppid": entry.ppid,
                "new_kthread": entry.kthread,
            }
            for entry in images
        ],
    )
