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
from tukur.text import readable

_SIZE = EVENT.fields["size"][1]  # type: ignore[index]
_NO_PLACES = np.empty(0, dtype=np.int64)
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

    def __bool__(self) -> bool:
        return bool(
            self.execs or len(self.exits) or len(self.frees) or self.cgroups or len(self.groups) or self.lost
        )


def parse_events(data: bytes) -> Events:
    """The events of a reading. Those of an unknown kind are skipped. Raises BadEventsError."""
    if not data:
        return Events()
    places = _places(data)
    words = np.frombuffer(data, dtype=np.uint64, count=len(data) // 8)
    return Events(
        execs=_execs(data, words, places.get(EXEC_EVENT, _NO_PLACES)),
        exits=_gather(words, places.get(EXIT_EVENT, _NO_PLACES), EXIT),
        frees=_gather(words, places.get(FREE_EVENT, _NO_PLACES), EXIT),
        cgroups=[
            entry
            for offset in places.get(CGROUP_EVENT, _NO_PLACES).tolist()
            if (entry := _cgroup(data, offset))
        ],
        groups=_groups(words, places.get(GROUP_EVENT, _NO_PLACES)),
        lost=_losses(_gather(words, places.get(LOST_EVENT, _NO_PLACES), LOST)),
    )


def _places(data: bytes) -> dict[int, npt.NDArray[np.int64]]:
    """Offsets of the events of each kind."""
    offsets = np.array(_offsets(data), dtype=np.int64)
    heads = _gather(np.frombuffer(data, dtype=np.uint64, count=len(data) // 8), offsets, EVENT)
    sizes = heads["size"].astype(np.int64)
    places = {}
    for kind in np.unique(heads["kind"]).tolist():
        mine = heads["kind"] == kind
        least = int(sizes[mine].min())
        if least < _MIN_SIZES.get(kind, 0):
            raise BadEventsError(f"an event of kind {kind} with {least} bytes; {_MIN_SIZES[kind]} expected")
        places[kind] = offsets[mine]
    return places


def _offsets(data: bytes) -> list[int]:
    """Where each event begins, by the sizes that they say: the one loop over all of them."""
    words, offset, end, offsets = memoryview(data[: len(data) // 8 * 8]).cast("I"), 0, len(data), []
    while offset < end:
        if offset + EVENT.itemsize > end:
            raise BadEventsError(f"{end - offset} bytes at {offset}; an event has {EVENT.itemsize} at least")
        size = words[(offset + _SIZE) >> 2]
        if size < EVENT.itemsize or size & 7:
            raise BadEventsError(
                f"an event of {size} bytes at {offset} of {end}; a multiple of 8 within expected"
            )
        offsets.append(offset)
        offset += size
    if offset > end:
        raise BadEventsError(f"an event of {size} bytes ends at {offset} of {end}; within expected")
    return offsets


_MIN_SIZES = {
    EXEC_EVENT: EXEC.itemsize,
    EXIT_EVENT: EXIT.itemsize,
    FREE_EVENT: EXIT.itemsize,
    CGROUP_EVENT: CGROUP.itemsize,
    GROUP_EVENT: GROUP_SIZE_1,
    LOST_EVENT: LOST.itemsize,
}


def _gather(
    words: npt.NDArray[np.uint64], places: npt.NDArray[np.int64], dtype: "np.dtype[Any]", size: int = 0
) -> npt.NDArray[np.void]:
    """The fixed part of each, or `size` bytes of it and zeros, as an array that can be written to."""
    found: npt.NDArray[np.void] = np.zeros(len(places), dtype=dtype)
    known = (size or dtype.itemsize) // 8
    index = places[:, None] // 8 + np.arange(known)
    found.view(np.uint64).reshape(len(places), dtype.itemsize // 8)[:, :known] = words[index]
    return found


def _groups(words: npt.NDArray[np.uint64], places: npt.NDArray[np.int64]) -> GroupArray:
    """Those of an older kernel side are shorter: what they lack is zero."""
    groups = _gather(words, places, GROUP, GROUP_SIZE_1)
    whole = groups["size"] >= GROUP.itemsize
    groups["peaks"][whole] = words[(places[whole] + GROUP_SIZE_1) // 8]
    return groups


def _execs(data: bytes, words: npt.NDArray[np.uint64], places: npt.NDArray[np.int64]) -> dict[LifeKey, bytes]:
    heads = _gather(words, places, EXEC)
    room = heads["size"].astype(np.int64) - EXEC.itemsize
    columns = zip(
        *(heads[name].tolist() for name in ("start_ns", "kernel_pid")),
        (places + EXEC.itemsize).tolist(),
        np.minimum(heads["args_len"], room).tolist(),
        strict=True,
    )
    return {(start_ns, pid): data[begin : begin + length] for start_ns, pid, begin, length in columns}


def _cgroup(data: bytes, offset: int) -> tuple[int, str] | None:
    head = np.frombuffer(data, dtype=CGROUP, count=1, offset=offset)[0]
    if head["root"] != _DEFAULT_HIERARCHY:
        return None
    begin = offset + CGROUP.itemsize
    end = min(begin + int(head["path_len"]), offset + int(head["size"]))
    return int(head["cgroup_id"]), readable(data[begin:end])


def _losses(events: npt.NDArray[np.void]) -> Losses:
    if not len(events):
        return Losses()
    return Losses(
        *(int(events[name].sum(dtype=np.uint64)) for name in ("execs", "lives", "cpu_ns", "finals"))
    )
