"""The process table at one instant, from a block or from the agent, as rows for the API."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from tukur.hub.models.process import Process
from tukur.hub.store.store import Key
from tukur.protocol.frames import Frame
from tukur.protocol.messages import Image
from tukur.records import ENDED, KTHREAD, PROCESS_FIELDS, TaskArray, comm_text

_FIELDS = [field for field in PROCESS_FIELDS if field.api is not None]
_TEXTS = ("user", "cmdline", "exe", "unit", "container", "pod", "slice", "cgroup")


def processes(rows: Any, names: list[str], images: Mapping[Key, Any], booted_ms: int) -> list[Process]:
    """API rows of an array of ``records.ROW``; `names`: each one's comm, used where no image is known."""
    figures = [[field.to_api(value) for value in rows[field.name].tolist()] for field in _FIELDS]
    field_names = [field.name for field in _FIELDS]
    found = []
    for pid, start_ns, uid, flags, name, *values in zip(
        *(rows[each].tolist() for each in ("pid", "start_ns", "uid", "flags")), names, *figures, strict=True
    ):
        image = images.get((start_ns, pid))
        texts = {each: getattr(image, each) if image else "" for each in _TEXTS}
        texts["user"] = texts["user"] if image else str(uid)
        found.append(
            Process(
                **dict(zip(field_names, values, strict=True)),
                **texts,
                name=name or (image.name if image else ""),
                kthread=bool(flags & KTHREAD),
                ended=bool(flags & ENDED),
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
        found[int(entry["start_ns"]), int(entry["pid"])] = SimpleNamespace(**entry)
    return found
