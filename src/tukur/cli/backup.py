"""``tukur backup``: the record, the keys and the certificates of a hub in one file."""

import argparse
import sys
from pathlib import Path

from tukur.cli.options.data import data_dir
from tukur.cli.options.database import database
from tukur.cli.settings.parser import add_settings
from tukur.cli.settings.table import DATA, DATABASE, HUB


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("file", type=Path, metavar="FILE", help="the file to write; it must not exist")
    add_settings(parser, (HUB,), DATA, DATABASE)


def run(options: argparse.Namespace) -> int:
    """Writes it; SIGTERM leaves as little behind as Ctrl-C."""
    from tukur.cli.store import size
    from tukur.cli.store_errors import command_error
    from tukur.hub.console.backup import BackupConsole
    from tukur.hub.store.errors import StoreError

    end_on_sigterm()
    target = options.file.expanduser().absolute()
    console = BackupConsole(data_dir(options, create=False), database(options))
    try:
        manifest = console.backup(target, show_progress)
    except StoreError as error:
        raise command_error(error) from error
    print(f"{target}: {size(target.stat().st_size)}, {len(manifest.files)} files, mode 0600")
    print("it holds private keys: whoever can read it can control the hub and order its hosts")
    reason = console.add_to_audit_log(target, manifest)
    if reason:
        print(f"tukur backup: this backup is not in the audit log: {reason}", file=sys.stderr)
    return 0


def show_progress(done: int, total: int) -> None:
    """On a terminal only."""
    if sys.stderr.isatty():
        print(f"\r{done} of {total}", end="\n" if done >= total else "", file=sys.stderr, flush=True)


def end_on_sigterm() -> None:
    """Makes SIGTERM an exception, so that what is half-made is removed."""
    import signal

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
