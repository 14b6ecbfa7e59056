"""Blocks that wait for the hub's acknowledgement, on disk: one file each, bounded, never half-written."""

import contextlib
import errno
import logging
import os
import struct
import zlib
from pathlib import Path

log = logging.getLogger(__name__)

DEFAULT_LIMIT = 512 * 1024 * 1024
MEMORY_BLOCKS = 30
"""Blocks kept in memory where the disk takes none: five minutes of ten-second blocks."""

_SUFFIX = ".block"
_CRC = struct.Struct("<I")


class Spool:
    """A folder of packed blocks. Oldest are dropped past the limit, and counted.

    Not thread-safe, but its calls may run in a worker thread one after another.
    """

    def __init__(self, folder: Path, limit: int = DEFAULT_LIMIT) -> None:
        self._folder = folder
        self._limit = limit
        self._memory: dict[str, bytes] = {}
        self.dropped = 0
        """Blocks given up because the spool was full."""
        self.damaged = 0
        """Blocks whose file was not what had been written; set aside in ``damaged/``."""
        self.fault = ""
        """Why the disk takes no blocks; empty: it does."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for leftover in folder.glob("*.tmp"):
            leftover.unlink(missing_ok=True)
        self._sizes = {path.stem: path.stat().st_size for path in sorted(folder.glob("*" + _SUFFIX))}

    @staticmethod
    def name(boot_id: str, first_ns: int) -> str:
        """The name of a block; names of one boot sort by time."""
        return f"{boot_id}-{first_ns:020d}"

    def names(self) -> list[str]:
        """What waits, oldest first."""
        return sorted({*self._sizes, *self._memory}, key=lambda name: name[-20:])

    def put(self, name: str, data: bytes) -> None:
        """Keeps one block. On return it survives the death of this process and of the machine,
        or `fault` says why it is in memory only."""
        try:
            self._write(name, data)
        except OSError as error:
            if not self.fault:
                log.warning("the spool takes no blocks: %s", error.strerror)
            self.fault = f"{errno.errorcode.get(error.errno or 0, '?')}: {error.strerror}"
            self._memory[name] = data
            while len(self._memory) > MEMORY_BLOCKS:
                del self._memory[min(self._memory, key=lambda name: name[-20:])]
                self.dropped += 1
            return
        self._sizes[name] = len(data) + _CRC.size
        if self.fault:
            log.info("the spool takes blocks again")
            self.fault = ""
            waiting, self._memory = self._memory, {}
            for kept, content in waiting.items():
                self.put(kept, content)
        self._make_room()

    def _write(self, name: str, data: bytes) -> None:
        temporary = self._folder / (name + ".tmp")
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.write(_CRC.pack(zlib.crc32(data)))
                file.flush()
                os.fsync(file.fileno())
            temporary.rename(self._folder / (name + _SUFFIX))
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def get(self, name: str) -> bytes | None:
        """One block's bytes; None where it is gone or damaged (then it is set aside)."""
        if name in self._memory:
            return self._memory[name]
        path = self._folder / (name + _SUFFIX)
        try:
            content = path.read_bytes()
        except OSError as error:
            log.warning("block %s cannot be read: %s", name, error.strerror)
            self._sizes.pop(name, None)
            return None
        data = content[: -_CRC.size]
        if len(content) < _CRC.size or _CRC.unpack(content[-_CRC.size :])[0] != zlib.crc32(data):
            log.warning("block %s is damaged; set aside", name)
            self.damaged += 1
            self.set_aside(name, "damaged")
            return None
        return data

    def drop(self, name: str) -> None:
        """Forgets a block that the hub has."""
        self._memory.pop(name, None)
        if self._sizes.pop(name, None) is not None:
            (self._folder / (name + _SUFFIX)).unlink(missing_ok=True)

    def set_aside(self, name: str, why: str) -> None:
        """Moves a block to the folder `why`, for a person to look at; it is not sent again."""
        self._memory.pop(name, None)
        if self._sizes.pop(name, None) is None:
            return
        aside = self._folder / why
        with contextlib.suppress(OSError):
            aside.mkdir(mode=0o700, exist_ok=True)
            (self._folder / (name + _SUFFIX)).rename(aside / (name + _SUFFIX))

    def _make_room(self) -> None:
        while sum(self._sizes.values()) > self._limit and len(self._sizes) > 1:
            oldest = min(self._sizes, key=lambda name: name[-20:])
            log.warning("the spool is over %d bytes: block %s is dropped", self._limit, oldest)
            self.drop(oldest)
            self.dropped += 1

    def __len__(self) -> int:
        return len(self._sizes.keys() | self._memory.keys())
