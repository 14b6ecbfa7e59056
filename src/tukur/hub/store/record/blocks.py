"""Writes blocks with the rows that came with them, and finds blocks by time.

All of a block is written in one transaction; a block that is sent again changes nothing.

Blocks may arrive in any order: see ``runs.py``. Blocks in order, as nearly all are, are written together: one
statement for each table rather than for each block.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Select, exists, select, tuple_, update
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from tukur.hub.store.backends.bulk import insert_new, merge
from tukur.hub.store.backends.database import Database, retry_on_conflict
from tukur.hub.store.errors import BadBlockError
from tukur.hub.store.payloads import Payload, Payloads
from tukur.hub.store.record import rows
from tukur.hub.store.record.commands import command_numbers
from tukur.hub.store.record.gaps import put_gap
from tukur.hub.store.record.ooms import mark_victims, put_ooms
from tukur.hub.store.record.rollups import mark_hours
from tukur.hub.store.record.runs import (
    Place,
    begin_run,
    correct_beginnings,
    end_before_run,
    newest_images,
    place_of,
    places_of,
    preserve_images_of_run,
)
from tukur.hub.store.schema import (
    FIGURES,
    block,
    boot,
    device_minute,
    host,
    host_minute,
    image,
    life_group,
    process,
    process_minute,
    run,
)
from tukur.protocol.messages import Block, Gap

log = logging.getLogger(__name__)

_ADDED = ("samples", *(f"{figure}_total" for figure in FIGURES))
_HIGHEST = tuple(f"{figure}_high" for figure in FIGURES)
_LOWEST = tuple(f"{figure}_low" for figure in FIGURES)

_INVALID_VALUES = (IntegrityError, DataError, OverflowError, UnicodeEncodeError)
"""What is raised for a value that the database cannot hold."""
_SCAN_MS = 120_000
"""Twice the length of the longest block: how far a scan by one end of blocks looks for the other."""

Item = tuple[str, Block | Gap]
"""(host_id, block or gap)."""


class Placed(NamedTuple):
    """A block with the numbers of its host and boot."""

    host_no: int
    boot_no: int
    content: Block


@dataclass(frozen=True, slots=True)
class BlockRow:
    """When a block was recorded, and its payload."""

    boot: int
    first_ns: int
    first_ms: int
    last_ms: int
    host_columns: bytes
    tasks: bytes
    """Empty, as ``host_columns``, where it was not asked for."""


class BlockStore:
    """Blocks with all that they bring. All methods raise StoreError."""

    def __init__(self, database: Database, payloads: Payloads) -> None:
        self._database = database
        self._payloads = payloads

    @retry_on_conflict
    async def put(self, items: Sequence[Item]) -> list[BadBlockError | None]:
        """Stores blocks and gaps in one transaction; for each None, or why it never can be stored.

        A block that is already stored changes nothing. If this raises, nothing was stored.
        """
        results: list[BadBlockError | None] = [None] * len(items)
        async with self._database.write() as connection:
            stored = await self._put_in_order(connection, items)
            for index, (host_id, content) in enumerate(items):
                if index in stored:
                    continue
                try:
                    async with connection.begin_nested():
                        self._check_size(content)
                        await put(connection, self._payloads, host_id, content)
                except BadBlockError as error:
                    results[index] = error
                except _INVALID_VALUES as error:
                    # Its own values are at fault: retrying would block everyone else's record.
                    results[index] = BadBlockError(f"the database cannot hold it: {_reason(error)}")
        return results

    async def _put_in_order(self, connection: AsyncConnection, items: Sequence[Item]) -> frozenset[int]:
        """Stores what :func:`in_order` finds, and returns the indexes. If one is bad, none is stored."""
        try:
            async with connection.begin_nested():
                found = await in_order(connection, items)
                for entry in found.values():
                    self._check_size(entry.content)
                if found:
                    await put_in_order(connection, self._payloads, list(found.values()))
        except (BadBlockError, *_INVALID_VALUES):
            return frozenset()
        return frozenset(found)

    def _check_size(self, content: Block | Gap) -> None:
        if isinstance(content, Gap):
            return
        size, max_bytes = len(content.host) + len(content.tasks), self._payloads.max_bytes
        if size > max_bytes:
            raise BadBlockError(f"it has {size} bytes; the database takes at most {max_bytes}")

    async def near(self, host_no: int, at_ms: int, *, content: bool = True) -> BlockRow | None:
        """The block with the sample nearest to an instant; without `content`, without its payload."""
        located = select(*_LOCATION).where(block.c.host == host_no)
        later = located.where(block.c.last_ms >= at_ms).order_by(block.c.last_ms)
        earlier = located.where(block.c.last_ms < at_ms).order_by(block.c.last_ms.desc())
        async with self._database.read() as connection:
            after = await self._first(connection, later, content=content)
            if after is not None and after.first_ms <= at_ms:
                return after
            before = await self._first(connection, earlier, content=content)
        if before is None or (after is not None and after.first_ms - at_ms < at_ms - before.last_ms):
            return after
        return before

    async def _first(
        self, connection: AsyncConnection, blocks: Select[Any], *, content: bool
    ) -> BlockRow | None:
        first = blocks.limit(1)
        found = await (self._payloads.get(connection, first) if content else connection.execute(first))
        return next((_block_row(row) for row in found), None)

    async def between(self, host_no: int, from_ms: int, to_ms: int, *, tasks: bool) -> list[BlockRow]:
        """The blocks that have samples in [from, to), by time; without `tasks` only the host's columns."""
        wanted = _overlapping(host_no, from_ms, to_ms)
        async with self._database.read() as connection:
            return [_block_row(row) for row in await self._payloads.get(connection, wanted, tasks=tasks)]

    async def located(self, host_no: int, from_ms: int, to_ms: int) -> list[BlockRow]:
        """The same blocks without their payloads."""
        async with self._database.read() as connection:
            found = await connection.execute(_overlapping(host_no, from_ms, to_ms))
            return [_block_row(row) for row in found]


