"""``tukur user``: who may sign in, and what each may do."""

import argparse
import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tukur.cli.errors import CommandError, Exit
from tukur.cli.options.data import data_dir
from tukur.cli.options.database import database
from tukur.cli.settings.parser import add_settings
from tukur.cli.settings.table import DATA, DATABASE, HUB

if TYPE_CHECKING:
    from tukur.hub.auth.identity import Rights
    from tukur.hub.store.control.users import UserRow

T = TypeVar("T")

_NAME = "the user's name"


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's actions."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = actions.add_parser("add", help="create a user and print the link for the first sign-in")
    add.add_argument("name", help=_NAME)
    add.add_argument("--role", choices=("none", "viewer", "operator", "admin"), default=None)
    role = actions.add_parser("role", help="set the roles of a user; they replace those before")
    role.add_argument("name", help=_NAME)
    role.add_argument("role", choices=("none", "viewer", "operator", "admin"), help="on all hosts")
    for action in (add, role):
        action.add_argument(
            "--group",
            action="append",
            nargs=2,
            default=[],
            metavar=("GROUP", "ROLE"),
            help="a role on the hosts of a group; can be repeated",
        )
    disable = actions.add_parser("disable", help="disable a user and end all of its sessions")
    enable = actions.add_parser("enable", help="enable a disabled user again")
    reset = actions.add_parser("reset", help="remove the password, end all sessions, print a new link")
    reset.add_argument("--second-factor", action="store_true", help="remove the second factor as well")
    remove = actions.add_parser("remove", help="remove a user; its entries in the audit log are kept")
    for action in (disable, enable, reset, remove):
        action.add_argument("name", help=_NAME)
    for action in (actions.add_parser("list", help="every user"), add, role, disable, enable, reset, remove):
        add_settings(action, (HUB,), DATA, DATABASE)


def run(options: argparse.Namespace) -> int:
    """Runs the action. A running hub is notified and applies it at once."""
    from tukur.cli.options.data import poke_hub
    from tukur.hub.auth.users import Change
    from tukur.hub.console.users import UserConsole

    folder = data_dir(options, create=False)
    console = UserConsole(folder, database(options))
    if options.action == "list":
        for user in _call(console.all()):
            print(_line(user))
    elif options.action == "add":
        role = options.role or ("none" if options.group else "viewer")
        _print_link(folder, _call(console.add(options.name, _rights(role, options.group))))
    elif options.action == "role":
        change = Change(_rights(options.role, options.group))
        _call(console.change(options.name, change))
    elif options.action == "reset":
        _print_link(folder, _call(console.reset(options.name, second_factor=options.second_factor)))
    elif options.action == "remove":
        _call(console.remove(options.name))
    else:
        change = Change(disabled=options.action == "disable")
        _call(console.change(options.name, change))
    poke_hub(folder)
    return 0


def _call(made: Coroutine[None, None, T]) -> T:
    from tukur.cli.store_errors import store_call
    from tukur.hub.errors import ProblemError

    try:
        return asyncio.run(store_call(made))
    except ProblemError as error:
        code = Exit.USAGE if error.status == 400 else Exit.FAILED
        raise CommandError(code, error.detail) from error


def _rights(role: str, groups: list[list[str]]) -> "Rights":
    from tukur.hub.auth.identity import Rights, Role, parse_host_groups

    try:
        parse_host_groups([group for group, _ in groups])
        return Rights(Role.parse(role), {group: Role.parse(word) for group, word in groups})
    except ValueError as error:
        raise CommandError(Exit.USAGE, str(error)) from error


def _print_link(folder: Path, token: str) -> None:
    from tukur.hub.address import HubAddress, read_address

    print(f"{(read_address(folder) or HubAddress()).url}/sign-in#token={token}")


def _line(user: "UserRow") -> str:
    marks = [
        *(["disabled"] if user.disabled else []),
        *(["password"] if user.password else ["links only"]),
        *(["second factor"] if user.totp_step is not None else []),
    ]
    return "\t".join((user.name, " ".join((user.role, user.grants)).strip(), ", ".join(marks)))
