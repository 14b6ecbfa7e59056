"""The process table at one instant, from a block or from the agent, as rows for the API."""

from collections.abc import Mapping
from typing import Any

from tukur.hub.models.models import Process
from tukur.hub.store.record.images import Key
from tukur.protocol.frames import Frame
from tukur.protocol.messages import Image
from tukur.records import ENDED, KTHREAD, TaskArray, comm_text


def processes(rows: Any, names: list[str], images: Mapping[Key, Any], booted_ms: int) -> list[Process]:
    """API rows of an array of ``records.ROW``; `names`: each one's comm, used where no image is known."""
    columns = {name: rows[name].tolist() for name in rows.dtype.names}
    found = []
    for at, (pid, start_ns) in enumerate(zip(columns["pid"], columns["start_ns"], strict=True)):
        image = images.get((start_ns, pid))
        found.append(
            Process(
                pid=pid,
                start_ns=str(start_ns),
                ppid=columns["ppid"][at],
                uid=columns["uid"][at],
                user=image.user if image else str(columns["uid"][at]),
                name=names[at] or (image.name if image else ""),
                cmdline=image.cmdline if image else "",
                exe=image.exe if image else "",
                unit=image.unit if image else "",
                container=image.container if image else "",
                pod=image.pod if image else "",
                slice=image.slice if image else "",
                cgroup=image.cgroup if image else "",
                kthread=bool(columns["flags"][at] & KTHREAD),
                ended=bool(columns["flags"][at] & ENDED),
                state=chr(columns["state"][at]),
                nice=columns["nice"][at],
                threads=columns["threads"][at],
                cpu=round(columns["cpu"][at], 5),
                cpu_time=columns["cpu_time"][at],
                rss=int(columns["rss"][at]),
                swap=int(columns["swap"][at]),
                vsz=int(columns["vsz"][at]),
                read_rate=columns["read_rate"][at],
                write_rate=columns["write_rate"][at],
                fault_rate=columns["fault_rate"][at],
                switch_rate=columns["switch_rate"][at],
                started_ms=booted_ms + start_ns // 1_000_000,
            )
        )
    return found


def frame_images(tasks: TaskArray, images: Mapping[Key, Any]) -> list[Image]:
    """The images of a recorded table, for a frame. One that was never told has at least its name."""
    found = []
    for pid, start_ns, ppid, uid, flags, comm in zip(
        *(tasks[name].tolist() for name in ("pid", "start_ns", "ppid", "uid", "flags", "comm")), strict=True
    ):
        row = images.get((start_ns, pid))
        found.append(
            Image(
                pid=pid,
                start_ns=start_ns,
                since_ns=row.since_ns if row else 0,
                since_wall_ns=0,
                ppid=ppid,
                uid=uid,
                user=row.user if row else str(uid),
                name=comm_text(comm),
                exe=row.exe if row else "",
                cmdline=row.cmdline if row else "",
                cgroup=row.cgroup if row else "",
                unit=row.unit if row else "",
                container=row.container if row else "",
                pod=row.pod if row else "",
                slice=row.slice if row else "",
                kthread=bool(flags & KTHREAD),
            )
        )
    return found


def live_images(frame: Frame) -> dict[Key, Any]:
    """The images of a key frame, by (start_ns, pid)."""
    columns = frame.images
    found: dict[Key, Any] = {}
    for values in zip(*columns.values(), strict=True):
        # An agent of before pods and slices does not tell them.
        entry = {"pod": "", "slice": "", **dict(zip(columns, values, strict=True))}
        found[int(entry["start_ns"]), int(entry["pid"])] = _Bag(entry)
    return found


class _Bag:
    """A dictionary's content as attributes."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.__dict__.update(content)
