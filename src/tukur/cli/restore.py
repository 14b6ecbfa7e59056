"""``tukur restore``: makes an empty data directory what a backup holds."""

import argparse
from pathlib import Path

from tukur.cli.backup import end_on_sigterm, show_progress
from tukur.cli.options.data import DataLock, data_dir
from tukur.cli.options.database import database
from tukur.cli.settings.parser import add_settings
from tukur.cli.settings.table import DATA, DATABASE, HUB


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("file", type=Path, metavar="FILE", help="a file that `tukur backup` wrote")
    add_settings(parser, (HUB,), DATA, DATABASE)


def run(options: argparse.Namespace) -> int:
    """Restores it."""
    from tukur.cli.store_errors import command_error
    from tukur.hub.console.backup import BackupConsole
    from tukur.hub.store.errors import StoreError

    end_on_sigterm()
    server = database(options)
    folder = data_dir(options)
    with DataLock(folder):
        try:
            done = BackupConsole(folder, server).restore(options.file.expanduser().absolute(), show_progress)
        except StoreError as error:
            raise command_error(error) from error
    manifest, found = done.manifest, done.findings
    print(f"restored to {server or folder}: the backup of {manifest.created} by tukur {manifest.version}")
    wrong = len(found.structure) + len(found.damaged)
    print(f"{found.blocks} blocks read, {'all intact' if not wrong else f'{wrong} faults'}")
    if wrong:
        print("they were damaged before the backup; run `tukur store repair` to remove what is damaged")
    return 0
