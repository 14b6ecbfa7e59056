"""A machine that a test makes up, recorded by the agent's real recorder: its blocks are real ones."""

from typing import Any

import numpy as np

from tukur.agent.recording.block_recorder import BlockRecorder, Sampled
from tukur.agent.recording.images import Images
from tukur.agent.recording.scrub import Scrubber
from tukur.protocol.messages import PROTOCOL_VERSION, Block, Hello, HostFacts
from tukur.records import ENDED, GROUP, TASK, Departed, HostSample, Losses, Snapshot
from tukur.sources.identity import Identity
from tukur.sources.oom import Kill

SECOND = 10**9
WALL = 1_700_000_040 * SECOND
"""The wall clock at the first sample: a whole minute."""
BOOTED = 5_000 * SECOND
"""The boot clock at the first sample."""
BOOT = "99999999-2222-3333-4444-555555555555"
GIB = 2**30

_HOST_NAMES = (
    "cpu.total.user",
    "cpu.total.idle",
    "mem.total",
    "mem.available",
    "load.1",
    *("disks", "disk.vda.read_bytes", "disk.vda.write_bytes", "disk.vda.busy_ms"),
    *("interfaces", "net.eth0.rx_bytes", "net.eth0.tx_bytes"),
)


def hello_of(host_id: str, facts: HostFacts | None = None, wall_ns: int = 0) -> Hello:
    """The first word of a made-up host; wall_ns: what its clock shows."""
    return Hello(
        protocol=PROTOCOL_VERSION, host_id=host_id, signature=b"", facts=facts or facts_of(), wall_ns=wall_ns
    )


def facts_of(boot_id: str = BOOT, hostname: str = "owl") -> HostFacts:
    """What a made-up host says of itself."""
    return HostFacts(
        hostname=hostname,
        kernel="6.1.0",
        os="Debian GNU/Linux 12",
        architecture="x86_64",
        cpus=4,
        mem_total=8 * GIB,
        boot_id=boot_id,
        booted_wall_ns=WALL - BOOTED,
        agent_version="1",
        source="procfs",
        blind_spots=[],
        signals=["TERM", "KILL"],
    )


