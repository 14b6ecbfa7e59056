"""The process table at one instant, from a block or from the agent, as rows for the API."""

from collections.abc import Mapping
from operator import attrgetter
from types import SimpleNamespace
from typing import Any

from tukur.hub.models.process import Process
from tukur.hub.store.record.images import Key
from tukur.protocol.frames import Frame
from tukur.protocol.messages import Image
from tukur.records import ENDED, KTHREAD, PROCESS_FIELDS, TaskArray, comm_text

_FIELDS = [field for field in PROCESS_FIELDS if field.api is not None]
_TEXTS = ("user", "name", "cmdline", "exe", "unit", "container", "pod", "slice", "cgroup")
_NAMES = (*(field.name for field in _FIELDS), *_TEXTS, "kthread", "ended", "started_ms")
_texts_of = attrgetter(*_TEXTS)


def processes(rows: Any, names: list[str], images: Mapping[Key, Any], booted_ms: int) -> list[Process]:
    """API rows of an array of ``records.ROW``; `names`: each one's comm, used where no image is known."""
    pids, starts, uids, flags = (rows[each].tolist() for each in ("pid", "start_ns", "uid", "flags"))
    texts = []
    for name, uid, start_ns, pid in zip(names, uids, starts, pids, strict=True):
        image = images.get((start_ns, pid))
        user, own_name, *others = _texts_of(image) if image else (str(uid), *[""] * (len(_TEXTS) - 1))
        texts.append((user, name or own_name, *others))
    columns = [
        *(field.to_api(rows[field.name]) for field in _FIELDS),
        *zip(*texts, strict=True),
        [bool(each & KTHREAD) for each in flags],
        [bool(each & ENDED) for each in flags],
        [booted_ms + start_ns // 1_000_000 for start_ns in starts],
    ]
    return [Process(**dict(zip(_NAMES, values, strict=True))) for values in zip(*columns, strict=True)]


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
        found[int(entry["start_ns"]), int(entry["pid"])] = SimpleNamespace(**entry)
    return found
