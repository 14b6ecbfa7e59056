"""``tukur token``: API tokens."""

import argparse
import asyncio
import datetime
from typing import TYPE_CHECKING

from tukur.cli.errors import CommandError, Exit
from tukur.cli.options.data import data_dir
from tukur.cli.options.database import database
from tukur.cli.settings.parser import add_settings
from tukur.cli.settings.table import DATA, DATABASE, HUB

if TYPE_CHECKING:
    from tukur.hub.auth.identity import Rights


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = actions.add_parser("create", help="create a token and print it; it is shown only once")
    create.add_argument("--name", default="token", help="what it is for")
    create.add_argument("--role", choices=("viewer", "operator", "admin"), default="viewer")
    create.add_argument(
        "--group",
        action="append",
        default=[],
        help="valid for the hosts of this group only; can be repeated (default: all hosts)",
    )
    create.add_argument("--days", type=int, default=90, help="how long it is valid (default: %(default)s)")
    revoke = actions.add_parser("revoke", help="revoke a token immediately")
    revoke.add_argument("name", help="its name")
    for action in (create, revoke, actions.add_parser("list", help="list the tokens, without their secrets")):
        add_settings(action, (HUB,), DATA, DATABASE)


def run(options: argparse.Namespace) -> int:
    """Creates, lists or revokes."""
    from tukur.cli.store_errors import store_call
    from tukur.hub.console.tokens import TokenConsole

    console = TokenConsole(data_dir(options, create=False), database(options))
    if options.action == "create":
        if not 0 < options.days <= 3650:
            raise CommandError(Exit.USAGE, f"--days {options.days}; 1 to 3650 expected")
        made = console.create(options.name, _rights(options), options.days)
        print(asyncio.run(store_call(made)))
    elif options.action == "revoke":
        if not asyncio.run(store_call(console.revoke(options.name))):
            raise CommandError(Exit.FAILED, f"there is no token named {options.name!r}")
    else:
        for token in asyncio.run(store_call(console.all())):
            until = datetime.datetime.fromtimestamp(token.expires_ms / 1000, datetime.UTC)
            print(f"{token.name}\t{token.grants or token.role}\tuntil {until:%Y-%m-%d %H:%M} UTC")
    return 0


def _rights(options: argparse.Namespace) -> "Rights":
    from tukur.hub.auth.identity import Rights, Role, parse_host_groups

    role = Role.parse(options.role)
    if not options.group:
        return Rights(role)
    try:
        return Rights(Role.NONE, dict.fromkeys(parse_host_groups(options.group), role))
    except ValueError as error:
        raise CommandError(Exit.USAGE, str(error)) from error
