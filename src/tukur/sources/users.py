"""The names of users: of /etc/passwd at once, of a directory service when it has answered."""

import contextlib
import ctypes
import errno
import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tukur.sources.lookups import Lookups
from tukur.text import readable

SLOW_S = 1.0
"""A service that takes longer for one name is reported."""
_RETRY_S = (2.0, 300.0)
"""The first and the longest pause before a name that was not found is looked up again."""
_REFRESH_S = 600.0
"""A name that a directory service gave is looked up again so often."""
_MAX_USERS = 10_000
_MAX_ENTRY = 1 << 20


class _Passwd(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("password", ctypes.c_char_p),
        ("uid", ctypes.c_uint),
        ("gid", ctypes.c_uint),
        ("gecos", ctypes.c_char_p),
        ("folder", ctypes.c_char_p),
        ("shell", ctypes.c_char_p),
    )


_libc = ctypes.CDLL(None)


def look_up(uid: int) -> str | None:
    """Asks the system (NSS), for as long as it takes; None: it has no such user.

    Raises OSError where the last service that was asked could not say: the module pwd does not tell that from
    a user that is not there.
    """
    entry, result, size = _Passwd(), ctypes.POINTER(_Passwd)(), 1024
    while True:
        error = _libc.getpwuid_r(
            ctypes.c_uint(uid),
            ctypes.byref(entry),
            buffer := ctypes.create_string_buffer(size),
            ctypes.c_size_t(size),
            ctypes.byref(result),
        )
        if error != errno.ERANGE or size >= _MAX_ENTRY:
            break
        size *= 4
    name: bytes = bytes(entry.name) if result and entry.name else b""
    del buffer  # The entry pointed into it.
    if error:
        raise OSError(error, os.strerror(error))
    return readable(name) if name else None


def parse_passwd(content: bytes) -> dict[int, str]:
    """The names in a passwd(5), by UID; of several with one UID the first, as getpwuid(3) does."""
    found: dict[int, str] = {}
    for line in content.split(b"\n"):
        fields = line.split(b":")
        if len(fields) >= 4 and fields[0] and fields[2].isdigit():
            found.setdefault(int(fields[2]), readable(fields[0]))
    return found


@dataclass(slots=True)
class _User:
    """What is known of a UID that is not in the file."""

    name: str | None = None
    settled: bool = False
    """It has been answered: by its name, or that there is none."""
    failed: bool = False
    """The last lookup had no answer, though there may be a name."""
    due_s: float = 0.0
    """When it is looked up again, monotonic seconds."""
    pause_s: float = _RETRY_S[0]


class Users:
    """User names by UID; safe to use from several threads. Only :meth:`resolve` waits for a service."""

    def __init__(
        self, file: Path = Path("/etc/passwd"), look_up: Callable[[int], str | None] = look_up
    ) -> None:
        """`file`: read at once, and again whenever it changes; UIDs that are not in it are looked up."""
        self._file = file
        self._look_up = look_up
        self._lock = threading.Lock()
        self._changed: tuple[int, ...] | None = None
        self._local: dict[int, str] = {}
        self._users: dict[int, _User] = {}
        self._new_names: dict[int, str] = {}
        self._next_due_s = float("inf")
        self._lookups: Lookups[int, tuple[str | None, bool]] = Lookups(self._ask)

    def name(self, uid: int) -> str:
        """The name as it is known now, else the number as text; then it is looked up in the background."""
        with self._lock:
            return self._known(uid) or str(uid)

    def new_names(self) -> dict[int, str]:
        """The names that came or changed since the last call, by UID; to be called now and then.

        Looks up again what is due: what had no answer or no name after a growing pause, a name now and then.
        """
        with self._lock:
            self._read_file()
            self._take_answers()
            now = time.monotonic()
            if now >= self._next_due_s:
                due = [uid for uid, user in self._users.items() if user.due_s <= now]
                self._lookups.ask(due)
                for uid in due:
                    self._users[uid].due_s = now + _RETRY_S[0]
                self._next_due_s = min((user.due_s for user in self._users.values()), default=float("inf"))
            taken, self._new_names = self._new_names, {}
            return taken

    def resolve(self, uids: Iterable[int], timeout_s: float) -> dict[int, str | None]:
        """The names, waiting for so many seconds at most; the number of who has none; None: not known."""
        wanted = set(uids)
        with self._lock:
            unknown = [uid for uid in wanted if self._known(uid) is None and not self._users[uid].settled]
        if unknown:
            self._lookups.ask(unknown, first=True)
            self._lookups.wait(unknown, timeout_s)
        with self._lock:
            self._take_answers()
            return {uid: self._resolved(uid) for uid in wanted}

    def slow(self) -> int:
        """How many users a service has not named: it takes longer than SLOW_S, or could not say."""
        with self._lock:
            failed = sum(user.failed for user in self._users.values())
        return failed + self._lookups.slow(SLOW_S)

    def _ask(self, uid: int) -> tuple[str | None, bool]:
        """The name, and whether the answer is one."""
        try:
            return self._look_up(uid), True
        except OSError:
            return None, False

    def _known(self, uid: int) -> str | None:
        """The name; where there is none yet it is looked up. The lock is held, as in all that follow."""
        self._read_file()
        self._take_answers()
        local = self._local.get(uid)
        if local is not None:
            return local
        user = self._users.get(uid)
        if user is None:
            if len(self._users) >= _MAX_USERS:
                self._users.clear()
            user = self._users[uid] = _User(due_s=time.monotonic() + _RETRY_S[0])
            self._next_due_s = min(self._next_due_s, user.due_s)
            self._lookups.ask([uid])
        return user.name

    def _resolved(self, uid: int) -> str | None:
        local = self._local.get(uid)
        if local is not None:
            return local
        user = self._users.get(uid) or _User()
        return user.name or (str(uid) if user.settled else None)

    def _read_file(self) -> None:
        try:
            status = self._file.stat()
            changed: tuple[int, ...] = (status.st_mtime_ns, status.st_ino, status.st_size)
        except OSError:
            changed = ()
        if changed == self._changed:
            return
        before, self._changed = self._local, changed
        self._local = {}
        with contextlib.suppress(OSError):
            self._local = parse_passwd(self._file.read_bytes())
        new = {uid: name for uid, name in self._local.items() if before.get(uid) != name}
        for uid in new:
            self._users.pop(uid, None)
        if before:
            self._new_names |= new
        # Who is not in the file any more may be in a directory, and changed there as well.
        for user in self._users.values():
            user.due_s, user.pause_s = 0.0, _RETRY_S[0]
        self._next_due_s = 0.0

    def _take_answers(self) -> None:
        for uid, (name, answered) in self._lookups.answers():
            user = self._users.get(uid)
            if user is None:
                continue
            user.settled, user.failed = user.settled or answered, not answered
            # One that is no longer found keeps its name: a service that is away may look like that.
            if name is not None and name != user.name:
                user.name = self._new_names[uid] = name
            if name is not None:
                user.pause_s, pause_s = _RETRY_S[0], _REFRESH_S
            else:
                pause_s, user.pause_s = user.pause_s, min(user.pause_s * 2, _RETRY_S[1])
            user.due_s = time.monotonic() + pause_s
            self._next_due_s = min(self._next_due_s, user.due_s)
