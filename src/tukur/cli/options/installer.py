"""The option that says what the hub's installer of agents consists of: the same for ``up`` and ``hub``."""

import argparse
from pathlib import Path

from tukur.cli.errors import CommandError, Exit
from tukur.hub.installer.installer import MANIFEST, Installer, InstallerError

_DEFAULT = "installer"


def add_installer_option(parser: argparse.ArgumentParser) -> None:
    """The option --installer."""
    parser.add_argument(
        "--installer",
        type=Path,
        default=None,
        metavar="DIR",
        help="what /install.sh installs, made by `make installer` (default: `installer` in the data "
        "directory, if it is there)",
    )


def installer_folder(options: argparse.Namespace, data: Path) -> Path | None:
    """The folder; None: the hub serves no installer. Raises CommandError."""
    given: Path | None = options.installer
    folder = data / _DEFAULT if given is None else given.expanduser().absolute()
    if given is None and not (folder / MANIFEST).exists():
        return None
    try:
        Installer(folder)
    except InstallerError as error:
        raise CommandError(Exit.USAGE, f"--installer: {error}") from error
    return folder


def installer_arguments(options: argparse.Namespace) -> list[str]:
    """The same option, for the hub that ``up`` starts."""
    given: Path | None = options.installer
    return [] if given is None else ["--installer", str(given.expanduser().absolute())]
