"""What the API takes and gives: every request and response body.

Times that end in ``_ms`` are milliseconds since the epoch. ``start_ns`` is decimal text, for it can
exceed what a JavaScript number holds. Sizes are bytes, rates are per second, CPU is a share of one
core (1.0 is one core busy) for a process and of the whole machine (0 to 1) for a host.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

from tukur.protocol.messages import HostId, Scope, Verb
from tukur.records import PROCESS_FIELDS

RoleWord = Literal["none", "viewer", "operator", "admin"]
Signal = Literal["TERM", "KILL", "STOP", "CONT", "INT", "HUP"]
StartNs = Annotated[str, Meta(pattern=r"^[0-9]{1,20}$")]


class Problem(Struct, kw_only=True):
    """Every error, whatever its status."""

    code: str
    """A stable word, such as ``host_unknown``."""
    detail: str
    """What was found and what was expected."""


class Session(Struct, kw_only=True):
    user: str
    role: RoleWord
    """On all hosts."""
    grants: dict[str, RoleWord]
    """Group of hosts to the role on those."""
    expires_ms: int


class Host(Struct, kw_only=True):
    host_id: str
    name: str
    online: bool
    role: RoleWord = "none"
    """What the asker may do on it."""
    groups: list[str]
    needs_approval: bool
    """An order to it waits for a second person."""
    revoked: bool
    """Its key opens nothing any more."""
    held: list["Held"]
    """Other machines that have its key: somebody must decide which is the host."""
    last_seen_ms: int | None
    boot_id: str
    booted_ms: int
    kernel: str
    os: str
    architecture: str
    cpus: int
    mem_total: int
    agent_version: str
    source: str
    blind_spots: list[str]
    signals: list[str]
    """Signals that the host's own policy allows; empty: monitor-only."""
    policy: "HostPolicy | None"
    """null: an older agent, or one that never connected."""
    first_ms: int | None
    """The oldest recorded second."""
    last_ms: int | None
    """The newest recorded second."""
    clock_ms: int | None
    """How far the host's clock is ahead of ours, less what the quickest message took; null: not known."""
    shift_ms: int
    """What is added to the times that it tells, since its clock is wrong; 0: it is good."""
    rates: dict[str, float | int | list[float]] | None
    """The newest heartbeat's host figures; null while offline."""
    missed: int
    spooled: int
    faults: dict[str, int]


class Held(Struct, kw_only=True):
    """A machine that came with a host's key while another used it, and was not let in."""

    boot_id: str
    hostname: str
    address: str
    first_ms: int
    last_ms: int


class Release(Struct, kw_only=True):
    boot_id: HostId | None = None
    """The host is the machine of this boot; null: whichever comes first."""


class HostChange(Struct, kw_only=True, forbid_unknown_fields=True):
    """What is to become of a host; what is null stays as it is."""

    name: Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")] | None = None
    groups: Annotated[list[str], Meta(max_length=15)] | None = None
    """The groups of hosts that it is in; only who is administrator of all hosts may change this."""
    needs_approval: bool | None = None
    """Whether an order to it waits for a second person; likewise."""


class Figure(Struct, kw_only=True):
    """One figure over time; the three lists are as long as ``t_ms``; null where nothing is known."""

    low: list[float | None]
    mean: list[float | None]
    high: list[float | None]


class Gap(Struct, kw_only=True):
    from_ms: int
    to_ms: int


class Series(Struct, kw_only=True):
    from_ms: int
    to_ms: int
    step_ms: int
    """Each point covers this long, from its time on."""
    t_ms: list[int]
    figures: dict[str, Figure]
    """By name: cpu, cpu_user, cpu_system, cpu_iowait, cpu_steal, mem_used, mem_available, mem_cached,
    mem_free, swap_used, load1, psi_cpu, psi_memory, psi_io, disk_read, disk_write, net_rx, net_tx,
    processes, mem_total."""
    gaps: list[Gap]
    """Stretches of more than three seconds with no sample."""


_TYPES = {"start_ns": StartNs}
_ProcessFigures: Any = msgspec.defstruct(
    "_ProcessFigures",
    [
        (each.name, Annotated[_TYPES.get(each.name, each.api), Meta(description=each.text or None)])
        for each in PROCESS_FIELDS
        if each.api is not None
    ],
    kw_only=True,
)


class Process(_ProcessFigures, kw_only=True):  # type: ignore[misc, call-arg]
    """One process at one instant: the figures of ``tukur.records.PROCESS_FIELDS``, and who it is."""

    user: str
    name: str
    cmdline: str
    exe: str
    unit: str
    container: str
    pod: str
    slice: str
    cgroup: str
    kthread: bool
    ended: bool
    """It ended since the sample before: this is its last account, and ``rss`` the most it held."""
    started_ms: int


