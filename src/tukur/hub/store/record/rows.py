"""The content of a block as rows of the tables. Pure functions."""

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from tukur.hub.store.errors import BadBlockError
from tukur.hub.store.record.rollups import MINUTE_MS
from tukur.hub.store.schema import FIGURES, UNKNOWN_PEAK
from tukur.protocol.messages import Block, DeviceMinute, Ended, Gap, Image, Lost
from tukur.text import readable

GROUP_MS = 10_000
"""The period over which lives are aggregated."""
_NAME = 255
_FIGURE = 32
_CAUSE = 16
_GROUP_NAME = 64
_PARTS = (("low", "low"), ("high", "high"), ("total", "sum"))
"""Part of a figure's columns, and of ``messages.MinMaxMean``."""

Row = dict[str, Any]
Life = tuple[int, int, int]
"""(boot, start_ns, pid)"""


def check(content: Block | Gap) -> None:
    """Raises BadBlockError for what can never be stored."""
    if content.last_ns < content.first_ns:
        raise BadBlockError(f"it ends at {content.last_ns} ns, before it begins at {content.first_ns} ns")
    if isinstance(content, Gap):
        return
    if not content.tasks.startswith(b"TKT1") or not content.host.startswith(b"TKH1"):
        raise BadBlockError("its columns are in no known format")
    for name, spread in content.host_minute.figures.items():
        # No database stores NaN, and a sum with it stays NaN.
        if not all(map(math.isfinite, msgspec.structs.astuple(spread))):
            raise BadBlockError(f"its figure {name[:_FIGURE]!r} is {spread}; finite numbers expected")
    _check_devices(content.devices)


def _check_devices(devices: Sequence[DeviceMinute]) -> None:
    for device in devices:
        numbers = (
            *(device.read_sum, device.read_high, device.write_sum, device.write_high),
            *(device.busy_sum or 0.0, device.busy_high or 0.0),
        )
        if not all(map(math.isfinite, numbers)):
            raise BadBlockError(
                f"its device {device.name[:_FIGURE]!r} has {numbers}; finite numbers expected"
            )


def booted_ms(content: Block | Gap) -> int:
    """When its boot began by its clocks, milliseconds since the epoch."""
    return content.first_wall_ns // 1_000_000 - content.first_ns // 1_000_000


def block_row(host_no: int, boot_no: int, content: Block) -> Row:
    """The block itself, without its payload."""
    lost = content.lost or Lost()
    return {
        "boot": boot_no,
        "first_ns": content.first_ns,
        "last_ns": content.last_ns,
        "host": host_no,
        "first_ms": content.first_wall_ns // 1_000_000,
        "last_ms": content.last_wall_ns // 1_000_000,
        "samples": content.samples,
        "lives": content.lives,
        "missed": content.missed,
        "lost_execs": lost.execs,
        "lost_lives": lost.lives,
        "lost_cpu_ns": lost.cpu_ns,
        "lost_finals": lost.finals,
    }


