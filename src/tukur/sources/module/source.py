"""The ``module`` source: /proc/tukur_tasks and /proc/tukur_events of the kernel module tukur_cpu."""

import os
import struct
from pathlib import Path

import numpy as np

from tukur.records import EVENT_VERSION, TASK, Departed, TaskArray, row_bytes
from tukur.sources.base import SourceUnavailableError
from tukur.sources.lives.events import parse_events
from tukur.sources.lives.tracker import LifeTracker

TASKS = Path("/proc/tukur_tasks")
EVENTS = Path("/proc/tukur_events")
_HEADER = struct.Struct("=IIII")
"""struct tukur_stream: magic, version, record_size, padding."""
_MAGIC = 0x524B4B54
_ROOM = 1 << 18
_EVENTS_AT_ONCE = 1 << 20
_REMEDY = "`tukur module install` builds and loads the kernel modules"

UNSEEN_LIVES = "A process that lived between two samples is not seen: {why}."


def parse_header(data: bytes, what: Path) -> tuple[int, int]:
    """Version and record size of a stream's header. Raises SourceUnavailableError."""
    if len(data) < _HEADER.size:
        raise SourceUnavailableError(f"{what} gives {len(data)} bytes; a header of {_HEADER.size} expected")
    magic, version, record_size, _ = _HEADER.unpack_from(data)
    if magic != _MAGIC:
        raise SourceUnavailableError(f"{what} begins with {magic:#010x}; {_MAGIC:#010x} expected")
    return version, record_size


def parse_tasks(data: np.ndarray[tuple[int], np.dtype[np.uint8]], record_size: int) -> TaskArray:
    """The records of a stream, its header left out, as this program knows them: always a copy.

    A longer record of a newer module is cut to what is known; what a shorter one lacks is 0.
    Raises ValueError where the stream ends within a record.
    """
    count, rest = divmod(len(data), record_size)
    if rest:
        raise ValueError(f"{TASKS} ends {rest} bytes into a record of {record_size}")
    if record_size == TASK.itemsize:
        tasks: TaskArray = data.copy().view(TASK)
        return tasks
    known = min(record_size, TASK.itemsize)
    whole = np.zeros((count, TASK.itemsize), dtype=np.uint8)
    whole[:, :known] = data.reshape(count, record_size)[:, :known]
    return whole.reshape(-1).view(TASK)


class ModuleSource:
    """Reads what the module writes: every process whole, in the order of their PIDs, threads added up."""

    name = "module"

    def __init__(self, tasks: Path = TASKS, events: Path = EVENTS) -> None:
        """Raises SourceUnavailableError."""
        self._fd = _open(tasks)
        self._buffer = np.empty(_ROOM, dtype=np.uint8)
        self._events: _Events | None = None
        self._tracker = LifeTracker()
        self.blind_spots: tuple[str, ...] = ()
        try:
            self._version, self._record_size = parse_header(os.read(self._fd, _HEADER.size), tasks)
            if self._record_size < 8 or self._record_size % 8:
                raise SourceUnavailableError(
                    f"{tasks} has records of {self._record_size} bytes; a multiple of 8 expected"
                )
        except BaseException:
            os.close(self._fd)
            raise
        try:
            self._events = _Events(events)
        except SourceUnavailableError as error:
            self.blind_spots = (UNSEEN_LIVES.format(why=error),)

    def read(self) -> TaskArray:
        """Every process now; see Source. Raises OSError, and ValueError for a stream that is none."""
        filled = self._fill()
        tasks = parse_tasks(self._buffer[_HEADER.size : filled], self._record_size)
        pids = tasks["pid"]
        if len(pids) > 1 and not bool((pids[1:] > pids[:-1]).all()):
            tasks = row_bytes(tasks)[np.argsort(pids, kind="stable")].view(TASK)
        return tasks

    def collect(self) -> None:
        """Takes the events over; see Source. Raises OSError, ValueError."""
        if self._events is not None:
            self._tracker.feed(parse_events(self._events.read()))

    def departed(self, living: TaskArray) -> Departed:
        """What ended meanwhile; see Source. Raises OSError, ValueError."""
        self.collect()
        return self._tracker.departed(living)

    def close(self) -> None:
        """Closes the files: then the module keeps nothing for us."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        if self._events is not None:
            self._events.close()

    def _fill(self) -> int:
        """Reads from the beginning to the end; the number of bytes."""
        os.lseek(self._fd, 0, os.SEEK_SET)
        filled = 0
        while True:
            if len(self._buffer) - filled < max(self._record_size, _HEADER.size) + _HEADER.size:
                self._buffer = np.concatenate([self._buffer, np.empty(len(self._buffer), dtype=np.uint8)])
            count = os.readv(self._fd, [self._buffer.data[filled:]])
            if count == 0:
                return filled
            filled += count


class _Events:
    """The stream of events; one reader at a time may have it."""

    def __init__(self, path: Path) -> None:
        """Raises SourceUnavailableError."""
        self._fd = _open(path)
        try:
            version, _ = parse_header(os.read(self._fd, _HEADER.size), path)
            if version < 1:
                raise SourceUnavailableError(f"{path} has version {version}; 1 to {EVENT_VERSION} expected")
        except BaseException:
            self.close()
            raise

    def read(self) -> bytes:
        """All that there is. Raises OSError."""
        pieces = []
        while piece := os.read(self._fd, _EVENTS_AT_ONCE):
            pieces.append(piece)
        return b"".join(pieces)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise SourceUnavailableError(f"{path} is not there; {_REMEDY}") from error
    except PermissionError as error:
        raise SourceUnavailableError(
            f"{path} may not be read by this user; root, or the group that the module's gid= names, may"
        ) from error
    except OSError as error:
        # EBUSY, for one: another agent has the events.
        raise SourceUnavailableError(f"{path}: {error.strerror}") from error