_LOCATION = (block.c.boot, block.c.first_ns, block.c.first_ms, block.c.last_ms)


def _overlapping(host_no: int, from_ms: int, to_ms: int) -> Select[Any]:
    return (
        select(*_LOCATION)
        .where(block.c.host == host_no, block.c.last_ms >= from_ms, block.c.first_ms < to_ms)
        # These bounds keep the scan to the range, in the index and in the partitions.
        .where(block.c.last_ms < to_ms + _SCAN_MS, block.c.first_ms >= from_ms - _SCAN_MS)
        .order_by(block.c.last_ms)
    )


def _block_row(row: Any) -> BlockRow:
    return BlockRow(
        row.boot,
        row.first_ns,
        row.first_ms,
        row.last_ms,
        getattr(row, "host_columns", b""),
        getattr(row, "tasks", b""),
    )


def _reason(error: Exception) -> str:
    """Without the statement and its values, which SQLAlchemy adds."""
    return str(error.orig) if isinstance(error, DBAPIError) else str(error)


async def host_number(connection: AsyncConnection, host_id: str) -> int | None:
    """The host's number in the database."""
    found = await connection.execute(select(host.c.id).where(host.c.host_id == host_id))
    number = found.scalar_one_or_none()
    return None if number is None else int(number)


async def boot_number(connection: AsyncConnection, host_no: int, boot_id: str, booted_ms: int) -> int:
    """The boot's number; inserted if it is new."""
    row = {"host": host_no, "boot_id": boot_id, "booted_ms": booted_ms}
    wanted = select(boot.c.id).where(boot.c.host == host_no, boot.c.boot_id == boot_id)
    number = (await connection.execute(wanted)).scalar_one_or_none()
    if number is None:
        await insert_new(connection, boot, [row])
        number = (await connection.execute(wanted)).scalar_one()
    return int(number)


async def in_order(connection: AsyncConnection, items: Sequence[Item]) -> dict[int, Placed]:
    """The items that continue their boot's record, or begin it, by their indexes in `items`.

    They can be written together, before all others. Their content is not checked.
    """
    boots = await _boots(connection, items)
    asked = {
        at: (boots[host_id, content.boot_id][1], content.first_ns)
        for at, (host_id, content) in enumerate(items)
        if (host_id, content.boot_id) in boots
    }
    places = dict(zip(asked, await places_of(connection, list(asked.values())), strict=True))
    begun = await _begin_boots(connection, [item for at, item in enumerate(items) if at not in asked])
    found: dict[int, Placed] = {}
    disturbed: set[tuple[str, str]] = set()
    for at, (host_id, content) in enumerate(items):
        key = host_id, content.boot_id
        place = places.get(at)
        first = place is None and key in begun
        if isinstance(content, Block) and key not in disturbed and (first or _goes_on(place, content)):
            found[at] = Placed(*(begun if first else boots)[key], content)
        if key not in boots or at not in found:
            # Later items of this batch may depend on it.
            disturbed.add(key)
    return found


