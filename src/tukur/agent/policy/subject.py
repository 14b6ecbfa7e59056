"""What a policy decides by: the properties of a process, as the kernel gives them now."""

import contextlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tukur.agent.orders.process_handle import Stat
from tukur.records import KTHREAD
from tukur.sources.identity import read_identity, unit_of, user_name

_PF_KTHREAD = 0x00200000


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
    status = _status(pid)
    return Subject(
        pid=pid,
        ppid=stat.ppid,
        flags=KTHREAD if stat.flags & _PF_KTHREAD else 0,
        users=_users(status),
        own_memory=sum(_bytes(status, key) for key in ("RssAnon", "VmSwap")),
        program=PurePosixPath((identity.exe if identity else "").removesuffix(" (deleted)")).name,
        name=stat.name,
        cgroup=cgroup,
        unit=unit_of(cgroup),
    )


def _status(pid: int) -> dict[str, list[str]]:
    """The fields of /proc/PID/status, each as its words; none where it cannot be read."""
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{pid}/status").read_text(errors="replace").splitlines()
        return {key: rest.split() for key, _, rest in (line.partition(":") for line in lines)}
    return {}


def _users(status: dict[str, list[str]]) -> frozenset[str]:
    return frozenset(user_name(int(uid)) for uid in status.get("Uid", [])[:2])


def _bytes(status: dict[str, list[str]], key: str) -> int:
    return int(status[key][0]) * 1024 if status.get(key) else 0
