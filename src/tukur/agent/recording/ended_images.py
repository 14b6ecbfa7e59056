"""Images of lives that ended before a sample could read them: of what the kernel reported."""

from collections.abc import Callable, Iterator, Mapping

from msgspec import structs

from tukur.agent.recording.scrub import Scrubber
from tukur.protocol.messages import Image
from tukur.records import KTHREAD, Departed, Snapshot, comm_text
from tukur.sources.cgroups import parse_cgroup_path
from tukur.sources.proc import parse_cmdline

_REMEMBERED = 2048
_REMEMBERED_BYTES = 512
"""Longer arguments, such as a compiler's, seldom come twice."""

_Shared = tuple[int, int, int, int, bytes, bytes]
"""ppid, uid, cgroup_id, kthread, comm, args"""


class EndedImages:
    """Makes them; thousands of lives a second share most of what is in them."""

    def __init__(
        self, scrubber: Scrubber, cgroup_path: Callable[[int], str | None], user: Callable[[int], str]
    ) -> None:
        """`cgroup_path`: from a cgroup's id to its path, None where it is not known; `user`: from the uid."""
        self._scrubber = scrubber
        self._cgroup_path = cgroup_path
        self._user = user
        self._commands: dict[bytes, str] = {}

    def make(self, departed: Departed, images: Mapping[int, Image], snapshot: Snapshot) -> list[Image]:
        """Of the lives whose image is new, or that became another program since.

        `images`: of the living and of those of the sample before, by PID.
        """
        made: list[Image] = []
        born: dict[int, Image] = {}
        # Of a burst most lives differ in nothing but PID and times.
        alike: dict[tuple[_Shared, int], Image] = {}
        now_ns, offset = snapshot.boot_ns, snapshot.wall_ns - snapshot.boot_ns
        for pid, start_ns, shared in _lives(departed):
            ppid, _, _, _, comm, args = shared
            known = images.get(pid)
            if known is not None and known.start_ns != start_ns:
                known = None
            if known is not None and not args and known.name == comm_text(comm):
                continue
            like = known or born.get(ppid) or images.get(ppid)
            key = (shared, id(like))
            if key not in alike:
                alike[key] = self._image(shared, like)
            # What no sample saw holds from its beginning, not from the sample after its end.
            since = now_ns if known else min(start_ns, now_ns)
            image = structs.replace(
                alike[key], pid=pid, start_ns=start_ns, since_ns=since, since_wall_ns=since + offset
            )
            born[pid] = image
            made.append(image)
        return made

    def _image(self, shared: _Shared, like: Image | None) -> Image:
        """Without PID and times. `like`: its older image or its parent's, whose program a fork still runs."""
        ppid, uid, cgroup_id, kthread, comm, args = shared
        path = self._cgroup_path(cgroup_id) or ""
        if path in ("", "/") and like is not None:
            # On a v1 hierarchy the id tells nothing.
            path = like.cgroup
        membership = parse_cgroup_path(path)
        exe = cmdline = ""
        if args:
            cmdline = self._command(args)
        elif like is not None and not kthread:
            exe, cmdline = like.exe, like.cmdline
        return Image(
            pid=0,
            start_ns=0,
            since_ns=0,
            since_wall_ns=0,
            ppid=ppid,
            uid=uid,
            user=self._user(uid),
            name=comm_text(comm),
            exe=exe,
            cmdline=cmdline,
            cgroup=path,
            unit=membership.unit,
            container=membership.container,
            pod=membership.pod,
            slice=membership.slice,
            kthread=bool(kthread),
        )

    def _command(self, args: bytes) -> str:
        found = self._commands.get(args)
        if found is None:
            found = self._scrubber.scrub(parse_cmdline(args))
            if len(args) <= _REMEMBERED_BYTES:
                if len(self._commands) >= _REMEMBERED:
                    self._commands.clear()
                self._commands[args] = found
        return found


def _lives(departed: Departed) -> Iterator[tuple[int, int, _Shared]]:
    """PID and start of each, and what many have in common."""
    tasks = departed.tasks
    columns = (tasks[name].tolist() for name in ("ppid", "uid", "cgroup_id"))
    shared = zip(
        *columns, (tasks["flags"] & KTHREAD).tolist(), tasks["comm"].tolist(), departed.args, strict=True
    )
    return zip(tasks["pid"].tolist(), tasks["start_ns"].tolist(), shared, strict=True)
