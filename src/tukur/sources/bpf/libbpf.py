"""The little of the system's ``libbpf.so.1`` that a source needs, through ctypes.

Nothing is loaded at import. Every failure is a SourceUnavailableError that says what is missing.
"""

import ctypes
import errno
import os
from collections.abc import Sequence
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from tukur.sources.base import SourceUnavailableError
from tukur.sources.bpf.ring import Ring

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
    "bpf_program__attach": (ctypes.c_void_p, (ctypes.c_void_p,)),
    "bpf_program__set_autoload": (ctypes.c_int, (ctypes.c_void_p, ctypes.c_bool)),
    "bpf_program__fd": (ctypes.c_int, (ctypes.c_void_p,)),
    "bpf_prog_test_run_opts": (ctypes.c_int, (ctypes.c_int, ctypes.c_void_p)),
    "bpf_map__fd": (ctypes.c_int, (ctypes.c_void_p,)),
    "bpf_map__set_max_entries": (ctypes.c_int, (ctypes.c_void_p, ctypes.c_uint32)),
    "bpf_map_get_next_key": (ctypes.c_int, (ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p)),
    "bpf_map_lookup_elem": (ctypes.c_int, (ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p)),
    "bpf_map_delete_elem": (ctypes.c_int, (ctypes.c_int, ctypes.c_char_p)),
    "bpf_map__max_entries": (ctypes.c_uint32, (ctypes.c_void_p,)),
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


def object_image(name: str) -> bytes:
    """The compiled program's bytes. Raises SourceUnavailableError where it was never compiled."""
    try:
        return resources.files("tukur.sources").joinpath(name).read_bytes()
    except OSError as error:
        raise SourceUnavailableError(
            f"{name} is not in this installation; run `make build` in a checkout, or install the wheel"
        ) from error


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