class ProcessTable(Struct, kw_only=True):
    asked_ms: int
    at_ms: int
    """When the sample was taken that this is: the one nearest to the instant asked for."""
    exact: bool
    """Whether a sample lies within the asked second."""
    boot_id: str
    host: dict[str, float | int | list[float]] | None
    processes: list[Process]


class Top(Struct, kw_only=True):
    """One process within a range."""

    boot_id: str
    pid: int
    start_ns: StartNs
    name: str
    cmdline: str
    user: str
    unit: str
    container: str
    pod: str
    slice: str
    cpu_s: float
    """CPU time within the range, seconds."""
    rss_peak: int
    read_bytes: int
    write_bytes: int
    first_ms: int
    last_ms: int
    """When the life was first and last seen, over all time."""
    ended: bool
    exit_code: int | None = None
    exit_signal: int | None = None
    cause: str = ""


class Exit(Struct, kw_only=True):
    """One life that is over."""

    boot_id: str
    pid: int
    start_ns: StartNs
    ppid: int
    name: str
    cmdline: str
    user: str
    unit: str
    container: str
    pod: str
    slice: str
    started_ms: int
    ended_ms: int
    """The death where ``exact``, else the last sample that had it."""
    exact: bool
    """Whether the kernel told of the death: then the figures are final."""
    exit_code: int | None
    exit_signal: int | None
    """One of both where it is known."""
    cause: str
    """``oom``: killed for want of memory."""
    cpu_s: float
    rss_peak: int
    read_bytes: int
    write_bytes: int


class ExitGroup(Struct, kw_only=True):
    """Short lives of one name under one parent, too many to tell each."""

    ppid: int
    parent_start_ns: StartNs
    parent_name: str
    name: str
    """Empty: children that nobody saw, by what their parent was charged for them."""
    uid: int
    lives: int | None
    """Null: how many is not known."""
    cpu_s: float
    rss_peak: int
    read_bytes: int
    write_bytes: int


class LostLives(Struct, kw_only=True):
    """What the kernel had no room to tell."""

    lives: int
    """Lives of which not even the name is known."""
    cpu_s: float
    """Their CPU time."""
    execs: int
    """Program changes: the command line of some short lives is not known."""
    finals: int
    """Lives whose last CPU time is missing."""


class Exits(Struct, kw_only=True):
    from_ms: int
    to_ms: int
    exits: list[Exit]
    """Newest first."""
    next: str | None
    """For `after`, to go on; null: there are no more."""
    groups: list[ExitGroup]
    """Of the whole tens of seconds that the range touches."""
    lost: LostLives


class OomKill(Struct, kw_only=True):
    """A process that the kernel killed for want of memory."""

    at_ms: int
    boot_id: str
    pid: int
    start_ns: StartNs | None
    """Null: which life it was is not known."""
    name: str
    uid: int
    user: str
    cmdline: str
    unit: str
    container: str
    pod: str
    slice: str
    """From the command line on: empty where the life is not known."""
    constraint: str
    """``none``: the machine was out of memory; ``memcg``: a cgroup was at its limit; ``cpuset`` or
    ``memory_policy``: some memory nodes were full; empty: the kernel did not say."""
    memcg: str
    """The cgroup whose limit was reached."""
    task_memcg: str
    """The victim's cgroup."""
    trigger: str
    """Name of the process whose wish for memory could not be met; empty: the kernel did not say."""
    rss: int
    """What the victim held."""
    text: str
    """The kernel's own words."""


class OomKills(Struct, kw_only=True):
    from_ms: int
    to_ms: int
    kills: list[OomKill]
    """Newest first."""
    more: bool
    """Whether the range has older ones than `limit` let through."""


class RecordGap(Struct, kw_only=True):
    """A stretch of which the record has no samples."""

    from_ms: int
    """The first sample that was given up; of `not_recorded` the last one before it."""
    to_ms: int
    """The last sample that was given up; of `not_recorded` the first one after it."""
    boot_id: str | None
    """Null: not one boot's."""
    reason: str
    """``spool_full`` or ``spool_age``: the agent had no more room for it while the hub was away;
    ``disk_full`` or ``disk_fault``: its disk took nothing; ``damaged``: its disk changed it;
    ``not_recorded``: no agent was running, or the machine was off or suspended."""
    blocks: int | None
    """How many blocks were given up; null: not known."""
    samples: int | None


