"""What a policy decides by: the properties of a process, as the kernel gives them now."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from tukur.records import KTHREAD
from tukur.sources.identity import read_identity, unit_of, user_name
from tukur.sources.proc import Stat, read_status


@dataclass(frozen=True, slots=True)
class Subject:
    """One process."""

    pid: int
    ppid: int
    flags: int = 0
    """``records.KTHREAD`` or 0."""
    users: frozenset[str] = frozenset()
    """Real and effective."""
    program: str = ""
    """Name of its executable; empty where it is not known."""
    name: str = ""
    """comm, which the process can set itself."""
    cgroup: str = ""
    unit: str = ""
    own_memory: int = 0
    """Anonymous memory, and what of it is swapped out, bytes."""


def subject_of(pid: int, stat: Stat) -> Subject:
    """The process with this PID and stat; the caller holds a pidfd, so that the PID is not reused."""
    identity = read_identity(pid)
    cgroup = identity.cgroup if identity else ""
    status = read_status(pid)
    return Subject(
        pid=pid,
        ppid=stat.ppid,
        flags=KTHREAD if stat.kthread else 0,
        users=frozenset(user_name(uid) for uid in (status.real_uid, status.uid)) if status else frozenset(),
        own_memory=status.rss_anon + status.swap if status else 0,
        program=PurePosixPath((identity.exe if identity else "").removesuffix(" (deleted)")).name,
        name=stat.name,
        cgroup=cgroup,
        unit=unit_of(cgroup),
    )