def run_row(boot_no: int, content: Block) -> Row:
    """The run of the agent that it is the first block of."""
    return {"boot": boot_no, "first_ns": content.first_ns, "first_ms": content.first_wall_ns // 1_000_000}


def life_rows(blocks: Sequence[tuple[int, Block]]) -> tuple[list[Row], list[Row]]:
    """Lives that begin in (boot, block) pairs and go on, and lives that end, begun there or not.

    One row for a life that does both, as most of those that begin do.
    """
    begun: dict[Life, Row] = {}
    for boot_no, content in blocks:
        run_ns = content.first_ns if content.first_of_run else 0
        for entry in content.images:
            life = (boot_no, entry.start_ns, entry.pid)
            if life not in begun:
                begun[life] = _begun_row(boot_no, entry, run_ns)
    ended = []
    for boot_no, content in blocks:
        for end in content.ended:
            row = begun.pop((boot_no, end.start_ns, end.pid), None) or _unknown_row(boot_no, end)
            ended.append(row | _end(end))
    return list(begun.values()), ended


def _begun_row(boot_no: int, entry: Image, run_ns: int) -> Row:
    return {
        "boot": boot_no,
        "start_ns": entry.start_ns,
        "pid": entry.pid,
        "ppid": entry.ppid,
        "kthread": entry.kthread,
        "first_ms": entry.since_wall_ns // 1_000_000,
        "last_ms": None,
        "ended": False,
        "cpu_ns": None,
        "rss_peak": None,
        "read_bytes": None,
        "write_bytes": None,
        "run_ns": run_ns,
    }


def _unknown_row(boot_no: int, entry: Ended) -> Row:
    """What is known of a life of which only the end was reported."""
    return {
        "boot": boot_no,
        "start_ns": entry.start_ns,
        "pid": entry.pid,
        "ppid": 0,
        "kthread": False,
        "first_ms": entry.last_wall_ns // 1_000_000,
        "run_ns": 0,
    }


def image_row(boot_no: int, entry: Image, command_no: int) -> Row:
    """An image, of a command whose number is known."""
    return {
        "boot": boot_no,
        "start_ns": entry.start_ns,
        "pid": entry.pid,
        "since_ns": entry.since_ns,
        "since_ms": entry.since_wall_ns // 1_000_000,
        "command": command_no,
    }


def command_texts(entry: Image) -> Row:
    """What an image's life runs; passed through the gate again, for an agent may have been tampered with."""
    return {
        "name": readable(entry.name)[:_NAME],
        "uid": entry.uid,
        "user": readable(entry.user)[:_NAME],
        "exe": readable(entry.exe),
        "cmdline": readable(entry.cmdline),
        "cgroup": readable(entry.cgroup),
        "unit": readable(entry.unit)[:_NAME],
        "container": readable(entry.container)[:_NAME],
        "pod": readable(entry.pod)[:_NAME],
        "slice": readable(entry.slice)[:_NAME],
    }


END = (
    *("ended", "last_ms", "cpu_ns", "rss_peak", "read_bytes", "write_bytes"),
    *("exact", "exit_code", "exit_signal", "cause", "gone_ns"),
)
"""Columns of a life that are known from its end."""


def _end(entry: Ended) -> Row:
    return {
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


def host_minute_row(host_no: int, content: Block) -> Row:
    """The host's figures of the minute that it begins in."""
    row: Row = {"host": host_no, "minute_ms": minute_of(content), "samples": content.host_minute.samples}
    for figure in FIGURES:
        spread = content.host_minute.figures.get(figure)
        for part, name in _PARTS:
            row[f"{figure}_{part}"] = None if spread is None else getattr(spread, name)
    return row


def device_minute_rows(host_no: int, content: Block) -> list[Row]:
    """What each disk and interface did in it."""
    minute_ms = minute_of(content)
    return [
        {
            "host": host_no,
            "minute_ms": minute_ms,
            "device": f"{each.kind}.{each.name}",
            "samples": each.samples,
            "read_total": each.read_sum,
            "read_high": each.read_high,
            "write_total": each.write_sum,
            "write_high": each.write_high,
            "busy_total": each.busy_sum,
            "busy_high": each.busy_high,
        }
        for each in content.devices
    ]


def process_minute_rows(boot_no: int, content: Block) -> list[Row]:
    """What each active process did in it."""
    minute_ms = minute_of(content)
    return [
        {
            "boot": boot_no,
            "minute_ms": minute_ms,
            "start_ns": row.start_ns,
            "pid": row.pid,
            "cpu_ns": row.cpu_ns,
            "rss_peak": _peak(row.rss_peak),
            "read_bytes": row.read_bytes,
            "write_bytes": row.write_bytes,
        }
        for row in content.process_minutes
    ]


def minute_of(content: Block) -> int:
    return content.first_wall_ns // 1_000_000 // MINUTE_MS * MINUTE_MS


def group_rows(boot_no: int, content: Block) -> list[Row]:
    """Aggregates of lives."""
    at_ms = content.first_wall_ns // 1_000_000 // GROUP_MS * GROUP_MS
    return [
        {
            "boot": boot_no,
            "at_ms": at_ms,
            "parent_start_ns": entry.parent_start_ns,
            "ppid": entry.ppid,
            "name": readable(entry.name)[:_GROUP_NAME],
            "uid": entry.uid,
            "lives": entry.lives,
            "cpu_ns": entry.cpu_ns,
            "rss_peak": _peak(entry.rss_peak),
            "read_bytes": entry.read_bytes,
            "write_bytes": entry.write_bytes,
        }
        for entry in content.groups
    ]


def _peak(found: int | None) -> int:
    return UNKNOWN_PEAK if found is None else found
