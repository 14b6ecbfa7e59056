"""The image of each process life: command line, user, unit; read once, and again after exec."""

import logging
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from tukur.agent.recording.ended_images import EndedImages
from tukur.agent.recording.scrub import Scrubber
from tukur.protocol.messages import Image
from tukur.records import ENDED, KTHREAD, Change, Departed, Snapshot, TaskArray, comm_text, take_rows
from tukur.sources.cgroups import parse_cgroup_path
from tukur.sources.identity import Identity, read_identity, user_name

log = logging.getLogger(__name__)

_SHOWN = ("exec_id", "uid", "cgroup_id", "comm")
"""An image is read again where one of these changed."""


class Images:
    """All living processes' images."""

    def __init__(
        self,
        scrubber: Scrubber,
        reader: Callable[[int], Identity | None] = read_identity,
        cgroup_path: Callable[[int], str | None] = lambda _: None,
    ) -> None:
        """`cgroup_path`: from a cgroup's id to its path in the v2 hierarchy, None where it is not known."""
        self._scrubber = scrubber
        self._read = reader
        self._ended = EndedImages(scrubber, cgroup_path, self._user)
        self._images: dict[int, Image] = {}
        self._texts: dict[str, str] = {}
        self._users: dict[int, str] = {}
        """Of one snapshot: to ask who a user is looks at a file."""

    def add(self, snapshot: Snapshot, change: Change, previous: TaskArray, departed: Departed) -> list[Image]:
        """Reads what is new in this snapshot; the new images. `change`: how it came out of `previous`.

        `departed`: the lives that ended meanwhile: of those that no sample saw, what the kernel reported.
        """
        for pid in previous["pid"][change.gone].tolist():
            self._images.pop(pid, None)
        self._users.clear()
        tasks = snapshot.tasks
        # First, so that where a PID is another's by now, that one's image is the last.
        ended = self._ended.make(departed, self._images, snapshot)
        wanted = np.concatenate((change.new, _renewed(tasks, previous, change)))
        wanted = wanted[(tasks["flags"][wanted] & ENDED) == 0]
        fresh = ended + [self._make(tasks[row], snapshot) for row in np.sort(wanted)]
        for image in fresh:
            self._images[image.pid] = image
        return fresh

    def get(self, pid: int) -> Image | None:
        """The image of the process that has this PID in the newest snapshot."""
        return self._images.get(pid)

    def all(self) -> Iterable[Image]:
        """Every living process's image."""
        return self._images.values()

    def _make(self, task: Any, snapshot: Snapshot) -> Image:
        pid, uid = int(task["pid"]), int(task["uid"])
        kthread = bool(int(task["flags"]) & KTHREAD)
        identity = None if kthread else self._read(pid)
        cgroup = self._once(identity.cgroup if identity else "")
        membership = parse_cgroup_path(cgroup)
        return Image(
            pid=pid,
            start_ns=int(task["start_ns"]),
            since_ns=snapshot.boot_ns,
            since_wall_ns=snapshot.wall_ns,
            ppid=int(task["ppid"]),
            uid=uid,
            user=self._user(uid),
            name=self._once(comm_text(bytes(task["comm"]))),
            exe=self._once(identity.exe[:4096] if identity else ""),
            cmdline=self._once(self._scrubber.scrub(identity.argv) if identity else ""),
            cgroup=cgroup,
            unit=membership.unit,
            container=membership.container,
            pod=membership.pod,
            slice=membership.slice,
            kthread=kthread,
        )

    def _user(self, uid: int) -> str:
        name = self._users.get(uid)
        if name is None:
            name = self._users[uid] = self._once(user_name(uid))
        return name

    def _once(self, text: str) -> str:
        """The same object for equal texts: ten thousand workers share one command line."""
        if len(self._texts) > 5_000:
            self._texts.clear()
        return self._texts.setdefault(text, text)


def _renewed(tasks: TaskArray, previous: TaskArray, change: Change) -> npt.NDArray[np.int64]:
    now, before = take_rows(tasks, change.changed), take_rows(previous, change.index[change.changed])
    differs = np.zeros(len(now), dtype=bool)
    for name in _SHOWN:
        differs |= now[name] != before[name]
    # A kernel worker shows what it works on as its name: that is no new image.
    renewed: npt.NDArray[np.int64] = change.changed[differs & ((now["flags"] & KTHREAD) == 0)]
    return renewed