class Machine:
    """Processes with counters; each :meth:`sample` is one second later than the one before."""

    def __init__(self, boot_id: str = BOOT, wall_ns: int = WALL, boot_ns: int = BOOTED) -> None:
        self.boot_id = boot_id
        self.wall_ns, self.boot_ns = wall_ns, boot_ns
        """The instant of the next sample."""
        self._tasks: dict[int, dict[str, Any]] = {}
        self._identities: dict[int, Identity] = {}
        self._open: list[tuple[dict[str, Any], int, int, bytes]] = []
        self._departed: list[tuple[dict[str, Any], int, int, bytes]] = []
        self._groups: list[dict[str, Any]] = []
        self._lost = Losses()
        self.kills: list[Kill] = []
        """Whom the kernel kills for want of memory before the next sample."""
        self._busy_ns = self._idle_ns = 0
        self.restart_agent()

    def restart_agent(self) -> None:
        """A new run of the agent: it knows nothing of what the last one saw."""
        self.recorder = BlockRecorder(self.boot_id, Images(Scrubber(), self._identities.get))

    def start(self, pid: int, name: str, *argv: str, start_ns: int | None = None, **fields: int) -> int:
        """A new process; its start_ns."""
        begun = self.boot_ns - SECOND // 2 if start_ns is None else start_ns
        row: dict[str, Any] = {"ppid": 1, "state": ord("S"), "threads": 1, "rss_anon": 2**20, "exec_id": 1}
        self._tasks[pid] = {**row, "pid": pid, "start_ns": begun, "comm": name.encode(), **fields}
        self._identities[pid] = Identity(
            argv=_bytes(argv or (name,)), exe=f"/usr/bin/{name}", cgroup="/system.slice/owl.service"
        )
        return begun

    def execute(self, pid: int, name: str, *argv: str) -> None:
        """The process becomes another program."""
        task = self._tasks[pid]
        task["exec_id"] += 1
        task["comm"] = name.encode()
        self._identities[pid] = Identity(
            argv=_bytes(argv or (name,)), exe=f"/usr/bin/{name}", cgroup="/system.slice/owl.service"
        )

    def end(self, pid: int) -> None:
        """The process is not in the next sample."""
        del self._tasks[pid]

    def exit(self, pid: int, status: int = 0, *, open_account: bool = False, **grown: int) -> None:
        """The process ends before the next sample, and the kernel tells of it; with an open account only
        before the one after.
        """
        task = self._tasks.pop(pid)
        for name, value in grown.items():
            task[name] = task.get(name, 0) + value
        self._depart(task, status, b"")
        if open_account:
            self._open.append(self._departed.pop())

    def flash(
        self, pid: int, name: str, *argv: str, status: int = 0, cpu_s: float = 0.001, **more: Any
    ) -> int:
        """A process that lives and dies before the next sample; its start_ns."""
        begun = self.boot_ns - SECOND // 2
        row = {"pid": pid, "ppid": 1, "start_ns": begun, "comm": name.encode(), "rss_anon": 2**20}
        row |= {"cpu_ns": int(cpu_s * SECOND), "utime_ns": int(cpu_s * SECOND), **more}
        self._depart(row, status, b"".join(word.encode() + b"\0" for word in argv))
        return begun

    def _depart(self, task: dict[str, Any], status: int, args: bytes) -> None:
        ended = {**task, "state": ord("X"), "flags": task.get("flags", 0) | ENDED}
        self._departed.append((ended, self.boot_ns - SECOND // 4, status, args))

    def together(self, name: str, **values: int) -> None:
        """Lives that the kernel tells of together only."""
        self._groups.append({"comm": name.encode(), "ppid": 1, "lives": 1, **values})

    def lose(self, lost: Losses) -> None:
        """What the kernel has no room to tell before the next sample."""
        self._lost = lost

    def _take_departed(self) -> Departed:
        entries = sorted(self._departed, key=lambda entry: (entry[0]["pid"], entry[0]["start_ns"]))
        found = Departed(
            tasks=_records(TASK, [task for task, *_ in entries]),
            end_ns=np.array([end for _, end, _, _ in entries], dtype=np.uint64),
            status=np.array([status for _, _, status, _ in entries], dtype=np.int64),
            args=[args for *_, args in entries],
            groups=_records(GROUP, self._groups),
            lost=self._lost,
            waiting=_records(TASK, [{**task, "flags": 0} for task, *_ in self._open]),
        )
        self._departed, self._open = self._open, []
        self._groups, self._lost = [], Losses()
        return found

    def work(self, pid: int, cpu_s: float = 0.0, **grown: int) -> None:
        """Counters that grow: CPU time, and others by the names of the task record."""
        task = self._tasks[pid]
        for name, value in {"utime_ns": int(cpu_s * SECOND), "cpu_ns": int(cpu_s * SECOND), **grown}.items():
            task[name] = task.get(name, 0) + value

    def set(self, pid: int, **values: int) -> None:
        """Values as they are from now on."""
        self._tasks[pid].update(values)

    def sample(self, busy: float = 0.25) -> Sampled:
        """One second goes by; `busy` is the machine's CPU share in it."""
        self._busy_ns += int(busy * SECOND)
        self._idle_ns += int((1 - busy) * SECOND)
        tasks = _records(TASK, [self._tasks[pid] for pid in sorted(self._tasks)])
        figures = [self._busy_ns, self._idle_ns, 8 * GIB, 6 * GIB, 500]
        # Each second its disk reads 3,000 bytes, writes 1,000 and is busy for half of it, its network less.
        second = self.boot_ns // SECOND
        devices = [1, second * 3000, second * 1000, second * 500, 1, second * 200, second * 100]
        values = np.array(figures + devices, dtype=np.int64)
        snapshot = Snapshot(self.wall_ns, self.boot_ns, HostSample(_HOST_NAMES, values), tasks)
        sampled = self.recorder.add(snapshot, 0, self._take_departed(), self.kills)
        self.kills = []
        self.wall_ns += SECOND
        self.boot_ns += SECOND
        return sampled

    def skip(self, seconds: int) -> None:
        """Nobody samples for a while."""
        self.wall_ns += seconds * SECOND
        self.boot_ns += seconds * SECOND

    def block(self, seconds: int = 0, busy: float = 0.25) -> Block:
        """The block of so many further samples and those not yet in one."""
        for _ in range(seconds):
            self.sample(busy)
        block = self.recorder.flush()
        assert block is not None
        return block


def _bytes(argv: tuple[str, ...]) -> list[bytes]:
    return [argument.encode() for argument in argv]


def _records(dtype: "np.dtype[Any]", rows: list[dict[str, Any]]) -> Any:
    made = np.zeros(len(rows), dtype=dtype)
    for at, row in enumerate(rows):
        for name, value in row.items():
            made[name][at] = value
    return made