def _goes_on(place: Place | None, content: Block) -> bool:
    if place is None or content.first_of_run:
        return False
    return not (place.known or place.earliest or place.late or place.next_run is not None)


async def _boots(
    connection: AsyncConnection, items: Sequence[Item]
) -> dict[tuple[str, str], tuple[int, int]]:
    """(host_id, boot_id) to the numbers of host and boot, of those that there are."""
    keys = sorted({(host_id, content.boot_id) for host_id, content in items})
    wanted = (
        select(host.c.host_id, boot.c.boot_id, host.c.id, boot.c.id)
        .join(boot, boot.c.host == host.c.id)
        .where(tuple_(host.c.host_id, boot.c.boot_id).in_(keys), host.c.host_id.in_([key[0] for key in keys]))
    )
    found = await connection.execute(wanted)
    return {(host_id, boot_id): (host_no, boot_no) for host_id, boot_id, host_no, boot_no in found}


async def _begin_boots(
    connection: AsyncConnection, items: Sequence[Item]
) -> dict[tuple[str, str], tuple[int, int]]:
    """Inserts unknown boots whose first item is a block; returns their numbers as `_boots`."""
    firsts: dict[tuple[str, str], Item] = {}
    for item in items:
        firsts.setdefault((item[0], item[1].boot_id), item)
    firsts = {key: item for key, item in firsts.items() if isinstance(item[1], Block)}
    if not firsts:
        return {}
    wanted = select(host.c.host_id, host.c.id).where(host.c.host_id.in_([key[0] for key in firsts]))
    hosts = {row.host_id: row.id for row in await connection.execute(wanted)}
    made = [
        {"host": hosts[host_id], "boot_id": boot_id, "booted_ms": rows.booted_ms(content)}
        for (host_id, boot_id), (_, content) in firsts.items()
        if host_id in hosts
    ]
    await insert_new(connection, boot, made)
    return await _boots(connection, list(firsts.values()))


async def put_in_order(connection: AsyncConnection, payloads: Payloads, blocks: Sequence[Placed]) -> None:
    """Stores blocks that :func:`in_order` found. Raises BadBlockError where one can never be stored."""
    for entry in blocks:
        rows.check(entry.content)
    runs = [entry for entry in blocks if entry.content.first_of_run]
    await insert_new(connection, run, [rows.run_row(entry.boot_no, entry.content) for entry in runs])
    await _put_rows(connection, payloads, blocks)
    images = [(entry.boot_no, one) for entry in blocks for one in entry.content.images]
    texts = [rows.command_texts(one) for _, one in images]
    newest_ms = max(entry.content.last_wall_ns for entry in blocks) // 1_000_000
    numbers = await command_numbers(connection, texts, newest_ms)
    await _put_lives(connection, blocks)
    await insert_new(
        connection,
        image,
        [
            rows.image_row(boot_no, one, number)
            for (boot_no, one), number in zip(images, numbers, strict=True)
        ],
    )
    await _put_rest(connection, payloads, blocks)


async def _put_rows(connection: AsyncConnection, payloads: Payloads, blocks: Sequence[Placed]) -> None:
    await payloads.put(
        connection,
        [rows.block_row(*entry) for entry in blocks],
        [Payload(entry.content.host, entry.content.tasks) for entry in blocks],
    )


async def put(connection: AsyncConnection, payloads: Payloads, host_id: str, content: Block | Gap) -> None:
    """Stores one block or gap, wherever it belongs. Raises BadBlockError where it can never be stored."""
    rows.check(content)
    host_no = await host_number(connection, host_id)
    if host_no is None:
        raise BadBlockError(f"host {host_id} is not enrolled here")
    booted_ms = rows.booted_ms(content)
    boot_no = await boot_number(connection, host_no, content.boot_id, booted_ms)
    if isinstance(content, Gap):
        await put_gap(connection, boot_no, content)
        return
    place = await place_of(connection, boot_no, content.first_ns)
    if place.known:
        return
    if await _was_deleted(connection, host_no, content):
        log.info("host %s sent a block again that was deleted already; its minute includes it", host_id)
        return
    if place.earliest and place.late:
        await connection.execute(update(boot).where(boot.c.id == boot_no).values(booted_ms=booted_ms))
    await _put_block(connection, payloads, Placed(host_no, boot_no, content), place)


