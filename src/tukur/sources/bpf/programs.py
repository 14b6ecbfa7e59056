"""Loaded programs that run when they are asked to: opened as an iterator, or called."""

import ctypes
import errno
import mmap
import os
import weakref
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tukur.sources.bpf.libbpf import BpfObject


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
