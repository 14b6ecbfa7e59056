"""What the hub's installer of agents consists of."""

import argparse
from pathlib import Path

from tukur.cli.errors import CommandError, Exit
from tukur.hub.installer.installer import MANIFEST, Installer, InstallerError

_DEFAULT = "installer"


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
