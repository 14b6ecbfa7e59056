"""``tukur ca``: the hub's own certificate authority."""

import argparse
import asyncio
import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tukur.cli.errors import CommandError, Exit
from tukur.cli.options.data import data_dir, poke_hub
from tukur.cli.options.database import database
from tukur.cli.settings.parser import add_settings
from tukur.cli.settings.table import DATA, DATABASE, HUB

if TYPE_CHECKING:
    from tukur.hub.store.backends.address import ServerAddress


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's actions."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, text in (
        ("status", "what agents trust"),
        ("rotate", "a new authority, signed by the old one; agents trust both"),
        ("retire", "stop trusting the previous authority"),
    ):
        action = actions.add_parser(name, help=text)
        add_settings(action, (HUB,), DATA, DATABASE)


def run(options: argparse.Namespace) -> int:
    """Shows, rotates or retires. A running hub applies it at once and informs its agents."""
    from tukur.hub.tls.authority import CertificateError

    folder = data_dir(options, create=False)
    if not (folder / "tls" / "authority.pem").exists():
        raise CommandError(Exit.FAILED, f"no certificate authority in {folder}: this hub has not created one")
    try:
        return _act(options.action, folder, database(options))
    except CertificateError as error:
        raise CommandError(Exit.CERTIFICATE, str(error)) from error


def _act(action: str, folder: Path, server: "ServerAddress | None") -> int:
    from tukur.cli.store_errors import store_call
    from tukur.hub.console.hosts import KeyConsole
    from tukur.hub.tls import authority
    from tukur.hub.tls.files import TlsFolder

    now = datetime.datetime.now(datetime.UTC)
    files = TlsFolder(folder)
    current = files.authority(now)
    if action == "rotate":
        if current.previous is not None:
            raise CommandError(
                Exit.FAILED, "the previous authority is still trusted; run `tukur ca retire` first"
            )
        files.save(authority.next_authority(current, now))
    elif action == "retire":
        if current.previous is None:
            raise CommandError(
                Exit.FAILED, "there is no previous authority; `tukur ca rotate` creates a new one"
            )
        files.save(authority.without_previous(current))
    else:
        for root in current.roots:
            print(f"{authority.fingerprint(root).hex()}\tuntil {root.not_valid_after_utc:%Y-%m-%d} UTC")
        return 0
    asyncio.run(store_call(KeyConsole(folder, server).audit_authority(action)))
    poke_hub(folder)
    return 0
