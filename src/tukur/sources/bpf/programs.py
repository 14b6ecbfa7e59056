"""Loaded programs by how they run: opened as an iterator, called, or attached to what happens."""

import ctypes
import errno
import mmap
import os
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tukur.sources.base import SourceUnavailableError
from tukur.sources.bpf.libbpf import SAMPLE, BpfObject


class IterProgram:
    """One loaded and attached iterator program, of which each open() gives a fresh reading."""

    def __init__(self, image: bytes, program: str, settings: bytes) -> None:
        """Loads `program` of the object file's bytes `image`, its read-only data set to `settings`.

        Raises SourceUnavailableError.
        """
        self._object = BpfObject(image)
        self._object.load(settings, [program])

    def open(self) -> int:
        """A new file descriptor that gives one reading from the start; the caller closes it.

        An iterator cannot seek, so that each reading needs a new one. Raises OSError.
        """
        fd: int = self._object.library.bpf_iter_create(self._object.link_fd())
        if fd < 0:
            number = ctypes.get_errno() or -fd
            raise OSError(number, f"bpf_iter_create: {os.strerror(number)}")
        return fd

    def close(self) -> None:
        """Detaches and unloads; may be called twice."""
        self._object.close()


class CallProgram:
    """One loaded program that runs when it is called, with arrays that it shares with this process."""

    def __init__(self, image: bytes, program: str, settings: bytes, entries: Mapping[str, int]) -> None:
        """Loads `program` of the object file's bytes `image`, its read-only data set to `settings`.

        `entries`: of each of its maps how many. Raises SourceUnavailableError.
        """
        self._object = BpfObject(image)
        for name, number in entries.items():
            self._object.set_entries(name, number)
        self._object.load(settings, [])
        self._call = self._object.library.bpf_prog_test_run_opts
        self._fd = self._object.program_fd(program)
        self._options = _RunOptions(sz=ctypes.sizeof(_RunOptions))
        self._address = ctypes.addressof(self._options)

    def run(self, context: ctypes.Structure) -> None:
        """Runs it once; it may read `context`, and writes into it. Raises OSError."""
        if not self._object.loaded:
            raise OSError(errno.EBADF, "the program is closed")
        self._options.ctx_in = ctypes.addressof(context)
        self._options.ctx_size_in = ctypes.sizeof(context)
        refused = self._call(self._fd, self._address)
        if refused:
            raise OSError(-refused, f"bpf_prog_test_run_opts: {os.strerror(-refused)}")

    def map_array(self, name: str, dtype: np.dtype[Any], entries: int) -> npt.NDArray[Any]:
        """The first `entries` of an array of the program, read-only: what it writes is seen at once.

        They stay there when the program is closed, as long as the array is used. Raises OSError.
        """
        return np.frombuffer(_mapped(self._object.map_fd(name), entries * dtype.itemsize), dtype)

    def close(self) -> None:
        """Unloads; may be called twice."""
        self._object.close()


