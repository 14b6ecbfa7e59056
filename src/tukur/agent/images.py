"""The image of each process life: command line, user, unit; read once, and again after exec."""

import logging
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from tukur.agent.scrub import Scrubber
from tukur.protocol.messages import Image
from tukur.records import KTHREAD, Change, Snapshot, TaskArray, comm_text, pick
from tukur.sources.identity import Identity, container_of, read_identity, unit_of, user_name

log = logging.getLogger(__name__)

_SHOWN = ("exec_id", "uid", "cgroup_id", "comm")
"""An image is read again where one of these changed."""


class Images:
    """All living processes' images."""

    def __init__(self, scrubber: Scrubber, reader: Callable[[int], Identity | None] = read_identity) -> None:
        self._scrubber = scrubber
        self._read = reader
        self._images: dict[int, Image] = {}
        self._texts: dict[str, str] = {}

    def add(self, snapshot: Snapshot, change: Change, previous: TaskArray) -> list[Image]:
        """Reads what is new in this snapshot; the new images. `change`: how it came out of `previous`."""
        for pid in previous["pid"][change.gone].tolist():
            self._images.pop(pid, None)
        tasks = snapshot.tasks
        wanted = np.concatenate((change.new, _renewed(tasks, previous, change)))
        fresh = [self._make(tasks[row], snapshot) for row in np.sort(wanted)]
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
        return Image(
            pid=pid,
            start_ns=int(task["start_ns"]),
            since_ns=snapshot.boot_ns,
            since_wall_ns=snapshot.wall_ns,
            ppid=int(task["ppid"]),
            uid=uid,
            user=self._once(user_name(uid)),
            name=self._once(comm_text(bytes(task["comm"]))),
            exe=self._once(identity.exe[:4096] if identity else ""),
            cmdline=self._once(self._scrubber.scrub(identity.argv) if identity else ""),
            cgroup=cgroup,
            unit=self._once(unit_of(cgroup)),
            container=self._once(container_of(cgroup)),
            kthread=kthread,
        )

    def _once(self, text: str) -> str:
        """The same object for equal texts: ten thousand workers share one command line."""
        if len(self._texts) > 50_000:
            self._texts.clear()
        return self._texts.setdefault(text, text)


def _renewed(tasks: TaskArray, previous: TaskArray, change: Change) -> npt.NDArray[np.int64]:
    now, before = pick(tasks, change.changed), pick(previous, change.at[change.changed])
    differs = np.zeros(len(now), dtype=bool)
    for name in _SHOWN:
        differs |= now[name] != before[name]
    # A kernel worker shows what it works on as its name: that is no new image.
    renewed: npt.NDArray[np.int64] = change.changed[differs & ((now["flags"] & KTHREAD) == 0)]
    return renewed