class BpfObject:
    """One object file, opened and loaded, and what of it is attached."""

    def __init__(self, image: bytes) -> None:
        """Opens the object file's bytes `image`. Raises SourceUnavailableError."""
        if not KERNEL_BTF.exists():
            raise SourceUnavailableError(
                f"{KERNEL_BTF} is missing; a kernel with CONFIG_DEBUG_INFO_BTF=y is needed"
            )
        self.library = _library()
        self._links: list[int] = []
        with _Log(self.library) as log:
            self._object: int | None = self.library.bpf_object__open_mem(image, len(image), None)
            if not self._object:
                raise _failure("the object cannot be opened", ctypes.get_errno(), log)

    def load(self, settings: bytes, programs: Sequence[str]) -> None:
        """Loads these programs, the read-only data set to `settings`; none of the others.

        Raises SourceUnavailableError; then it is closed.
        """
        with _Log(self.library) as log:
            try:
                self._load(settings, log)
                for name in programs:
                    self._attach(name, log)
            except BaseException:
                self.close()
                raise

    def _load(self, settings: bytes, log: "_Log") -> None:
        rodata = self.library.bpf_object__find_map_by_name(self._object, b".rodata")
        refused = self.library.bpf_map__set_initial_value(rodata, settings, len(settings)) if rodata else -2
        if refused:
            raise _failure("the object's settings do not fit", -refused, log)
        refused = self.library.bpf_object__load(self._object)
        if refused:
            raise _failure("the kernel refused the program", -refused, log)

    def _attach(self, name: str, log: "_Log") -> None:
        found = self._program(name)
        link = self.library.bpf_program__attach(found) if found else None
        if not link:
            raise _failure(f"the program {name} cannot be attached", ctypes.get_errno(), log)
        self._links.append(link)

    def _program(self, name: str) -> int | None:
        found: int | None = self.library.bpf_object__find_program_by_name(self._object, name.encode())
        return found

    def leave_out(self, name: str) -> None:
        """That program will not be loaded."""
        self.library.bpf_program__set_autoload(self._program(name), False)

    def program_fd(self, name: str) -> int:
        """A program's file descriptor, closed on exec: whoever has it can run the program.

        Raises SourceUnavailableError where the object has none of that name.
        """
        fd: int = self.library.bpf_program__fd(self._program(name))
        if fd < 0:
            raise SourceUnavailableError(f"the object has no program {name}")
        os.set_inheritable(fd, False)
        return fd

    def spent_ns(self, name: str) -> int:
        """Time in a program so far, nanoseconds, where the kernel counts it (kernel.bpf_stats_enabled)."""
        fd = self.program_fd(name)
        told = Path(f"/proc/self/fdinfo/{fd}").read_text()
        return next((int(line.split()[1]) for line in told.splitlines() if line.startswith("run_time_ns")), 0)

    def map(self, name: str) -> int:
        """A map's handle. Raises SourceUnavailableError where the object has none of that name."""
        found: int | None = self.library.bpf_object__find_map_by_name(self._object, name.encode())
        if not found:
            raise SourceUnavailableError(f"the object has no map {name}")
        return found

    def map_fd(self, name: str) -> int:
        """A map's file descriptor. Raises SourceUnavailableError where the object has none of that name."""
        fd: int = self.library.bpf_map__fd(self.map(name))
        return fd

    def set_entries(self, name: str, entries: int) -> None:
        """How many entries a map will have, before the object is loaded."""
        self.library.bpf_map__set_max_entries(self.map(name), entries)

    def link_fd(self) -> int:
        """The file descriptor of what was attached first. Raises OSError where it is closed."""
        if not self._links:
            raise OSError(errno.EBADF, "the program is closed")
        fd: int = self.library.bpf_link__fd(self._links[0])
        return fd

    @property
    def loaded(self) -> bool:
        """Whether it is not closed."""
        return self._object is not None

    def close(self) -> None:
        """Detaches and unloads; may be called twice."""
        while self._links:
            self.library.bpf_link__destroy(self._links.pop())
        if self._object:
            self.library.bpf_object__close(self._object)
            self._object = None


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
        try:
            size: int = self._library.bpf_map__max_entries(self._object.map("ring"))
            self._ring = Ring(self._fd("ring"), size)
        except OSError as error:
            self._object.close()
            raise SourceUnavailableError(f"the ring cannot be mapped into memory: {error}") from error

    def _fd(self, name: str) -> int:
        fd: int = self._library.bpf_map__fd(self._object.map(name))
        return fd

    def spent_ns(self) -> int:
        """Time in all the programs so far; see BpfObject.spent_ns()."""
        return sum(map(self._object.spent_ns, self._programs))

    def events(self) -> bytes:
        """All that is in the ring, one event after the other. Raises OSError where it is closed."""
        return self._ring.read()

    def drain(self, name: str, key_size: int, value_size: int) -> list[tuple[bytes, bytes]]:
        """All keys and values of a hash map, which is empty then."""
        fd = self._fd(name)
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
        if self._library.bpf_map_lookup_elem(self._fd(".bss"), bytes(4), value):
            raise OSError(ctypes.get_errno(), "the program's variables cannot be read")
        return value.raw

    def close(self) -> None:
        """Detaches and unloads; may be called twice."""
        self._ring.close()
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
            made.library.bpf_map__set_max_entries(made.map("ring"), ring_bytes)
        try:
            made.load(settings, [name for name in (*programs, *optional) if name not in left_out])
        except SourceUnavailableError:
            if left_out or not optional:
                raise
        else:
            return made, left_out
    raise AssertionError("the last try returns or raises")


def _failure(what: str, number: int, log: _Log) -> SourceUnavailableError:
    # EACCES, in contrast, is the verifier's word for a program that it does not trust.
    if number == errno.EPERM:
        return SourceUnavailableError(
            f"not permitted ({os.strerror(number)}); CAP_BPF and CAP_PERFMON together, or root, are needed"
        )
    told = log.last_lines()
    reason = os.strerror(number) if number else "no reason given"
    return SourceUnavailableError(f"{what}: {reason}" + (f" ({told})" if told else ""))