def _mapped(fd: int, size: int) -> memoryview:
    """Maps a file without another descriptor of it, which mmap.mmap() would keep. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long)
    libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
    address = libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, fd, 0)
    if address == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), f"{size} bytes of the program's memory cannot be mapped")
    memory = (ctypes.c_ubyte * size).from_address(address)
    weakref.finalize(memory, libc.munmap, address, size)
    return memoryview(memory).toreadonly()


class _RunOptions(ctypes.Structure):
    """bpf_test_run_opts of libbpf."""

    _fields_ = (
        ("sz", ctypes.c_size_t),
        ("data_in", ctypes.c_void_p),
        ("data_out", ctypes.c_void_p),
        ("data_size_in", ctypes.c_uint32),
        ("data_size_out", ctypes.c_uint32),
        ("ctx_in", ctypes.c_void_p),
        ("ctx_out", ctypes.c_void_p),
        ("ctx_size_in", ctypes.c_uint32),
        ("ctx_size_out", ctypes.c_uint32),
        ("retval", ctypes.c_uint32),
        ("repeat", ctypes.c_int),
        ("duration", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("cpu", ctypes.c_uint32),
        ("batch_size", ctypes.c_uint32),
    )


class EventPrograms:
    """Programs that write what happens into a ring, and into a table what the ring has no room for."""

    def __init__(
        self,
        image: bytes,
        settings: bytes,
        programs: Sequence[str],
        optional: Sequence[str] = (),
        ring_bytes: int | None = None,
    ) -> None:
        """Loads all `programs`, and the `optional` ones where this kernel has their hook.

        The object has the maps ``ring``, ``groups`` and ``.bss``. `ring_bytes`: a power of two, at least a
        page; None: as the object says. Raises SourceUnavailableError.
        """
        self._object, self.missing = _load_most(image, settings, programs, optional, ring_bytes)
        self._library = self._object.library
        self._programs = [name for name in (*programs, *optional) if name not in self.missing]
        self._taken: list[bytes] = []
        self._callback = SAMPLE(self._take)
        self._ring = self._library.ring_buffer__new(self._object.map_fd("ring"), self._callback, None, None)
        if not self._ring:
            self._object.close()
            raise SourceUnavailableError("the ring cannot be mapped into memory")

    def _take(self, _context: int | None, data: int, size: int) -> int:
        self._taken.append(ctypes.string_at(data, size))
        return 0

    def spent_ns(self) -> int:
        """Time in all the programs so far; see BpfObject.spent_ns()."""
        return sum(map(self._object.spent_ns, self._programs))

    def events(self) -> bytes:
        """All that is in the ring, one event after the other. Raises OSError where it fails or is closed."""
        if not self._ring:
            raise OSError(errno.EBADF, "the ring of events is closed")
        count = self._library.ring_buffer__consume(self._ring)
        if count < 0:
            raise OSError(-count, f"ring_buffer__consume: {os.strerror(-count)}")
        taken = b"".join(self._taken)
        self._taken.clear()
        return taken

    def drain(self, name: str, key_size: int, value_size: int) -> list[tuple[bytes, bytes]]:
        """All keys and values of a hash map, which is empty then."""
        fd = self._object.map_fd(name)
        found = []
        key, value = ctypes.create_string_buffer(key_size), ctypes.create_string_buffer(value_size)
        while self._library.bpf_map_get_next_key(fd, None, key) == 0:
            if self._library.bpf_map_lookup_elem(fd, key, value) == 0:
                found.append((key.raw, value.raw))
            if self._library.bpf_map_delete_elem(fd, key):
                break
        return found

    def variables(self, size: int) -> bytes:
        """The object's zero-initialised global variables, `size` bytes. Raises OSError."""
        value = ctypes.create_string_buffer(size)
        if self._library.bpf_map_lookup_elem(self._object.map_fd(".bss"), bytes(4), value):
            raise OSError(ctypes.get_errno(), "the program's variables cannot be read")
        return value.raw

    def close(self) -> None:
        """Detaches and unloads; may be called twice."""
        if self._ring:
            self._library.ring_buffer__free(self._ring)
            self._ring = None
        self._object.close()


def _load_most(
    image: bytes,
    settings: bytes,
    programs: Sequence[str],
    optional: Sequence[str],
    ring_bytes: int | None,
) -> tuple[BpfObject, list[str]]:
    """The object with all programs, or with those that are not optional; and which are missing then."""
    for left_out in ([], list(optional)):
        made = BpfObject(image)
        for name in left_out:
            made.leave_out(name)
        if ring_bytes is not None:
            made.set_entries("ring", ring_bytes)
        try:
            made.load(settings, [name for name in (*programs, *optional) if name not in left_out])
        except SourceUnavailableError:
            if left_out or not optional:
                raise
        else:
            return made, left_out
    raise AssertionError("the last try returns or raises")
