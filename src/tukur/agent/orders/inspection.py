"""What is known of one process right now, for the dialog before an order."""

import asyncio
from typing import Literal

import numpy as np

from tukur.agent.orders import services
from tukur.agent.orders.scope import Place, most_frequent, pids_in_scope
from tukur.agent.policy.policy import Policy
from tukur.agent.policy.subject import subjects_of
from tukur.agent.recording.images import Images
from tukur.protocol.messages import Inspect, Inspection, Relative, SetFacts
from tukur.records import TaskArray, comm_text
from tukur.sources.identity import container_of, read_identity, unit_of
from tukur.sources.proc import is_exact, read_stat, start_tick
from tukur.sources.users import Users

MAX_CHILDREN = 200
MAX_NAMES = 8


async def inspect(
    request: Inspect, boot_id: str, tasks: TaskArray, images: Images, policy: Policy, users: Users
) -> Inspection:
    """Answers from `tasks`, as just read."""
    pid = request.target.pid
    row = tasks[tasks["pid"] == pid]
    known = len(row) == 1 and request.target.boot_id == boot_id
    if not known or not _same_life(int(row["start_ns"][0]), request.target.start_ns):
        return Inspection(request_id=request.request_id, alive=False)
    task = row[0]
    parents = tasks[tasks["pid"] == task["ppid"]]
    parent = _relative(parents[0], images) if len(parents) else None
    children = tasks[tasks["ppid"] == pid][:MAX_CHILDREN]
    identity = read_identity(pid, arguments=False)
    cgroup = identity.cgroup if identity else ""
    return Inspection(
        request_id=request.request_id,
        alive=True,
        state=chr(int(task["state"])),
        parent=parent,
        children=[_relative(child, images) for child in children],
        unit=unit_of(cgroup),
        container=container_of(cgroup),
        restart=await services.who_restarts(
            pid, int(task["ns_pid"]), parent.name if parent else "", int(task["ppid"])
        ),
        protected=await asyncio.to_thread(_protected, pid, policy, users),
        sets=_sets(pid, cgroup, tasks, images),
    )


def _protected(pid: int, policy: Policy, users: Users) -> str:
    stat = read_stat(pid)
    if stat is None:
        return ""
    return policy.protected(subjects_of([(pid, stat)], users if policy.names_users else None)[0])


def _sets(pid: int, cgroup: str, tasks: TaskArray, images: Images) -> list[SetFacts]:
    """The groups that an order could be sent to, beside the process alone."""
    cgroups = {image.pid: image.cgroup for image in images.all()}
    known = {pid: Place(ppid, cgroups.get(pid, "")) for pid, ppid in _parents(tasks)}
    found = []
    wanted: tuple[tuple[Literal["tree", "unit", "cgroup"], str], ...] = (
        ("tree", ""),
        ("unit", unit_of(cgroup)),
        ("cgroup", cgroup if cgroup.strip("/") else ""),
    )
    for scope, of in wanted:
        if scope != "tree" and not of:
            continue
        rows = tasks[np.isin(tasks["pid"], pids_in_scope(scope, pid, of, known))]
        names = most_frequent((comm_text(bytes(task["comm"])) for task in rows), MAX_NAMES)
        rss = sum(int(rows[part].sum()) for part in ("rss_anon", "rss_file", "rss_shmem"))
        found.append(SetFacts(scope=scope, of=of, processes=len(rows), rss=rss, names=names))
    return found


def _parents(tasks: TaskArray) -> list[tuple[int, int]]:
    return list(zip(tasks["pid"].tolist(), tasks["ppid"].tolist(), strict=True))


def _same_life(found_ns: int, asked_ns: int) -> bool:
    """Whether the starts are equal, to the clock tick where that is all the source knows."""
    return found_ns == asked_ns or (not is_exact(asked_ns) and start_tick(found_ns) == start_tick(asked_ns))


def _relative(task: object, images: Images) -> Relative:
    pid, start_ns, comm = int(task["pid"]), int(task["start_ns"]), bytes(task["comm"])  # type: ignore[index]
    image = images.get(pid)
    return Relative(
        pid=pid,
        start_ns=start_ns,
        name=comm_text(comm),
        cmdline=image.cmdline if image and image.start_ns == start_ns else "",
    )
