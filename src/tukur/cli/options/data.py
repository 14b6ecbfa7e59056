"""The data directory: where it is, what lies in it, who holds it."""

import argparse
import contextlib
import errno
import fcntl
import os
import signal
import uuid
from pathlib import Path
from typing import IO, Self

from tukur.cli.errors import CommandError, Exit
from tukur.files import kept_secret


def default_data_dir() -> Path:
    """The directory of a systemd unit (StateDirectory=), else ``tukur`` under the XDG state directory."""
    # Several are separated by colons; the first is the one named first in the unit.
    unit = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if unit.startswith("/"):
        return Path(unit)
    state = os.environ.get("XDG_STATE_HOME") or ""
    base = Path(state) if state.startswith("/") else Path.home() / ".local" / "state"
    return base / "tukur"


def data_dir(options: argparse.Namespace, *, create: bool = True) -> Path:
    """The data directory, made where it is not there. Raises CommandError."""
    path: Path = (options.data or default_data_dir()).expanduser().absolute()
    if not create:
        if not path.is_dir():
            raise CommandError(Exit.FAILED, f"no data directory at {path}; has `tukur up` run there?")
        return path
    # The record and the keys are their owner's alone, whatever is made in here later.
    os.umask(0o077)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = path / f".writable-{os.getpid()}"
        probe.write_bytes(b"tukur")
        probe.unlink()
    except OSError as error:
        raise _unusable(path, error) from error
    return path


def _unusable(path: Path, error: OSError) -> CommandError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return CommandError(Exit.DISK_FULL, f"no space left for the data directory {path}")
    return CommandError(
        Exit.DATA_NOT_WRITABLE, f"the data directory {path} is not writable: {error.strerror}"
    )


class DataLock:
    """Held as long as the hub runs: one hub for one data directory."""

    def __init__(self, folder: Path) -> None:
        self._file: IO[str] = (folder / "hub.lock").open("a+", encoding="ascii")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.seek(0)
            holder = self._file.read().strip() or "another process"
            self._file.close()
            raise CommandError(
                Exit.DATA_IN_USE, f"the data directory {folder} is in use by a hub (PID {holder})"
            ) from error
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def poke_hub(folder: Path) -> None:
    """Notifies the hub that runs on a data directory, if one does, that the record was changed by a command.

    The PID in the lock's file may be of a time or of a namespace that is gone: only a process that has this
    very file open is signalled.
    """
    lock = folder / "hub.lock"
    with contextlib.suppress(OSError, ValueError):
        pid = int(lock.read_text(encoding="ascii"))
        held = lock.stat()
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(descriptor.stat(), held):
                    os.kill(pid, signal.SIGHUP)
                    return


def secret_file(path: Path, make: bytes) -> bytes:
    """``files.kept_secret``. Raises CommandError."""
    try:
        return kept_secret(path, make)
    except OSError as error:
        raise _unusable(path.parent, error) from error


def host_id(folder: Path) -> str:
    """This host's UUID, made at first use."""
    return secret_file(folder / "host_id", str(uuid.uuid4()).encode()).decode("ascii").strip()
