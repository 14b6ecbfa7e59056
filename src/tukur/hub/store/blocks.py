"""Writes blocks with the rows that came with them: all in one transaction, and a repeat changes nothing.

They may come in any order: see ``runs.py``.
"""

import math
from typing import Any

import msgspec
from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from tukur.hub.store.commands import command_numbers
from tukur.hub.store.database import insert_new, merge
from tukur.hub.store.errors import BadBlockError
from tukur.hub.store.gaps import put_gap
from tukur.hub.store.levels import MINUTE_MS, mark_hour
from tukur.hub.store.ooms import blame, put_ooms
from tukur.hub.store.runs import (
    Place,
    begin_run,
    begun_earlier,
    end_before_run,
    keep_images_of_run,
    newest_images,
    place_of,
)
from tukur.hub.store.schema import (
    FIGURES,
    block,
    boot,
    host,
    host_minute,
    image,
    life_group,
    process,
    process_minute,
)
from tukur.protocol.messages import Block, Ended, Gap, Image, Lost, ProcessMinute

GROUP_MS = 10_000
"""Lives that are told together are added up for so long."""
_NAME = 255
_FIGURE = 32
_CAUSE = 16
_GROUP_NAME = 64


_PARTS = (("low", "low"), ("high", "high"), ("total", "sum"))
"""Part of a figure's columns, and of ``messages.Spread``."""
_ADDED = ("samples", *(f"{figure}_total" for figure in FIGURES))
_HIGHEST = tuple(f"{figure}_high" for figure in FIGURES)
_LOWEST = tuple(f"{figure}_low" for figure in FIGURES)


async def host_number(connection: AsyncConnection, host_id: str) -> int | None:
    """The host's number in the database."""
    found = await connection.execute(select(host.c.id).where(host.c.host_id == host_id))
    number = found.scalar_one_or_none()
    return None if number is None else int(number)


async def boot_number(connection: AsyncConnection, host_no: int, boot_id: str, booted_ms: int) -> int:
    """The boot's number; made where it is new."""
    row = {"host": host_no, "boot_id": boot_id, "booted_ms": booted_ms}
    wanted = select(boot.c.id).where(boot.c.host == host_no, boot.c.boot_id == boot_id)
    number = (await connection.execute(wanted)).scalar_one_or_none()
    if number is None:
        await insert_new(connection, boot, [row])
        number = (await connection.execute(wanted)).scalar_one()
    return int(number)


async def put(connection: AsyncConnection, host_id: str, content: Block | Gap) -> None:
    """Stores one block or gap. Raises BadBlockError where it can never be stored."""
    if content.last_ns < content.first_ns:
        raise BadBlockError(f"it ends at {content.last_ns} ns, before it begins at {content.first_ns} ns")
    host_no = await host_number(connection, host_id)
    if host_no is None:
        raise BadBlockError(f"host {host_id} is not enrolled here")
    booted_ms = content.first_wall_ns // 1_000_000 - content.first_ns // 1_000_000
    boot_no = await boot_number(connection, host_no, content.boot_id, booted_ms)
    if isinstance(content, Gap):
        await put_gap(connection, boot_no, content)
        return
    _check(content)
    place = await place_of(connection, boot_no, content.first_ns)
    if place.known:
        return
    if place.earliest and place.late:
        await connection.execute(update(boot).where(boot.c.id == boot_no).values(booted_ms=booted_ms))
    await _put_block(connection, host_no, boot_no, content, place)


async def _put_block(
    connection: AsyncConnection, host_no: int, boot_no: int, content: Block, place: Place
) -> None:
    if content.first_of_run:
        await begin_run(connection, boot_no, content)
    first_ms = content.first_wall_ns // 1_000_000
    await connection.execute(
        insert(block),
        {
            "boot": boot_no,
            "first_ns": content.first_ns,
            "last_ns": content.last_ns,
            "host": host_no,
            "first_ms": first_ms,
            "last_ms": content.last_wall_ns // 1_000_000,
            "samples": content.samples,
            "lives": content.lives,
            "missed": content.missed,
            "host_columns": content.host,
            "tasks": content.tasks,
            **_losses(content.lost),
        },
    )
    await _put_images(connection, boot_no, content, place)
    await _put_ended(connection, boot_no, content.ended)
    if place.next_run is not None:
        await end_before_run(connection, boot_no, content, place.next_run)
    await _put_minutes(connection, host_no, boot_no, content)
    await mark_hour(connection, host_no, first_ms)
    await _put_groups(connection, boot_no, content)
    await put_ooms(connection, boot_no, content.ooms)
    if place.late:
        await blame(connection, boot_no, content.ended)


def _losses(lost: Lost | None) -> dict[str, int]:
    lost = lost or Lost()
    return {
        "lost_execs": lost.execs,
        "lost_lives": lost.lives,
        "lost_cpu_ns": lost.cpu_ns,
        "lost_finals": lost.finals,
    }


def _check(content: Block) -> None:
    if not content.tasks.startswith(b"TKT1") or not content.host.startswith(b"TKH1"):
        raise BadBlockError("its columns are of no known form")
    for name, spread in content.host_minute.figures.items():
        # No database keeps NaN, and a sum that has it would stay so.
        if not all(map(math.isfinite, msgspec.structs.astuple(spread))):
            raise BadBlockError(f"its figure {name[:_FIGURE]!r} is {spread}; finite numbers expected")


