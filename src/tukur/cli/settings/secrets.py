"""Secrets: read from files that others cannot read, never shown."""

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from tukur.cli.errors import CommandError, Exit

CREDENTIALS = "CREDENTIALS_DIRECTORY"
"""Where systemd puts the credentials of a unit; only the unit can enter it."""
_MOUNTED = Path("/run/secrets")
"""Where Docker and Podman mount secrets, often readable by all: the container is the border there."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret that is read when it is used; its text is not in its representation."""

    place: str
    """Which setting said so, for messages."""
    path: Path | None = None
    content: str = field(default="", repr=False)
    """Where there is no path."""

    def text(self) -> str:
        """The secret. Raises CommandError."""
        return self.content if self.path is None else read_secret(self.place, self.path)


def read_secret(place: str, path: Path) -> str:
    """The first line of a file that others cannot read, as it is. Raises CommandError."""
    try:
        with path.open("rb") as file:
            _check_private(place, path, os.fstat(file.fileno()))
            content = file.read(1_000_000).decode("utf-8")
    except OSError as error:
        raise CommandError(Exit.USAGE, f"{place} {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CommandError(Exit.USAGE, f"{place} {path} is not valid UTF-8") from error
    first = next(iter(content.splitlines()), "")
    if not first.strip():
        raise CommandError(Exit.USAGE, f"{place} {path}: its first line is empty")
    return first


def _check_private(place: str, path: Path, status: os.stat_result) -> None:
    # A group may read what root owns, as with the keys of PostgreSQL: a hub without root needs it.
    forbidden = 0o037 if status.st_uid == 0 else 0o077
    if stat.S_ISREG(status.st_mode) and status.st_mode & forbidden and not _is_mounted(path):
        raise CommandError(
            Exit.USAGE,
            f"{place} {path} can be read by others (mode {stat.S_IMODE(status.st_mode):04o}); "
            "mode 0600 expected",
        )


def _is_mounted(path: Path) -> bool:
    credentials = os.environ.get(CREDENTIALS, "")
    folders = [_MOUNTED, *([Path(credentials)] if credentials else [])]
    return any(path.absolute().is_relative_to(folder) for folder in folders)
