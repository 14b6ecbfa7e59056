"""``tukur order-key``: the key that signs this hub's orders."""

import argparse
import asyncio

from tukur.cli.errors import CommandError, Exit
from tukur.cli.options.data import add_data_option, data_dir, poke_hub
from tukur.cli.options.database import add_database_options, database


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's actions."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    status = actions.add_parser("status", help="what agents pin")
    rotate = actions.add_parser("rotate", help="a new key, signed by the old one; agents follow")
    for action in (status, rotate):
        add_data_option(action)
        add_database_options(action)


def run(options: argparse.Namespace) -> int:
    """Shows or rotates. A running hub applies the new key at once and informs its agents."""
    from tukur.cli.store_errors import store_call
    from tukur.hub.console import console
    from tukur.hub.orders.key import FILE, OrderKey

    folder, server = data_dir(options, create=False), database(options)
    if not (folder / FILE).exists():
        raise CommandError(Exit.FAILED, f"no order key in {folder}: no hub has run here")
    if options.action == "rotate":
        asyncio.run(store_call(console.rotate_order_key(folder, server)))
        poke_hub(folder)
    key = OrderKey(folder)
    print(f"{key.public.hex()}\tafter {len(key.succession)} others")
    return 0
