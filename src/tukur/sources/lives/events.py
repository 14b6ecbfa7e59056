"""Takes the events of ``tukur_record.h`` apart: what a ring in the kernel held. Pure."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tukur.records import (
    CGROUP,
    CGROUP_EVENT,
    EVENT,
    EXEC,
    EXEC_EVENT,
    EXIT,
    EXIT_EVENT,
    FREE_EVENT,
    GROUP,
    GROUP_EVENT,
    GROUP_SIZE_1,
    LOST,
    LOST_EVENT,
    GroupArray,
    Losses,
    no_groups,
)

_SIZE, _KIND = (EVENT.fields[name][1] for name in ("size", "kind"))  # type: ignore[index]
_DEFAULT_HIERARCHY = 0
"""``root`` of a cgroup in the v2 hierarchy, the one whose ids task records have."""

LifeKey = tuple[int, int]
"""(start_ns, kernel_pid): what an exec, an exit and a reaping of one life have in common."""


class BadEventsError(ValueError):
    """The bytes are no events. The text says what was found, and where."""


def _no_exits() -> npt.NDArray[np.void]:
    return np.empty(0, dtype=EXIT)


@dataclass(frozen=True, slots=True)
class Events:
    """What happened between two readings, by kind; each in the order in which it did."""

    execs: dict[LifeKey, bytes] = field(default_factory=dict)
    """The arguments of each life's last exec, each ended by a NUL."""
    exits: npt.NDArray[np.void] = field(default_factory=_no_exits)
    """An array of ``records.EXIT``: deaths."""
    frees: npt.NDArray[np.void] = field(default_factory=_no_exits)
    """An array of ``records.EXIT``: reapings."""
    cgroups: list[tuple[int, str]] = field(default_factory=list)
    """(cgroup_id, path) of cgroups that were made in the v2 hierarchy."""
    groups: GroupArray = field(default_factory=no_groups)
    lost: Losses = field(default_factory=Losses)


def parse_events(data: bytes) -> Events:
    """The events of a reading. Those of an unknown kind are skipped. Raises BadEventsError."""
    places = _places(data)
    return Events(
        execs=dict(_exec(data, offset) for offset, _ in places.get(EXEC_EVENT, ())),
        exits=_gather(data, places.get(EXIT_EVENT, []), EXIT),
        frees=_gather(data, places.get(FREE_EVENT, []), EXIT),
        cgroups=[entry for offset, _ in places.get(CGROUP_EVENT, ()) if (entry := _cgroup(data, offset))],
        groups=_gather(data, places.get(GROUP_EVENT, []), GROUP),
        lost=_losses(_gather(data, places.get(LOST_EVENT, []), LOST)),
    )


def _places(data: bytes) -> dict[int, list[tuple[int, int]]]:
    """(offset, size) of the events of each kind."""
    places: dict[int, list[tuple[int, int]]] = {}
    words = memoryview(data[: len(data) // 4 * 4]).cast("I")
    offset, end = 0, len(data)
    while offset < end:
        if offset + EVENT.itemsize > end:
            raise BadEventsError(f"{end - offset} bytes at {offset}; an event has {EVENT.itemsize} at least")
        size, kind = words[(offset + _SIZE) // 4], words[(offset + _KIND) // 4]
        if size < EVENT.itemsize or size % 8 or offset + size > end:
            raise BadEventsError(
                f"an event of {size} bytes at {offset} of {end}; a multiple of 8 within expected"
            )
        if size < _MIN_SIZES.get(kind, 0):
            raise BadEventsError(f"an event of kind {kind} with {size} bytes; {_MIN_SIZES[kind]} expected")
        places.setdefault(kind, []).append((offset, size))
        offset += size
    return places


_MIN_SIZES = {
    EXEC_EVENT: EXEC.itemsize,
    EXIT_EVENT: EXIT.itemsize,
    FREE_EVENT: EXIT.itemsize,
    CGROUP_EVENT: CGROUP.itemsize,
    GROUP_EVENT: GROUP_SIZE_1,
    LOST_EVENT: LOST.itemsize,
}


def _gather(data: bytes, places: list[tuple[int, int]], dtype: "np.dtype[Any]") -> npt.NDArray[np.void]:
    """The fixed part of each, as an array that can be written to; what an older kernel side lacks is zero."""
    size = dtype.itemsize
    whole = bytearray().join(
        data[offset : offset + min(size, length)].ljust(size, b"\0") for offset, length in places
    )
    return np.frombuffer(whole, dtype=dtype)


def _exec(data: bytes, offset: int) -> tuple[LifeKey, bytes]:
    head = np.frombuffer(data, dtype=EXEC, count=1, offset=offset)[0]
    begin = offset + EXEC.itemsize
    end = min(begin + int(head["args_len"]), offset + int(head["size"]))
    return (int(head["start_ns"]), int(head["kernel_pid"])), data[begin:end]


def _cgroup(data: bytes, offset: int) -> tuple[int, str] | None:
    head = np.frombuffer(data, dtype=CGROUP, count=1, offset=offset)[0]
    if head["root"] != _DEFAULT_HIERARCHY:
        return None
    begin = offset + CGROUP.itemsize
    end = min(begin + int(head["path_len"]), offset + int(head["size"]))
    return int(head["cgroup_id"]), data[begin:end].decode("utf-8", "backslashreplace")


def _losses(events: npt.NDArray[np.void]) -> Losses:
    if not len(events):
        return Losses()
    return Losses(
        *(int(events[name].sum(dtype=np.uint64)) for name in ("execs", "lives", "cpu_ns", "finals"))
    )
