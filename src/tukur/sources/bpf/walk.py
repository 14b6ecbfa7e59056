"""All tasks by a program that walks over them: the form of the ``bpf`` source from Linux 6.7 on (walk.bpf.c).

The program keeps the records in an array that is mapped here, and says which of them it has written. A table
that was handed out is a copy of it, since the next walk writes into the array.
"""

import ctypes
from typing import Any

import numpy as np
import numpy.typing as npt

from tukur.records import TASK, TaskArray, row_bytes
from tukur.sources.base import SourceUnavailableError
from tukur.sources.bpf.libbpf import object_image
from tukur.sources.bpf.programs import CallProgram
from tukur.sources.proc import list_pids

OBJECT = "walk.bpf.o"
PLACE = np.dtype([("task", "<u8"), ("activity", "<u8"), ("row", "<u4"), ("number", "<u4")])
"""struct place of walk.bpf.c."""
SEVERAL = 1 << 31
"""In a place's number: the process has several threads."""
CHANGE = np.dtype([("place", "<i8"), ("row", "<i8")])
"""struct change of walk.bpf.c."""
_FEWEST_ROWS = 8192
"""Rows that the kernel has memory for at least: 1.8 MB."""
_FEWEST_MAPPED = 1024
"""Rows of them that this process maps at least, which count in its resident memory."""
_MOST_ROWS = 1 << 22
"""PID_MAX_LIMIT."""


class WalkResult(ctypes.Structure):
    """struct walk_result of walk.bpf.c."""

    _fields_ = (
        ("processes", ctypes.c_uint32),
        ("changes", ctypes.c_uint32),
        ("moved", ctypes.c_uint32),
        ("unordered", ctypes.c_uint32),
    )
    processes: int
    changes: int
    moved: int
    unordered: int


class Walk:
    """Reads by running the program, which fills the arrays."""

    name = "walk"

    def __init__(self, settings: bytes, rows: int | None = None) -> None:
        """`settings`: those of record.h. `rows`: processes there is room for; None: by how many there are.

        It makes more room by itself. Raises SourceUnavailableError.
        """
        self._settings = settings
        self._result = WalkResult()
        self._load(rows or _room_for(_count_listed()))

    def read(self, front: TaskArray) -> TaskArray:
        """Every process now, sorted by pid, behind the rows `front`. Raises OSError."""
        result = self._result
        self._program.run(result)
        while result.processes > self._room:
            self._enlarge(_room_for(result.processes))
            self._program.run(result)
        if result.processes > self._mapped:
            self._map(result.processes)
        return self._table.update(
            self._rows, self._places[: result.processes], self._changes[: result.changes], result, front
        )

    def close(self) -> None:
        """Unloads the program."""
        self._program.close()

    def _load(self, rows: int) -> None:
        entries = dict.fromkeys(("rows", "places", "changes"), rows)
        self._program = CallProgram(object_image(OBJECT), "walk", self._settings, entries)
        self._room = rows
        self._mapped = 0
        self._table = Table()

    def _enlarge(self, rows: int) -> None:
        self._program.close()
        try:
            self._load(rows)
        except SourceUnavailableError as error:
            raise OSError(f"there is no room for {rows} processes: {error}") from error

    def _map(self, processes: int) -> None:
        """Maps what is needed of the arrays, and somewhat more."""
        entries = min(self._room, max(_FEWEST_MAPPED, 1 << processes.bit_length()))
        self._rows = self._program.map_array("rows", TASK, entries)
        self._places = self._program.map_array("places", PLACE, entries)
        self._changes = self._program.map_array("changes", CHANGE, entries)
        self._mapped = entries


class Table:
    """The processes as of the last walk, brought up to date by what the next one wrote. Pure."""

    def __init__(self) -> None:
        self._tasks = row_bytes(np.empty(0, dtype=TASK))
        self._position: npt.NDArray[np.int64] | None = None
        """Where in the table each place is; None: the places are in the table's order."""
        self._whole = True
        """Whether all has to be taken anew: what an earlier walk changed may not be known."""

    def update(
        self, rows: TaskArray, places: Any, changes: Any, result: WalkResult, front: TaskArray
    ) -> TaskArray:
        """The table after a walk, sorted by pid, behind the rows `front`: a new array.

        `rows`: the records. `places`: the processes, in the kernel's order. `changes`: those among them of
        which something was written.
        """
        same = not self._whole and not result.moved and len(self._tasks) == len(front) + len(places)
        self._whole = True
        if same:
            self._tasks = self._changed(row_bytes(rows), changes, len(front))
        else:
            self._tasks = self._all(row_bytes(rows), places, len(front), ordered=not result.unordered)
        self._tasks[: len(front)] = row_bytes(front)
        self._whole = False
        tasks: TaskArray = self._tasks.view(TASK)
        return tasks

    def _all(self, rows: Any, places: Any, begin: int, *, ordered: bool) -> Any:
        index = places["row"].astype(np.int64)
        self._position = None
        if not ordered:
            # The numbers have begun anew since the machine started: the kernel's order is that of creation.
            order = np.argsort(places["number"] & ~np.uint32(SEVERAL), kind="stable")
            self._position = np.empty_like(order)
            self._position[order] = np.arange(len(order))
            index = index[order]
        tasks = np.empty(begin + len(index), dtype=rows.dtype)
        # With a mode that needs no check take() writes into the array itself.
        rows.take(index, out=tasks[begin:], mode="clip")
        return tasks

    def _changed(self, rows: Any, changes: Any, begin: int) -> Any:
        tasks = self._tasks.copy()
        position = changes["place"]
        if self._position is not None:
            position = self._position[position]
        tasks[begin:][position] = rows[changes["row"]]
        return tasks


def _count_listed() -> int:
    """How many processes /proc lists; 0 where it cannot be read."""
    try:
        return len(list_pids())
    except OSError:
        return 0


def _room_for(processes: int) -> int:
    """Rows to load the program with: twice as many as needed, since loading it again takes long."""
    return min(max(_FEWEST_ROWS, 1 << (2 * processes - 1).bit_length()), _MOST_ROWS)
