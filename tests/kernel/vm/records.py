"""The records and events that a machine left behind, as Python's plain types."""

import struct
from dataclasses import dataclass
from typing import Any

MAGIC = 0x524B4B54
STREAM = struct.Struct("=IIII")
TASK = struct.Struct("=16Q8I2h2BH16s")
EVENT = struct.Struct("=QQII")
EXEC = struct.Struct("=QQII8IQ16s")
EXIT = struct.Struct("=QQII11Q8I16s")
CGROUP = struct.Struct("=QQIIII")
GROUP = struct.Struct("=QQII6QII16sQ")
LOST = struct.Struct("=QQII4Q")

TASK_FIELDS = [
    "start_ns",
    "cpu_ns",
    "utime_ns",
    "stime_ns",
    "rss_anon",
    "rss_file",
    "rss_shmem",
    "swap",
    "vsz",
    "minflt",
    "majflt",
    "read_bytes",
    "write_bytes",
    "nvcsw",
    "nivcsw",
    "cgroup_id",
    "pid",
    "ppid",
    "uid",
    "gid",
    "ns_pid",
    "threads",
    "exec_id",
    "flags",
    "nice",
    "oom_score_adj",
    "state",
    "policy",
    "pad0",
    "comm",
]
EXIT_FIELDS = [
    "at_ns",
    "start_ns",
    "size",
    "kind",
    "cpu_ns",
    "utime_ns",
    "stime_ns",
    "rss_peak",
    "minflt",
    "majflt",
    "read_bytes",
    "write_bytes",
    "nvcsw",
    "nivcsw",
    "cgroup_id",
    "pid",
    "ppid",
    "uid",
    "gid",
    "ns_pid",
    "kernel_pid",
    "status",
    "flags",
    "comm",
]
EXEC_FIELDS = [
    "at_ns",
    "start_ns",
    "size",
    "kind",
    "pid",
    "ppid",
    "uid",
    "gid",
    "kernel_pid",
    "args_len",
    "args_whole",
    "pad0",
    "cgroup_id",
    "comm",
    "args",
]
GROUP_FIELDS = [
    "at_ns",
    "start_ns",
    "size",
    "kind",
    "first_ns",
    "lives",
    "cpu_ns",
    "read_bytes",
    "write_bytes",
    "rss_peak",
    "ppid",
    "uid",
    "comm",
    "peaks",
]
LOST_FIELDS = ["at_ns", "start_ns", "size", "kind", "execs", "lives", "cpu_ns", "finals"]
CGROUP_FIELDS = ["at_ns", "cgroup_id", "size", "kind", "path_len", "root", "path"]


def _name(padded: bytes) -> bytes:
    return padded.split(b"\0", 1)[0]


def tasks(data: bytes) -> list[dict[str, Any]]:
    """Every record of /proc/tukur_tasks."""
    assert STREAM.unpack_from(data) == (MAGIC, 1, TASK.size, 0)
    body = data[STREAM.size :]
    assert len(body) % TASK.size == 0
    found = [dict(zip(TASK_FIELDS, values, strict=True)) for values in TASK.iter_unpack(body)]
    for task in found:
        assert task["pad0"] == 0
        task["comm"], task["state"] = _name(task["comm"]), chr(task["state"])
    return found


@dataclass
class Events:
    """By kind, in the order of the stream."""

    execs: list[dict[str, Any]]
    exits: list[dict[str, Any]]
    frees: list[dict[str, Any]]
    cgroups: list[dict[str, Any]]
    groups: list[dict[str, Any]]
    losts: list[dict[str, Any]]


def _event(data: bytes, at: int, kind: int, size: int) -> dict[str, Any]:
    if kind == 1:
        values = EXEC.unpack_from(data, at)
        text = data[at + EXEC.size : at + EXEC.size + values[9]]
        event = dict(zip(EXEC_FIELDS, (*values, text), strict=True))
        assert size == EXEC.size + (values[9] + 7) // 8 * 8
    elif kind in (2, 3):
        event = dict(zip(EXIT_FIELDS, EXIT.unpack_from(data, at), strict=True))
    elif kind == 4:
        values = CGROUP.unpack_from(data, at)
        event = dict(zip(CGROUP_FIELDS, (*values, data[at + CGROUP.size :][: values[4]]), strict=True))
    elif kind == 5:
        event = dict(zip(GROUP_FIELDS, GROUP.unpack_from(data, at), strict=True))
    else:
        event = dict(zip(LOST_FIELDS, LOST.unpack_from(data, at), strict=True))
    if "comm" in event:
        event["comm"] = _name(event["comm"])
    return event


def events(data: bytes) -> Events:
    """Every event of /proc/tukur_events, whose stream must be whole."""
    assert STREAM.unpack_from(data) == (MAGIC, 2, 0, 0)
    found: dict[int, list[dict[str, Any]]] = {kind: [] for kind in range(1, 7)}
    at = STREAM.size
    while at < len(data):
        _, _, size, kind = EVENT.unpack_from(data, at)
        assert size >= EVENT.size
        assert size % 8 == 0
        assert at + size <= len(data)
        found[kind].append(_event(data, at, kind, size))
        at += size
    return Events(*found.values())
