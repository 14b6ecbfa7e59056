"""``tukur audit``: the audit log, checked and written out."""

import argparse
import asyncio
import sys

from tukur.cli.errors import Exit
from tukur.cli.options.data import data_dir
from tukur.cli.options.database import database
from tukur.cli.settings.parser import add_settings
from tukur.cli.settings.table import DATA, DATABASE, HUB


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for action in (
        actions.add_parser("verify", help="find an entry that was changed, removed or moved"),
        actions.add_parser("export", help="write all entries to standard output, a line of JSON each"),
    ):
        add_settings(action, (HUB,), DATA, DATABASE)


def run(options: argparse.Namespace) -> int:
    """Verifies or exports."""
    from tukur.cli.store_errors import store_call
    from tukur.hub.console.audit import AuditConsole

    console = AuditConsole(data_dir(options, create=False), database(options))
    if options.action == "export":
        asyncio.run(store_call(console.export(sys.stdout.buffer)))
        return 0
    count, faults = asyncio.run(store_call(console.verify()))
    for fault in faults:
        print(fault)
    if faults:
        print(f"{count} entries; the log has been altered")
        return Exit.FAILED
    print(f"{count} entries; all unchanged, none missing")
    return 0
