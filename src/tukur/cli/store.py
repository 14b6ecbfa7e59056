"""``tukur store``: what the record takes, whether it is whole, and making it smaller."""

import argparse
import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tukur.cli.errors import CommandError, Exit
from tukur.cli.options.data import DataLock, data_dir
from tukur.cli.options.database import database
from tukur.cli.options.retention import parse_keep
from tukur.cli.settings.parser import add_settings
from tukur.cli.settings.table import DATA, DATABASE, HUB, RETENTION

if TYPE_CHECKING:
    from tukur.hub.console.record import Findings
    from tukur.hub.maintenance.maintenance import Outlook
    from tukur.hub.store.maintenance.retention_policy import RetentionPolicy

_MAX_LINES = 20


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    status = actions.add_parser(
        "status", help="its size, how far back it reaches, when the disk will be full"
    )
    verify = actions.add_parser("verify", help="read and check all of it; the hub may be running")
    repair = actions.add_parser(
        "repair", help="remove damaged blocks; save what can be read of a damaged file (hub stopped)"
    )
    compact = actions.add_parser("compact", help="shrink the file as far as possible (hub stopped)")
    copy = actions.add_parser(
        "copy",
        help="copy the data directory's record to the server of --database; the hub may be running; "
        "repeated, it copies only what has changed",
    )
    add_settings(status, (HUB,), DATA, DATABASE, RETENTION)
    for action in (verify, repair, compact, copy):
        add_settings(action, (HUB,), DATA, DATABASE)
    for action in (status, verify):
        action.add_argument("--json", action="store_true", help="for programs")


def run(options: argparse.Namespace) -> int:
    """Does one of them."""
    actions: dict[str, Callable[[argparse.Namespace], int]] = {
        "status": _status,
        "verify": _verify,
        "repair": _repair,
        "compact": _compact,
        "copy": _copy,
    }
    return actions[options.action](options)


def _status(options: argparse.Namespace) -> int:
    from tukur.cli.store_errors import store_call
    from tukur.hub.console.record import RecordConsole

    keep = parse_keep(options)
    console = RecordConsole(data_dir(options, create=False), database(options))
    found = asyncio.run(store_call(console.outlook(keep)))
    if options.json:
        print(json.dumps(asdict(found)))
        return 0
    print(f"{size(found.used_bytes)} used")
    if found.room_bytes is not None:
        print(f"{size(found.room_bytes)} may still be used")
    if found.oldest is not None:
        for name in ("seconds", "minutes", "hours"):
            print(f"{name} since {_when(getattr(found.oldest, f'{name}_ms'))}")
    print(_forecast(found, keep))
    return 0


def _forecast(found: "Outlook", keep: "RetentionPolicy") -> str:
    forecast = found.forecast
    if forecast is None:
        return "its growth is estimated once an hour has been recorded"
    growth = f"grows by {size(int(forecast.bytes_per_day))} a day"
    end = f"levels off at {size(forecast.settles_at_bytes)}"
    if forecast.full_in_days is None:
        return f"{growth}, {end}: it fits"
    what = "the size limit is reached" if keep.max_bytes else "the disk is full"
    return f"{growth}, {end}: {what} in {forecast.full_in_days:.1f} days"


def _verify(options: argparse.Namespace) -> int:
    from tukur.cli.store_errors import store_call
    from tukur.hub.console.record import RecordConsole

    console = RecordConsole(data_dir(options, create=False), database(options))
    found = asyncio.run(store_call(console.verify(_progress)))
    if options.json:
        print(json.dumps(asdict(found)))
    else:
        _print_findings(found)
    return Exit.DATABASE_DAMAGED if found.structure or found.damaged else 0


def _print_findings(found: "Findings") -> None:
    for line in found.structure[:_MAX_LINES]:
        print(f"the database: {line}")
    for block in found.damaged[:_MAX_LINES]:
        print(f"the block of {_when(block.first_ms)} (boot {block.boot}): {block.why}")
    more = max(len(found.structure) - _MAX_LINES, 0) + max(len(found.damaged) - _MAX_LINES, 0)
    if more:
        print(f"and {more} more")
    wrong = len(found.structure) + len(found.damaged)
    print(f"{found.blocks} blocks read, {'all intact' if not wrong else f'{wrong} faults'}")
    if wrong:
        print("stop the hub and run `tukur store repair` to remove what is damaged")


def _repair(options: argparse.Namespace) -> int:
    from tukur.cli.store_errors import store_call
    from tukur.hub.console.record import RecordConsole

    folder = data_dir(options, create=False)
    with DataLock(folder):
        found, saved = asyncio.run(store_call(RecordConsole(folder, database(options)).repair(_progress)))
    for table in saved:
        if table.copied or table.unreadable:
            lost = f", {table.unreadable} stretches could not be read" if table.unreadable else ""
            print(f"{table.table}: {table.copied} rows saved{lost}")
    if saved:
        print(f"the damaged file is kept beside the new one in {folder}")
    for block in found.damaged[:_MAX_LINES]:
        print(f"removed: the block of {_when(block.first_ms)} (boot {block.boot}): {block.why}")
    print(f"{found.blocks - len(found.damaged)} blocks are intact, {len(found.damaged)} were removed")
    return 0


def _compact(options: argparse.Namespace) -> int:
    from tukur.cli.store_errors import store_call
    from tukur.hub.console.record import RecordConsole

    folder = data_dir(options, create=False)
    with DataLock(folder):
        done = asyncio.run(store_call(RecordConsole(folder, database(options)).compact()))
    print(f"{done.merged} blocks were merged; {size(done.before_bytes)} became {size(done.after_bytes)}")
    return 0


def _copy(options: argparse.Namespace) -> int:
    from tukur.cli.store_errors import store_call
    from tukur.hub.console.record import RecordConsole

    folder, server = data_dir(options, create=False), database(options)
    if server is None:
        raise CommandError(Exit.USAGE, "no target; --database mysql://USER@HOST/DATABASE expected")
    tables = asyncio.run(store_call(RecordConsole(folder).copy_to(server, _progress)))
    for table in tables:
        print(f"{table.table}: {table.rows} rows, {table.written} written, {table.deleted} deleted")
    if any(table.written or table.deleted for table in tables):
        print("copied; stop the hub and repeat it until it says that nothing differs")
    else:
        print("nothing differs: both hold the same rows")
    return 0


def _progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{done} of {total}", end="\n" if done >= total else "", file=sys.stderr, flush=True)


def _when(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def size(value: int) -> str:
    """Bytes for a person."""
    number, units = float(value), ["bytes", "KiB", "MiB", "GiB", "TiB"]
    while number >= 1024 and len(units) > 1:
        number /= 1024
        units.pop(0)
    return f"{value} bytes" if units[0] == "bytes" else f"{number:.1f} {units[0]}"