async def _put_images(connection: AsyncConnection, boot_no: int, content: Block, place: Place) -> None:
    at_ms = content.last_wall_ns // 1_000_000
    numbers = await command_numbers(connection, [_command(entry) for entry in content.images], at_ms)
    rows = [_image_row(boot_no, entry, number) for entry, number in zip(content.images, numbers, strict=True)]
    if content.first_of_run:
        # Without those that an agent before this one has told just the same.
        told = await newest_images(connection, boot_no, rows, content.first_ns)
        rows = [
            row
            for row in rows
            if told.get((row["start_ns"], row["pid"]), {}).get("command") != row["command"]
        ]
    if place.next_run is not None:
        await keep_images_of_run(connection, boot_no, rows, place.next_run)
    if place.late:
        await begun_earlier(connection, boot_no, content.images)
    await merge(
        connection,
        process,
        [
            {
                "boot": boot_no,
                "start_ns": entry.start_ns,
                "pid": entry.pid,
                "ppid": entry.ppid,
                "kthread": entry.kthread,
                "first_ms": entry.since_wall_ns // 1_000_000,
                "last_ms": None,
                "ended": False,
                "cpu_ns": 0,
                "rss_peak": 0,
                "read_bytes": 0,
                "write_bytes": 0,
                "run_ns": content.first_ns if content.first_of_run else 0,
            }
            for entry in content.images
        ],
        added=(),
        highest=("run_ns",),
    )
    await insert_new(connection, image, rows)


def _image_row(boot_no: int, entry: Image, command_no: int) -> dict[str, Any]:
    return {
        "boot": boot_no,
        "start_ns": entry.start_ns,
        "pid": entry.pid,
        "since_ns": entry.since_ns,
        "since_ms": entry.since_wall_ns // 1_000_000,
        "command": command_no,
    }


def _command(entry: Image) -> dict[str, Any]:
    return {
        "name": entry.name[:_NAME],
        "uid": entry.uid,
        "user": entry.user[:_NAME],
        "exe": entry.exe,
        "cmdline": entry.cmdline,
        "cgroup": entry.cgroup,
        "unit": entry.unit[:_NAME],
        "container": entry.container[:_NAME],
        "pod": entry.pod[:_NAME],
        "slice": entry.slice[:_NAME],
    }


async def _put_ended(connection: AsyncConnection, boot_no: int, ended: list[Ended]) -> None:
    if not ended:
        return
    columns = process.c
    mine = (
        columns.boot == boot_no,
        columns.start_ns == bindparam("key_start_ns"),
        columns.pid == bindparam("key_pid"),
    )
    # The block that told of its beginning may come later, or never: it is given up where the spool is full.
    await insert_new(connection, process, [_ended_row(boot_no, entry) for entry in ended])
    # One statement for many: a fork storm ends thousands within a block.
    await connection.execute(
        update(process).where(*mine),
        [
            {
                "key_start_ns": entry.start_ns,
                "key_pid": entry.pid,
                "ended": True,
                "last_ms": entry.last_wall_ns // 1_000_000,
                "cpu_ns": entry.cpu_ns,
                "rss_peak": entry.rss_peak,
                "read_bytes": entry.read_bytes,
                "write_bytes": entry.write_bytes,
                "exact": entry.exact,
                "exit_code": entry.exit_code,
                "exit_signal": entry.exit_signal,
                "cause": entry.cause[:_CAUSE],
                "gone_ns": 0,
            }
            for entry in ended
        ],
    )


def _ended_row(boot_no: int, entry: Ended) -> dict[str, Any]:
    """What can be said of a life of which only the end is known."""
    return {
        "boot": boot_no,
        "start_ns": entry.start_ns,
        "pid": entry.pid,
        "ppid": 0,
        "kthread": False,
        "first_ms": entry.last_wall_ns // 1_000_000,
        "ended": True,
        **dict.fromkeys(("cpu_ns", "rss_peak", "read_bytes", "write_bytes"), 0),
    }


async def _put_minutes(connection: AsyncConnection, host_no: int, boot_no: int, content: Block) -> None:
    minute_ms = content.first_wall_ns // 1_000_000 // MINUTE_MS * MINUTE_MS
    row: dict[str, Any] = {"host": host_no, "minute_ms": minute_ms, "samples": content.host_minute.samples}
    for figure in FIGURES:
        spread = content.host_minute.figures.get(figure)
        for part, name in _PARTS:
            row[f"{figure}_{part}"] = None if spread is None else getattr(spread, name)
    await merge(connection, host_minute, [row], added=_ADDED, highest=_HIGHEST, lowest=_LOWEST)
    await merge(
        connection,
        process_minute,
        [_minute_row(boot_no, minute_ms, row) for row in content.process_minutes],
        added=("cpu_ns", "read_bytes", "write_bytes"),
        highest=("rss_peak",),
    )


async def _put_groups(connection: AsyncConnection, boot_no: int, content: Block) -> None:
    at_ms = content.first_wall_ns // 1_000_000 // GROUP_MS * GROUP_MS
    await merge(
        connection,
        life_group,
        [
            {
                "boot": boot_no,
                "at_ms": at_ms,
                "parent_start_ns": entry.parent_start_ns,
                "ppid": entry.ppid,
                "name": entry.name[:_GROUP_NAME],
                "uid": entry.uid,
                "lives": entry.lives,
                "cpu_ns": entry.cpu_ns,
                "rss_peak": entry.rss_peak,
                "read_bytes": entry.read_bytes,
                "write_bytes": entry.write_bytes,
            }
            for entry in content.groups
        ],
        added=("lives", "cpu_ns", "read_bytes", "write_bytes"),
        highest=("rss_peak",),
    )


def _minute_row(boot_no: int, minute_ms: int, row: ProcessMinute) -> dict[str, Any]:
    return {
        "boot": boot_no,
        "minute_ms": minute_ms,
        "start_ns": row.start_ns,
        "pid": row.pid,
        "cpu_ns": row.cpu_ns,
        "rss_peak": row.rss_peak,
        "read_bytes": row.read_bytes,
        "write_bytes": row.write_bytes,
    }
