"""Which database the hub keeps its record in: the options, the same for every command."""

import argparse
import os
from dataclasses import replace
from pathlib import Path

from tukur.cli.errors import CommandError, Exit
from tukur.hub.store.backends.address import ServerAddress, parse_address

VARIABLE = "TUKUR_DATABASE"
"""Holds a URL, with or without password."""


def add_database_options(parser: argparse.ArgumentParser) -> None:
    """The options --database and --database-password-file."""
    parser.add_argument(
        "--database",
        default=None,
        metavar="URL",
        help="mysql://USER@HOST[:PORT]/DATABASE of a MariaDB or MySQL server; without it, and without "
        f"{VARIABLE} in the environment, a file in the data directory",
    )
    parser.add_argument(
        "--database-password-file",
        type=Path,
        default=None,
        metavar="FILE",
        help="a file whose first line is the database user's password",
    )


def database_arguments(options: argparse.Namespace) -> list[str]:
    """The same options for a command that this one starts."""
    words = [] if options.database is None else ["--database", options.database]
    if options.database_password_file is not None:
        words += ["--database-password-file", str(options.database_password_file)]
    return words


def database(options: argparse.Namespace) -> ServerAddress | None:
    """The server's database; None: the one in the data directory. Raises CommandError."""
    url: str = options.database or os.environ.get(VARIABLE, "")
    if not url:
        if options.database_password_file is not None:
            raise CommandError(Exit.USAGE, f"--database-password-file without --database or {VARIABLE}")
        return None
    try:
        address = parse_address(url)
    except ValueError as error:
        raise CommandError(Exit.USAGE, str(error)) from error
    if options.database and address.password:
        raise CommandError(
            Exit.USAGE,
            "--database with a password, which every user of this machine can read there; "
            f"{VARIABLE} in the environment or --database-password-file expected",
        )
    if options.database_password_file is None:
        return address
    if address.password:
        raise CommandError(
            Exit.USAGE, f"a password in {VARIABLE} and one in a file; only one of them expected"
        )
    return replace(address, password=_first_line(options.database_password_file))


def _first_line(path: Path) -> str:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise CommandError(Exit.USAGE, f"--database-password-file {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CommandError(Exit.USAGE, f"--database-password-file {path} is not valid UTF-8") from error
    if not lines or not lines[0]:
        raise CommandError(Exit.USAGE, f"--database-password-file {path}: its first line is empty")
    return lines[0]
