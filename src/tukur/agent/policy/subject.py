"""What a policy decides by: the properties of a process, as the kernel gives them now."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from tukur.records import KTHREAD
from tukur.sources.identity import read_identity, unit_of
from tukur.sources.proc import Stat, read_status
from tukur.sources.users import Users

NAMES_S = 2.0
"""How long a directory service may take to name the users of the processes of an order."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One process."""

    pid: int
    ppid: int
    flags: int = 0
    """``records.KTHREAD`` or 0."""
    users: frozenset[str] = frozenset()
    """Names, real and effective, as far as they are known; the number of one who has no name."""
    unknown_users: frozenset[str] = frozenset()
    """Those whose names are not known, such as ``user 70020``."""
    program: str = ""
    """Name of its executable; empty where it is not known."""
    name: str = ""
    """comm, which the process can set itself."""
    cgroup: str = ""
    unit: str = ""
    own_memory: int = 0
    """Anonymous memory, and what of it is swapped out, bytes."""


def subjects_of(processes: Sequence[tuple[int, Stat]], users: Users | None) -> list[Subject]:
    """The processes with these PIDs and stats; the caller holds pidfds, so that no PID is reused.

    `users`: asked for the names, for NAMES_S at most: not to be called on an event loop. None: the policy
    names no users, so that nobody needs to be asked.
    """
    uids = {uid for pid, _ in processes for uid in _uids(pid)} if users else set()
    names = users.resolve(uids, NAMES_S) if users else {}
    return [_subject(pid, stat, names) for pid, stat in processes]


def _uids(pid: int) -> tuple[int, ...]:
    status = read_status(pid)
    return (status.real_uid, status.uid) if status else ()


def _subject(pid: int, stat: Stat, names: dict[int, str | None]) -> Subject:
    # Without its arguments: they are not looked at, and reading them can hang.
    identity = read_identity(pid, arguments=False)
    cgroup = identity.cgroup if identity else ""
    status = read_status(pid)
    uids = {status.real_uid, status.uid} if status else set()
    found = {uid: names.get(uid) for uid in uids}
    return Subject(
        pid=pid,
        ppid=stat.ppid,
        flags=KTHREAD if stat.kthread else 0,
        users=frozenset(name for name in found.values() if name is not None),
        unknown_users=frozenset(f"user {uid}" for uid, name in found.items() if name is None)
        or frozenset(() if status else ("its user",)),
        own_memory=status.rss_anon + status.swap if status else 0,
        program=PurePosixPath((identity.exe if identity else "").removesuffix(" (deleted)")).name,
        name=stat.name,
        cgroup=cgroup,
        unit=unit_of(cgroup),
    )
