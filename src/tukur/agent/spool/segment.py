"""One segment of the spool: a file of records that only grows, and beside it one that says which are done."""

import contextlib
import os
import weakref
from collections.abc import Iterator
from pathlib import Path

from tukur.agent.spool import format as form

SUFFIX = ".seg"
_DONE = ".ack"


class Segment:
    """Appended to by one run of the agent, then only read. Methods raise OSError where the disk fails."""

    def __init__(self, folder: Path, number: int) -> None:
        self.number = number
        self.path = folder / f"{number:010d}{SUFFIX}"
        self._done_path = self.path.with_suffix(_DONE)
        self._file: int | None = None
        self._close: weakref.finalize[[int], Segment] | None = None
        """Closes the file, once; a segment that is dropped is closed too."""
        self._done_size = 0
        self.size = 0
        self.waiting: dict[int, int] = {}
        """Position to the head's CRC-32 of each block that is not done, in the order of writing."""
        self.first: form.Span | None = None
        self.newest: form.Span | None = None
        """The block first written, and the one with the latest end."""

    @classmethod
    def create(cls, folder: Path, number: int) -> "Segment":
        """A new one, to be appended to."""
        made = cls(folder, number)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        made._file = file = os.open(made.path, flags, 0o600)
        made._close = weakref.finalize(made, os.close, file)
        try:
            _sync_folder(folder)
        except OSError:
            made.close()
            raise
        return made

    def append(self, record: bytes, *, sync: bool = True) -> int:
        """Writes one record; its position. With `sync` it survives the machine's death on return."""
        if self._file is None:
            raise ValueError(f"{self.path} is not open for writing")
        at = self.size
        try:
            written = os.pwrite(self._file, record, at)
            while written < len(record):
                written += os.pwrite(self._file, record[written:], at + written)
            if sync:
                os.fdatasync(self._file)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, at)
            raise
        self.size = at + len(record)
        return at

    def sync(self) -> None:
        """All that was appended survives the machine's death on return."""
        if self._file is not None:
            os.fdatasync(self._file)

    def close(self) -> None:
        """No more is appended."""
        if self._close is not None:
            self._close()
            self._file = self._close = None

    def add(self, at: int, head_crc: int, span: form.Span) -> None:
        """A block waits there."""
        self.waiting[at] = head_crc
        self.extend(span)

    def extend(self, span: form.Span) -> None:
        """A block of this span is in the segment."""
        self.first = self.first or span
        if self.newest is None or span.last_wall_ns > self.newest.last_wall_ns:
            self.newest = span

    def scan(self) -> Iterator[form.Record | form.Broken]:
        """All that the file holds, in order."""
        file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.size = os.fstat(file).st_size

            def read(at: int, length: int) -> bytes:
                try:
                    return os.pread(file, length, at)
                except OSError:
                    # A sector that cannot be read is damage like any other: what follows it may be well.
                    return bytes(min(length, self.size - at))

            yield from form.scan(read, self.size)
        finally:
            os.close(file)

    def read(self, at: int) -> tuple[form.Record, bytes | None] | None:
        """The record there with its data, None where that is damaged; None: there is no record."""
        with self.path.open("rb", buffering=0) as file:
            descriptor = file.fileno()
            record = form.record_at(lambda at, length: os.pread(descriptor, length, at), at)
            if record is None:
                return None
            content = os.pread(descriptor, record.end - at, at)
        return record, form.data_of(record, content)

    def done(self) -> dict[int, int]:
        """Position to the head's CRC-32 of what need not be kept."""
        try:
            content = self._done_path.read_bytes()
        except FileNotFoundError:
            return {}
        # An entry that was cut off is written over by the next.
        self._done_size = len(content) // form.ACK.size * form.ACK.size
        return form.decode_acks(content)

    def mark_done(self, at: int, head_crc: int = 0) -> None:
        """The record there need not be kept. Not synced: to send it again after a power loss is harmless."""
        self.waiting.pop(at, None)
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
        # A full disk is no reason to stop: the entry is missing, the record is sent again after a restart.
        with contextlib.suppress(OSError):
            file = os.open(self._done_path, flags, 0o600)
            try:
                self._done_size += os.pwrite(file, form.encode_ack(at, head_crc), self._done_size)
            finally:
                os.close(file)

    def remove(self) -> None:
        """Deletes both files, the records first: entries without records mean nothing."""
        self.close()
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
            self._done_path.unlink(missing_ok=True)


def found_in(folder: Path) -> list[Segment]:
    """The segments of a folder, by number. Entries without their records are removed."""
    numbers = sorted(int(path.stem) for path in folder.glob("*" + SUFFIX) if path.stem.isdigit())
    known = {f"{number:010d}" for number in numbers}
    for path in folder.glob("*" + _DONE):
        if path.stem not in known:
            path.unlink(missing_ok=True)
    return [Segment(folder, number) for number in numbers]


def _sync_folder(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
