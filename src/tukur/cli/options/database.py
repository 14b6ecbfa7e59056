"""Which database the hub keeps its record in: the same for every command."""

import argparse
from dataclasses import replace

from tukur.cli.errors import CommandError, Exit
from tukur.cli.settings.secrets import Secret
from tukur.hub.store.backends.address import ServerAddress, parse_address


def database(options: argparse.Namespace) -> ServerAddress | None:
    """The server's database; None: the one in the data directory. Raises CommandError."""
    found, password = options.found["database"], options.database_password
    if not options.database:
        if password is not None:
            raise CommandError(Exit.USAGE, f"{password.place} without --database or TUKUR_DATABASE")
        return None
    try:
        address = parse_address(options.database)
    except ValueError as error:
        raise CommandError(Exit.USAGE, f"{found.place}: {error}") from error
    if address.password and found.source in ("flag", "file"):
        raise CommandError(
            Exit.USAGE,
            f"{found.place} with a password, which every user of this machine can read there; "
            "TUKUR_DATABASE in the environment or --database-password-file expected",
        )
    return address if password is None else _with_password(address, password, found.place)


def _with_password(address: ServerAddress, password: Secret, place: str) -> ServerAddress:
    if address.password:
        raise CommandError(
            Exit.USAGE, f"a password in {place} and one in {password.place}; only one of them expected"
        )
    return replace(address, password=password.text())
