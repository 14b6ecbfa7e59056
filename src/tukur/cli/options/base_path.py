"""The path that the hub is reachable under."""

import argparse

from tukur.cli.errors import CommandError, Exit


def base_path(options: argparse.Namespace) -> str:
    """Such as ``/tukur``; empty: none. Raises CommandError."""
    from tukur.hub.base_path import OWN

    given: str = options.base_path
    first = given.strip("/").partition("/")[0]
    if first in OWN:
        raise CommandError(
            Exit.USAGE,
            f"--base-path {given!r}: the hub has paths of its own under /{first}; another one expected",
        )
    return given.rstrip("/")
