"""Files that hold secrets: whole or not there, and their owner's alone."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO


def write_secret(path: Path, content: bytes) -> None:
    """Replaces the file, with mode 0600: a reader finds the old content or the new. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fill_secret(temporary, content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def kept_secret(path: Path, make: bytes) -> bytes:
    """The content of a file that only its owner can read; made of `make` where it is not there.

    Written whole under another name first: it is never seen empty, and of two that make it at once, both read
    the one that came first. Raises OSError.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if not path.exists():
            fill_secret(temporary, make)
            with contextlib.suppress(FileExistsError):
                path.hardlink_to(temporary)
        return path.read_bytes()
    finally:
        temporary.unlink(missing_ok=True)


def fill_secret(path: Path, content: bytes) -> None:
    """Writes a file with mode 0600 to the disk. Raises OSError."""
    path.unlink(missing_ok=True)
    with new_secret(path) as file:
        file.write(content)


@contextlib.contextmanager
def new_secret(path: Path) -> Iterator[IO[bytes]]:
    """A new file with mode 0600, on the disk when it is left. Raises OSError, also where there is a file."""
    # Never through a link that somebody laid there.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
