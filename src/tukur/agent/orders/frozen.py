"""Cgroups that are frozen for the length of a kill, noted on disk: none stays frozen if the agent dies."""

import contextlib
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path

from tukur.agent.facts import boot_id
from tukur.agent.orders import priorities
from tukur.files import write_secret

log = logging.getLogger(__name__)

_FREEZE_S = 1.0


class FrozenCgroups:
    """Freezes cgroups for a moment; one file for each in a folder tells the agent's next start.

    The file is named by the cgroup's inode and holds JSON: ``boot_id``, ``path`` (of its directory).
    """

    def __init__(self, notes: Path | None) -> None:
        self._notes = notes

    @contextlib.asynccontextmanager
    async def frozen(self, cgroup: Path) -> AsyncIterator[None]:
        """The cgroup is frozen while entered. Raises OSError."""
        note = self._write_note(cgroup)
        try:
            await priorities.freeze(cgroup, on=True, seconds=_FREEZE_S)
            yield
        finally:
            with contextlib.suppress(OSError):
                await priorities.freeze(cgroup, on=False, seconds=0)
            if note is not None:
                note.unlink(missing_ok=True)

    def _write_note(self, cgroup: Path) -> Path | None:
        if self._notes is None:
            return None
        note = self._notes / str(cgroup.stat().st_ino)
        try:
            self._notes.mkdir(mode=0o700, exist_ok=True)
            write_secret(note, json.dumps({"boot_id": boot_id(), "path": str(cgroup)}).encode())
        except OSError as error:
            # A full disk is no reason not to stop what fills it.
            log.warning("%s: that %s is frozen could not be noted: %s", note, cgroup, error)
            return None
        return note

    async def thaw_left(self) -> None:
        """Thaws what an agent that died left frozen."""
        for note in sorted(self._notes.iterdir()) if self._notes is not None and self._notes.is_dir() else ():
            try:
                cgroup = _cgroup_of(note)
                if cgroup is not None:
                    log.warning("%s: left frozen by an agent that died while it killed; thawed", cgroup)
                    await priorities.freeze(cgroup, on=False, seconds=_FREEZE_S)
            except (OSError, ValueError, KeyError, TypeError) as error:
                log.warning("%s: what an earlier agent froze could not be thawed: %s", note, error)
            note.unlink(missing_ok=True)


def _cgroup_of(note: Path) -> Path | None:
    """The cgroup's directory; None: there is no such cgroup any more."""
    content = json.loads(note.read_text(encoding="utf-8"))
    cgroup = Path(content["path"])
    # Another boot's cgroups are gone, and one made anew under this path was frozen by somebody else.
    if content["boot_id"] != boot_id() or not cgroup.is_dir() or str(cgroup.stat().st_ino) != note.name:
        return None
    return cgroup
