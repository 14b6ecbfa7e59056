"""The little of the system's ``libbpf.so.1`` that a source needs, through ctypes.

Nothing is loaded at import. Every failure is a SourceUnavailableError that says what is missing.
"""

import ctypes
import errno
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from tukur.sources.base import SourceUnavailableError

LIBRARY = "libbpf.so.1"
KERNEL_BTF = Path("/sys/kernel/btf/vmlinux")
_LOG_LINES = 6
"""The verifier's last lines name the instruction that it refused; before them it may tell thousands."""

_PRINT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
"""libbpf_print_fn_t. A va_list is passed as a pointer on x86-64 and on arm64 alike."""

_SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "bpf_object__open_mem": (ctypes.c_void_p, (ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p)),
    "bpf_object__load": (ctypes.c_int, (ctypes.c_void_p,)),
    "bpf_object__close": (None, (ctypes.c_void_p,)),
    "bpf_object__find_map_by_name": (ctypes.c_void_p, (ctypes.c_void_p, ctypes.c_char_p)),
    "bpf_object__find_program_by_name": (ctypes.c_void_p, (ctypes.c_void_p, ctypes.c_char_p)),
    "bpf_map__set_initial_value": (
        ctypes.c_int,
        (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t),
    ),
    "bpf_program__attach_iter": (ctypes.c_void_p, (ctypes.c_void_p, ctypes.c_void_p)),
    "bpf_link__fd": (ctypes.c_int, (ctypes.c_void_p,)),
    "bpf_link__destroy": (ctypes.c_int, (ctypes.c_void_p,)),
    "bpf_iter_create": (ctypes.c_int, (ctypes.c_int,)),
    "libbpf_set_print": (ctypes.c_void_p, (_PRINT,)),
}


@lru_cache(maxsize=1)
def _library() -> Any:
    try:
        library = ctypes.CDLL(LIBRARY, use_errno=True)
    except OSError as error:
        raise SourceUnavailableError(
            f"{LIBRARY} was not found ({error}); install the package libbpf1 (Debian, Ubuntu) or libbpf"
        ) from error
    for name, (result, arguments) in _SIGNATURES.items():
        try:
            function = getattr(library, name)
        except AttributeError as error:
            raise SourceUnavailableError(f"{LIBRARY} has no {name}; libbpf 1.0 or newer is needed") from error
        function.restype, function.argtypes = result, arguments
    return library


def library_found() -> str:
    """Empty where libbpf can be used; else why not."""
    try:
        _library()
    except SourceUnavailableError as error:
        return str(error)
    return ""


class _Log:
    """Keeps what libbpf says while it is entered; the rest of the time libbpf is silent."""

    def __init__(self, library: Any) -> None:
        self._library = library
        self._format = ctypes.CDLL(None).vsnprintf
        self._format.argtypes = (ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_void_p)
        self._callback = _PRINT(self._keep)
        self._text = bytearray()

    def __enter__(self) -> "_Log":
        self._library.libbpf_set_print(self._callback)
        return self

    def __exit__(self, *_: object) -> None:
        self._library.libbpf_set_print(_PRINT())

    def _keep(self, level: int, form: bytes, arguments: int) -> int:
        if level < 2:  # LIBBPF_DEBUG is not for people
            line = ctypes.create_string_buffer(1 << 20)
            self._format(line, len(line), form, arguments)
            self._text += line.value
        return 0

    def last_lines(self) -> str:
        lines = self._text.decode("utf-8", "replace").splitlines()
        told = [line.removeprefix("libbpf: ").strip() for line in lines if line.strip()]
        return "; ".join(told[-_LOG_LINES:])


class IterProgram:
    """One loaded and attached iterator program, of which each open() gives a fresh reading."""

    def __init__(self, image: bytes, program: str, settings: bytes) -> None:
        """Loads `program` of the object file's bytes `image`, its read-only data set to `settings`.

        Raises SourceUnavailableError.
        """
        if not KERNEL_BTF.exists():
            raise SourceUnavailableError(
                f"{KERNEL_BTF} is missing; a kernel with CONFIG_DEBUG_INFO_BTF=y is needed"
            )
        self._library = _library()
        self._object: int | None = None
        self._link: int | None = None
        with _Log(self._library) as log:
            try:
                self._load(image, program.encode(), settings, log)
            except BaseException:
                self.close()
                raise

    def _load(self, image: bytes, program: bytes, settings: bytes, log: _Log) -> None:
        library = self._library
        self._object = library.bpf_object__open_mem(image, len(image), None)
        if not self._object:
            raise _failure("the object cannot be opened", ctypes.get_errno(), log)
        rodata = library.bpf_object__find_map_by_name(self._object, b".rodata")
        refused = library.bpf_map__set_initial_value(rodata, settings, len(settings)) if rodata else -2
        if refused:
            raise _failure("the object's settings do not fit", -refused, log)
        refused = library.bpf_object__load(self._object)
        if refused:
            raise _failure("the kernel refused the program", -refused, log)
        found = library.bpf_object__find_program_by_name(self._object, program)
        self._link = library.bpf_program__attach_iter(found, None) if found else None
        if not self._link:
            raise _failure("the program cannot be attached", ctypes.get_errno(), log)

    def open(self) -> int:
        """A new file descriptor that gives one reading from the start; the caller closes it.

        An iterator cannot seek, so that each reading needs a new one. Raises OSError.
        """
        if not self._link:
            raise OSError(errno.EBADF, "the program is closed")
        fd: int = self._library.bpf_iter_create(self._library.bpf_link__fd(self._link))
        if fd < 0:
            number = ctypes.get_errno() or -fd
            raise OSError(number, f"bpf_iter_create: {os.strerror(number)}")
        return fd

    def close(self) -> None:
        """Detaches and unloads; may be called twice."""
        if self._link:
            self._library.bpf_link__destroy(self._link)
            self._link = None
        if self._object:
            self._library.bpf_object__close(self._object)
            self._object = None


def _failure(what: str, number: int, log: _Log) -> SourceUnavailableError:
    # EACCES, in contrast, is the verifier's word for a program that it does not trust.
    if number == errno.EPERM:
        return SourceUnavailableError(
            f"not permitted ({os.strerror(number)}); CAP_BPF and CAP_PERFMON together, or root, are needed"
        )
    told = log.last_lines()
    reason = os.strerror(number) if number else "no reason given"
    return SourceUnavailableError(f"{what}: {reason}" + (f" ({told})" if told else ""))
