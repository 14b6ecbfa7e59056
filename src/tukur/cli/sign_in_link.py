"""``tukur sign-in-link``: a new link that signs a person in, once."""

import argparse
import asyncio

from tukur.cli.errors import CommandError, Exit
from tukur.cli.options.data import data_dir
from tukur.cli.options.database import database
from tukur.cli.settings.parser import add_settings
from tukur.cli.settings.table import DATA, DATABASE, HUB


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("user", nargs="?", default="admin", help="the user to sign in (default: %(default)s)")
    add_settings(parser, (HUB,), DATA, DATABASE)


def run(options: argparse.Namespace) -> int:
    """Prints the link."""
    from tukur.cli.store_errors import store_call
    from tukur.hub.address import HubAddress, read_address
    from tukur.hub.console.users import UserConsole
    from tukur.hub.errors import ProblemError

    folder = data_dir(options, create=False)
    try:
        token = asyncio.run(store_call(UserConsole(folder, database(options)).sign_in_link(options.user)))
    except ProblemError as error:
        raise CommandError(Exit.FAILED, error.detail) from error
    print(f"{(read_address(folder) or HubAddress()).url}/sign-in#token={token}")
    return 0