class RecordGaps(Struct, kw_only=True):
    from_ms: int
    to_ms: int
    gaps: list[RecordGap]
    """Oldest first."""
    more: bool
    """Whether the range has later ones than `limit` let through."""
    spooled: int
    """Blocks that still wait at the agent: with these some of what is `not_recorded` now may yet come."""


class TopGroup(Struct, kw_only=True):
    """What the lives of one name, user, unit, container, pod or slice did within a range together."""

    name: str
    """Empty: those that are in none."""
    lives: int
    """How many were seen; beyond ten minutes those that did something, or lived at the range's edges."""
    cpu_s: float
    """Their CPU time within the range, seconds."""
    rss_peak: int
    """The most that any one of them held. Not a sum: peaks at different times add up to nothing that was."""
    read_bytes: int
    write_bytes: int


class TopList(Struct, kw_only=True):
    from_ms: int
    to_ms: int
    resolution_ms: int
    """1000: from the one-second record; 60000: whole minutes in the middle, seconds at the edges."""
    group: Literal["process", "name", "user", "unit", "container", "pod", "slice"]
    processes: list[Top]
    """Where the group is `process`."""
    groups: list[TopGroup]
    """Of any other group."""


class Relative(Struct, kw_only=True):
    pid: int
    start_ns: StartNs
    name: str
    cmdline: str


class ProcessDetail(Struct, kw_only=True):
    """One process life, as the record and (while it lives) the agent know it."""

    boot_id: str
    pid: int
    start_ns: StartNs
    name: str
    cmdline: str
    exe: str
    user: str
    unit: str
    container: str
    pod: str
    slice: str
    cgroup: str
    started_ms: int
    first_ms: int | None
    last_ms: int | None
    exact: bool
    """Whether the kernel told of its death: then ``last_ms`` and the totals are exact."""
    exit_code: int | None
    exit_signal: int | None
    cause: str
    cpu_s: float | None
    """Of the whole life; null while it is not over."""
    rss_peak: int | None
    read_bytes: int | None
    write_bytes: int | None
    alive: bool | None
    """Null: the agent is offline or did not answer."""
    state: str
    parent: Relative | None
    children: list[Relative]
    restart: str
    """Who would start it again, as a sentence; empty: nobody that is known."""
    protected: str
    sets: list["ProcessSet"]
    """What an order could be for beside this process alone; empty: the agent has not told."""
    """Why a signal would be refused; empty: it would not."""


class ProcessSet(Struct, kw_only=True):
    """Processes that belong together, as they are now."""

    scope: Scope
    of: str
    """Which cgroup or unit."""
    processes: int
    rss: int
    """Sum: what is shared counts for each."""
    names: list[str]
    """The most frequent."""


class HostPolicy(Struct, kw_only=True):
    """What a host lets anybody do, by its own file: it has the last word."""

    actions: list[str]
    """Of renice, ionice and freeze."""
    allow: "PolicySelection"
    """Who alone may be reached; nothing in it: everybody that is not protected."""
    protect: "PolicySelection"
    dangerous: list[str]
    """Programs that are protected on every host whose file does not name them."""
    problem: str
    """Why the host's file cannot be used: then nothing is allowed."""


class PolicySelection(Struct, kw_only=True):
    """Processes by patterns."""

    users: list[str]
    units: list[str]
    names: list[str]


class Decision(Struct, kw_only=True, forbid_unknown_fields=True):
    """A second person's."""

    approve: bool


class OrderRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    boot_id: Annotated[str, Meta(max_length=36)]
    pid: Annotated[int, Meta(ge=1, le=2**22)]
    start_ns: StartNs
    verb: Verb = "signal"
    signal: Signal | None = None
    """What ``signal`` sends."""
    scope: Scope = "process"
    """The process alone; it and all that descend from it; all in its cgroup and below; all of its unit."""
    value: Annotated[str, Meta(max_length=20)] = ""
    """For ``renice`` -20 to 19, for ``ionice`` ``idle`` or ``best-effort:0`` to ``best-effort:7``."""
    of: Annotated[str, Meta(max_length=1000)] = ""
    """The cgroup or unit that was seen: where the process is in another by now, nothing is done."""
    reason: Annotated[str, Meta(max_length=500)] = ""


class OrderMember(Struct, kw_only=True):
    """What became of one process of a set."""

    pid: int
    start_ns: StartNs
    name: str
    outcome: str
    detail: str = ""


