"""Events as a kernel source writes them."""

from typing import Any

import numpy as np

from tukur.records import (
    CGROUP,
    CGROUP_EVENT,
    EXEC,
    EXEC_EVENT,
    EXIT,
    EXIT_EVENT,
    FREE_EVENT,
    GROUP,
    GROUP_EVENT,
    LOST,
    LOST_EVENT,
)


def _event(dtype: "np.dtype[Any]", kind: int, text: bytes = b"", **fields: Any) -> bytes:
    padded = text + b"\0" * (-len(text) % 8)
    event = np.zeros(1, dtype=dtype)
    event["kind"], event["size"] = kind, dtype.itemsize + len(padded)
    for name, value in fields.items():
        event[name] = value
    return event.tobytes() + padded


def death(pid: int, start_ns: int = 0, **fields: Any) -> bytes:
    """A TUKUR_EVENT_EXIT."""
    return _event(EXIT, EXIT_EVENT, pid=pid, kernel_pid=pid, start_ns=start_ns or pid * 1000, **fields)


def reaping(pid: int, start_ns: int = 0, **fields: Any) -> bytes:
    """The TUKUR_EVENT_FREE that belongs to it."""
    return _event(EXIT, FREE_EVENT, kernel_pid=pid, start_ns=start_ns or pid * 1000, **fields)


def execution(pid: int, args: bytes, start_ns: int = 0, **fields: Any) -> bytes:
    """A TUKUR_EVENT_EXEC."""
    return _event(
        EXEC,
        EXEC_EVENT,
        args,
        pid=pid,
        kernel_pid=pid,
        start_ns=start_ns or pid * 1000,
        args_len=len(args),
        args_whole=len(args),
        **fields,
    )


def new_cgroup(cgroup_id: int, path: bytes, root: int = 0) -> bytes:
    """A TUKUR_EVENT_CGROUP."""
    return _event(CGROUP, CGROUP_EVENT, path, cgroup_id=cgroup_id, path_len=len(path), root=root)


def group(ppid: int, comm: bytes, **fields: Any) -> bytes:
    """A TUKUR_EVENT_GROUP."""
    return _event(GROUP, GROUP_EVENT, ppid=ppid, comm=comm, **fields)


def losses(**fields: Any) -> bytes:
    """A TUKUR_EVENT_LOST."""
    return _event(LOST, LOST_EVENT, **fields)
