"""What is known right now of one process, for the dialog that comes before a signal."""

from tukur.agent import services
from tukur.agent.images import Images
from tukur.agent.pidfd import same_start
from tukur.agent.policy import Policy
from tukur.protocol.messages import Inspect, Inspection, Relative
from tukur.records import TaskArray, comm_text
from tukur.sources.identity import container_of, read_identity, unit_of

MAX_CHILDREN = 200


async def inspect(
    request: Inspect, boot_id: str, tasks: TaskArray, images: Images, policy: Policy
) -> Inspection:
    """Answers from a fresh reading, `tasks`."""
    pid = request.target.pid
    row = tasks[tasks["pid"] == pid]
    known = len(row) == 1 and request.target.boot_id == boot_id
    if not known or not _same_life(int(row["start_ns"][0]), request.target.start_ns):
        return Inspection(request_id=request.request_id, alive=False)
    task = row[0]
    parents = tasks[tasks["pid"] == task["ppid"]]
    parent = _relative(parents[0], images) if len(parents) else None
    children = tasks[tasks["ppid"] == pid][:MAX_CHILDREN]
    identity = read_identity(pid)
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
        protected=policy.protected(pid, int(task["ppid"]), int(task["flags"])),
    )


def _same_life(found_ns: int, asked_ns: int) -> bool:
    """Equal, or as near as a source that counts in clock ticks can tell."""
    return found_ns == asked_ns or (
        asked_ns % 10_000_000 == 0 and same_start(found_ns, asked_ns // 10_000_000)
    )


def _relative(task: object, images: Images) -> Relative:
    pid, start_ns, comm = int(task["pid"]), int(task["start_ns"]), bytes(task["comm"])  # type: ignore[index]
    image = images.get(pid)
    return Relative(
        pid=pid,
        start_ns=start_ns,
        name=comm_text(comm),
        cmdline=image.cmdline if image and image.start_ns == start_ns else "",
    )