async def _was_deleted(connection: AsyncConnection, host_no: int, content: Block) -> bool:
    """Whether the block was stored before: its minute is there, and has no blocks any more.

    Its age does not tell: a block that waited at its agent for longer than blocks are kept is new.
    """
    minute_ms = rows.minute_of(content)
    found = await connection.execute(
        select(
            exists().where(host_minute.c.host == host_no, host_minute.c.minute_ms == minute_ms)
            & ~exists().where(
                block.c.host == host_no,
                block.c.first_ms >= minute_ms,
                block.c.first_ms < minute_ms + 60_000,
                # Keeps the scan to a few entries of the index.
                block.c.last_ms >= minute_ms,
                block.c.last_ms < minute_ms + _SCAN_MS,
            )
        )
    )
    return bool(found.scalar_one())


async def _put_block(connection: AsyncConnection, payloads: Payloads, entry: Placed, place: Place) -> None:
    content, boot_no = entry.content, entry.boot_no
    if content.first_of_run:
        await begin_run(connection, payloads, boot_no, content)
    await _put_rows(connection, payloads, [entry])
    await _put_images(connection, entry, place)
    await _put_rest(connection, payloads, [entry], place)
    if place.late:
        await mark_victims(connection, boot_no, content.ended)


async def _put_images(connection: AsyncConnection, entry: Placed, place: Place) -> None:
    content, boot_no = entry.content, entry.boot_no
    texts = [rows.command_texts(one) for one in content.images]
    numbers = await command_numbers(connection, texts, content.last_wall_ns // 1_000_000)
    images = [
        rows.image_row(boot_no, one, number) for one, number in zip(content.images, numbers, strict=True)
    ]
    if content.first_of_run:
        # Without those that an earlier run reported just the same.
        known = await newest_images(connection, boot_no, images, content.first_ns)
        images = [
            row
            for row in images
            if known.get((row["start_ns"], row["pid"]), {}).get("command") != row["command"]
        ]
    if place.next_run is not None:
        await preserve_images_of_run(connection, boot_no, images, place.next_run)
    if place.late:
        await correct_beginnings(connection, boot_no, content.images)
    await _put_lives(connection, [entry])
    await insert_new(connection, image, images)


async def _put_lives(connection: AsyncConnection, blocks: Sequence[Placed]) -> None:
    begun, ended = rows.life_rows([(entry.boot_no, entry.content) for entry in blocks])
    await merge(connection, process, begun, maxima=("run_ns",))
    # The block with a life's beginning may arrive later, or never: a full spool drops it.
    # No UPDATE, which a server runs row by row: a fork storm ends thousands.
    await merge(connection, process, ended, maxima=("run_ns",), replaced=rows.END)


async def _put_rest(
    connection: AsyncConnection, payloads: Payloads, blocks: Sequence[Placed], place: Place | None = None
) -> None:
    """Everything but the blocks, their lives and images. `place`: of a single block."""
    if place is not None and place.next_run is not None:
        await end_before_run(connection, payloads, blocks[0].boot_no, blocks[0].content, place.next_run)
    await merge(
        connection,
        host_minute,
        [rows.host_minute_row(entry.host_no, entry.content) for entry in blocks],
        summed=_ADDED,
        maxima=_HIGHEST,
        minima=_LOWEST,
    )
    await merge(
        connection,
        device_minute,
        [row for entry in blocks for row in rows.device_minute_rows(entry.host_no, entry.content)],
        summed=("samples", "read_total", "write_total", "busy_total"),
        maxima=("read_high", "write_high", "busy_high"),
    )
    await merge(
        connection,
        process_minute,
        [row for entry in blocks for row in rows.process_minute_rows(entry.boot_no, entry.content)],
        summed=("cpu_ns", "read_bytes", "write_bytes"),
        maxima=("rss_peak",),
    )
    await mark_hours(
        connection, {(entry.host_no, entry.content.first_wall_ns // 1_000_000) for entry in blocks}
    )
    await merge(
        connection,
        life_group,
        [row for entry in blocks for row in rows.group_rows(entry.boot_no, entry.content)],
        summed=("lives", "cpu_ns", "read_bytes", "write_bytes"),
        maxima=("rss_peak",),
    )
    for entry in blocks:
        await put_ooms(connection, entry.boot_no, entry.content.ooms)
