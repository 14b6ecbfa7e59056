"""``tukur order-key``: the key that signs this hub's orders."""

import argparse
import asyncio

from tukur.cli.errors import CommandError, Exit
from tukur.cli.options.data import data_dir, poke_hub
from tukur.cli.options.database import database
from tukur.cli.settings.parser import add_settings
from tukur.cli.settings.table import DATA, DATABASE, HUB


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's actions."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    status = actions.add_parser("status", help="what agents pin")
    rotate = actions.add_parser("rotate", help="a new key, signed by the old one; agents follow")
    for action in (status, rotate):
        add_settings(action, (HUB,), DATA, DATABASE)


def run(options: argparse.Namespace) -> int:
    """Shows or rotates. A running hub applies the new key at once and informs its agents."""
    from tukur.cli.store_errors import store_call
    from tukur.hub.console.hosts import KeyConsole
    from tukur.hub.orders.key import FILE, OrderKey

    folder = data_dir(options, create=False)
    if not (folder / FILE).exists():
        raise CommandError(Exit.FAILED, f"no order key in {folder}: no hub has run here")
    if options.action == "rotate":
        asyncio.run(store_call(KeyConsole(folder, database(options)).rotate_order_key()))
        poke_hub(folder)
    key = OrderKey(folder)
    print(f"{key.public.hex()}\tafter {len(key.succession)} others")
    return 0
