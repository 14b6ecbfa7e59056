"""The image of each process life: command line, user, unit; read once, and again after exec."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from msgspec import structs

from tukur.agent.clock import SECOND
from tukur.agent.recording.ended_images import EndedImages
from tukur.agent.recording.scrub import Scrubber
from tukur.agent.recording.titles import Pace, Titles
from tukur.protocol.messages import Image
from tukur.records import ENDED, KTHREAD, Change, Departed, Snapshot, TaskArray, comm_text, take_rows
from tukur.sources.cgroups import parse_cgroup_path
from tukur.sources.identity import Identity, read_identity
from tukur.sources.lookups import Lookups
from tukur.sources.users import Users

_SHOWN = ("exec_id", "uid", "cgroup_id")
"""An image is read again where one of these changed."""
_RENAMES_READ = 3
"""So many changes of comm alone are taken for another program too, later ones for a title."""
_STALL_S = 0.5
"""So long a sample waits for a process whose files hang, once; until they are read its image is its name."""
_READ_S = 5.0
_UNREADABLE_S = 1.0
"""A process whose files hang for longer is reported."""

Life = tuple[int, int]
"""(pid, start_ns)"""
IntArray = npt.NDArray[np.int64]


class Fresh(NamedTuple):
    """The images that are new with one snapshot."""

    recorded: list[Image]
    shown: list[Image]
    """To who watches: with the titles that do not go into the record yet."""


class Images:
    """All living processes' images."""

    def __init__(
        self,
        scrubber: Scrubber,
        reader: Callable[[int], Identity | None] = read_identity,
        cgroup_path: Callable[[int], str | None] = lambda _: None,
        users: Users | None = None,
        titles: Titles | None = None,
    ) -> None:
        """`cgroup_path`: from a cgroup's id to its path in the v2 hierarchy, None where it is not known."""
        self._scrubber = scrubber
        # Whoever reads a process's arguments waits for the lock of its memory, which may be held for ever.
        self._identities: Lookups[Life, Identity | None] = Lookups(lambda life: reader(life[0]))
        self._ended = EndedImages(scrubber, cgroup_path, self._user)
        self._directory = users or Users()
        self._titles = titles or Titles()
        self._pace = Pace()
        self._images: dict[int, Image] = {}
        self._answers: dict[Life, Identity | None] = {}
        """What was read for this snapshot."""
        self._unread: set[Life] = set()
        """Lives whose images went out before they could be read."""
        self._renames: dict[int, int] = {}
        """PID to how often that process changed its name without becoming another program."""
        self._texts: dict[str, str] = {}
        self._users: dict[int, str] = {}
        """Of one snapshot: to ask who a user is looks at a file."""

    def add(self, snapshot: Snapshot, change: Change, previous: TaskArray, departed: Departed) -> Fresh:
        """Reads what is new in this snapshot. `change`: how it came out of `previous`.

        `departed`: the lives that ended meanwhile: of those that no sample saw, what the kernel reported.
        """
        self._users.clear()
        tasks = snapshot.tasks
        # First, so that where a PID is another's by now, that one's image is the last.
        ended = self._ended.make(departed, self._images, snapshot)
        recorded = [*self._forget(previous["pid"][change.gone].tolist()), *ended]
        anew, renamed = self._renewed(tasks, previous, change)
        wanted = np.concatenate((change.new, anew))
        wanted = wanted[(tasks["flags"][wanted] & ENDED) == 0]
        recorded += self._read([tasks[row] for row in np.sort(wanted)], snapshot)
        for image in recorded:
            self._keep(image)
        late = [*self._read_late(snapshot), *self._named(snapshot)]
        for image in late:
            self._keep(image)
        titled = [
            *self._renamed([tasks[row] for row in renamed], snapshot),
            *self._retitled(tasks["pid"][change.changed].tolist(), snapshot),
        ]
        for image in titled:
            self._images[image.pid] = image
            self._pace.hold(image)
        due = self._pace.due(snapshot.boot_ns / SECOND)
        return Fresh([*recorded, *late, *due], [*recorded, *late, *titled])

    def settled(self, images: Iterable[Image]) -> list[Image]:
        """Images with the names of users that have become known since they were made."""
        self._users.clear()
        return [
            structs.replace(image, user=user)
            if image.user == str(image.uid) and (user := self._user(image.uid)) != image.user
            else image
            for image in images
        ]

    def faults(self) -> dict[str, int]:
        """What cannot be read now: users whose directory does not answer, processes whose files hang."""
        counts = {
            "users.slow": self._directory.slow(),
            "processes.unreadable": self._identities.slow(_UNREADABLE_S) + self._titles.slow(_UNREADABLE_S),
        }
        return {name: count for name, count in counts.items() if count}

    def _keep(self, image: Image) -> None:
        self._images[image.pid] = image
        self._pace.superseded(image.pid)

    def _forget(self, pids: list[int]) -> list[Image]:
        """Of lives that are no more; their last titles, where those are not recorded yet."""
        self._titles.forget(pids)
        for pid in pids:
            self._renames.pop(pid, None)
            image = self._images.pop(pid, None)
            if image is not None:
                self._unread.discard((pid, image.start_ns))
        return [image for pid in pids if (image := self._pace.ended(pid)) is not None]

    def _renewed(self, tasks: TaskArray, previous: TaskArray, change: Change) -> tuple[IntArray, list[int]]:
        """Rows of the lives that may run another program, and of those that have another name only."""
        now, before = take_rows(tasks, change.changed), take_rows(previous, change.index[change.changed])
        differs = np.zeros(len(now), dtype=bool)
        for name in _SHOWN:
            differs |= now[name] != before[name]
        # A kernel worker shows what it works on as its name: that is no new image.
        user = (now["flags"] & KTHREAD) == 0
        renamed = change.changed[(now["comm"] != before["comm"]) & ~differs & user].tolist()
        often = [row for row in renamed if self._count_rename(int(tasks["pid"][row])) > _RENAMES_READ]
        first: IntArray = np.setdiff1d(renamed, often).astype(np.int64)
        return np.concatenate((change.changed[differs & user], first)), often

    def _count_rename(self, pid: int) -> int:
        count = self._renames[pid] = self._renames.get(pid, 0) + 1
        return count

    def _read(self, tasks: list[Any], snapshot: Snapshot) -> list[Image]:
        """The images of these; of one whose files hang with what was known of it before."""
        lives = [_life(task) for task in tasks if not int(task["flags"]) & KTHREAD]
        lives = [life for life in lives if not self._identities.asking(life)]
        if lives:
            self._identities.ask(lives)
            self._identities.wait(lives, _READ_S, _STALL_S)
        self._answers = dict(self._identities.answers())
        return [self._make(task, snapshot) for task in tasks]

    def _make(self, task: Any, snapshot: Snapshot) -> Image:
        life, uid = _life(task), int(task["uid"])
        image = Image(
            pid=life[0],
            start_ns=life[1],
            since_ns=snapshot.boot_ns,
            since_wall_ns=snapshot.wall_ns,
            ppid=int(task["ppid"]),
            uid=uid,
            user=self._user(uid),
            name=self._comm(task),
            exe="",
            cmdline="",
            cgroup="",
            unit="",
            container="",
            pod="",
            slice="",
            kthread=bool(int(task["flags"]) & KTHREAD),
        )
        identity = self._answers.pop(life, None)
        if identity is not None:
            return self._with_identity(image, identity)
        if self._identities.asking(life):
            self._unread.add(life)
            known = self._images.get(life[0])
            if known is not None and known.start_ns == life[1]:
                return structs.replace(
                    known, **_since(snapshot), ppid=image.ppid, uid=uid, user=image.user, name=image.name
                )
        return image

    def _with_identity(self, image: Image, identity: Identity) -> Image:
        """To be shown from `image.since_ns` on, which is about when this was read."""
        self._titles.known(image.pid, image.start_ns, identity.argv, image.since_ns / SECOND)
        membership = parse_cgroup_path(identity.cgroup)
        return structs.replace(
            image,
            exe=self._once(identity.exe[:4096]),
            cmdline=self._once(self._scrubber.scrub(identity.argv)),
            cgroup=self._once(identity.cgroup),
            unit=membership.unit,
            container=membership.container,
            pod=membership.pod,
            slice=membership.slice,
        )

    def _read_late(self, snapshot: Snapshot) -> list[Image]:
        """Of those whose files hung, and do not any more."""
        found = []
        for life in self._unread & self._answers.keys():
            self._unread.discard(life)
            image, identity = self._images.get(life[0]), self._answers[life]
            if identity is not None and image is not None and image.start_ns == life[1]:
                found.append(self._with_identity(structs.replace(image, **_since(snapshot)), identity))
        return found

    def _named(self, snapshot: Snapshot) -> list[Image]:
        """Of those whose user's name has become known, or is another now."""
        names = self._directory.new_names()
        if not names:
            return []
        return [
            structs.replace(image, **_since(snapshot), user=self._once(names[image.uid]))
            for image in self._images.values()
            if image.uid in names and image.user != names[image.uid]
        ]

    def _renamed(self, tasks: list[Any], snapshot: Snapshot) -> list[Image]:
        return [
            structs.replace(image, **_since(snapshot), name=self._comm(task))
            for task in tasks
            if (image := self._images.get(int(task["pid"]))) is not None
        ]

    def _retitled(self, ran: list[int], snapshot: Snapshot) -> list[Image]:
        """Of those that wrote another title over their arguments. `ran`: PIDs of what ran meanwhile."""
        now_s = snapshot.boot_ns / SECOND
        found = []
        for pid, argv in self._titles.changed(now_s):
            image, cmdline = self._images.get(pid), self._scrubber.scrub(argv)
            if image is not None and image.cmdline != cmdline:
                found.append(structs.replace(image, **_since(snapshot), cmdline=self._once(cmdline)))
        self._titles.look(ran, now_s)
        return found

    def get(self, pid: int) -> Image | None:
        """The image of the process that has this PID in the newest snapshot."""
        return self._images.get(pid)

    def all(self) -> Iterable[Image]:
        """Every living process's image."""
        return self._images.values()

    def _user(self, uid: int) -> str:
        name = self._users.get(uid)
        if name is None:
            name = self._users[uid] = self._once(self._directory.name(uid))
        return name

    def _comm(self, task: Any) -> str:
        return self._once(comm_text(bytes(task["comm"])))

    def _once(self, text: str) -> str:
        """The same object for equal texts: ten thousand workers share one command line."""
        if len(self._texts) > 5_000:
            self._texts.clear()
        return self._texts.setdefault(text, text)


def _life(task: Any) -> Life:
    return int(task["pid"]), int(task["start_ns"])


def _since(snapshot: Snapshot) -> dict[str, int]:
    return {
        "since_ns": snapshot.boot_ns,
        "since_wall_ns": snapshot.wall_ns,
    }