class Order(Struct, kw_only=True):
    order_id: str
    host_id: str
    boot_id: str
    pid: int
    start_ns: StartNs
    name: str
    signal: str
    actor: str
    reason: str
    issued_ms: int
    final: bool
    outcome: str
    """``waiting`` (for a second person), ``declined``, ``pending``, ``no_answer``, or one of
    ``tukur.protocol.messages.Outcome``."""
    verb: Verb = "signal"
    scope: Scope = "process"
    value: str = ""
    of: str = ""
    code: str = ""
    detail: str = ""
    after_ms: float | None = None
    exit_code: int | None = None
    exit_signal: int | None = None
    respawned_pid: int | None = None
    approver: str = ""
    """The second person who approved or declined it; empty: none was needed, or nobody has yet."""
    respawned_unit: str = ""
    """The unit that its service manager started again."""
    freed: int | None = None
    """Memory of its own (anonymous, and in swap) that what exited had held, bytes."""
    members: list[OrderMember]
    """Of a set: each process, the first thousand."""
    more: int = 0
    """How many beyond those."""


class Hosts(Struct, kw_only=True):
    hosts: list[Host] = field(default_factory=list)


class Orders(Struct, kw_only=True):
    orders: list[Order] = field(default_factory=list)


class Health(Struct, kw_only=True):
    status: Literal["ok"]


class StoreLevel(Struct, kw_only=True):
    """One level of the record."""

    name: Literal["seconds", "minutes", "hours"]
    keep_ms: int
    """How long it is kept, milliseconds."""
    oldest_ms: int | None
    """How far back it reaches; null: nothing is recorded."""


class StoreUsage(Struct, kw_only=True):
    used_bytes: int
    room_bytes: int | None
    """What it may still grow by, the disk's free space or up to its bound; null: not known."""
    max_bytes: int | None
    """The bound that was set, past which the oldest goes; null: none."""
    levels: list[StoreLevel]
    known: bool
    """Whether enough is recorded to tell how it grows."""
    bytes_per_day: float | None
    settles_at_bytes: int | None
    """Its size once each level is as old as it is kept."""
    full_in_days: float | None
    """When the room is used up; null: never as it grows now, or not known."""


class Life(Struct, kw_only=True):
    """A process life while it ran one program."""

    host_id: str
    host: str
    """Its name."""
    boot_id: str
    pid: int
    start_ns: StartNs
    name: str
    cmdline: str
    exe: str
    user: str
    unit: str
    container: str
    pod: str
    slice: str
    since_ms: int
    """When it began to run this."""
    last_ms: int | None
    """When the life ended; null: it has not, as far as is known."""
    ended: bool
    exit_code: int | None
    exit_signal: int | None
    cause: str
    cpu_s: float | None
    """Of the whole life, once it has ended; likewise the next."""
    rss_peak: int | None


class Lives(Struct, kw_only=True):
    lives: list[Life]
    """Newest first."""
    next: str | None
    """`after` of the request that goes on; null: that was all."""


class FleetTop(Struct, kw_only=True):
    """One process, or a group, of one host."""

    host_id: str
    host: str
    process: Top


class FleetTopList(Struct, kw_only=True):
    from_ms: int
    to_ms: int
    """The range, widened to whole minutes."""
    processes: list[FleetTop]


class Changed(Struct, kw_only=True):
    """One process at two instants."""

    pid: int
    start_ns: StartNs
    boot_id: str
    name: str
    cmdline: str
    user: str
    unit: str
    change: Literal["appeared", "gone", "stayed"]
    cpu_s: float
    """CPU time between the two instants, as far as both samples tell."""
    rss: int
    """RSS at the second instant, or at the first where it is gone by then."""
    rss_growth: int
    read_bytes: int
    write_bytes: int


class Difference(Struct, kw_only=True):
    from_ms: int
    """The two samples that are compared: the nearest ones."""
    to_ms: int
    appeared: int
    gone: int
    stayed: int
    processes: list[Changed]
    """Those that changed most, by what was asked for."""


class AuditEntry(Struct, kw_only=True):
    """One thing that somebody did, or tried."""

    seq: int
    """1, 2, 3, ...: no number is left out."""
    at_ms: int
    actor: str
    """A user, ``token:NAME``, ``host:ID``, ``local:USER`` (a command on the hub's machine) or ``hub``."""
    origin: str
    """The client's address; empty: the hub's own machine."""
    action: str
    target: str
    result: str
    """``done``, or why not."""
    detail: str
    """All else, as JSON."""
    hash: str
    """Of all that this entry says and of the hash before it; hexadecimal, likewise the next."""
    signature: str


class AuditEntries(Struct, kw_only=True):
    entries: list[AuditEntry]
    """Newest first."""
    next: int | None
    """For `before`; null: there are no older ones."""
