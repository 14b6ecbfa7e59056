"""What agent and hub say to each other: typed messages, one envelope, no I/O.

A WebSocket message is one byte for its kind, then the payload. Kind :data:`TYPED` carries one
of the structs below as MessagePack; kind :data:`FRAME` carries a live frame (see ``frames.py``),
which the hub relays as the bytes it is.

Evolution: a field is only ever added, with a default, so that an older peer keeps working. Unknown
fields are ignored by the decoder. A change that breaks this raises :data:`PROTOCOL_VERSION`, and the
hub answers an agent that it cannot speak to with a :class:`Refused` that says so.
"""

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct, field

PROTOCOL_VERSION = 1

TYPED = b"\x01"
FRAME = b"\x02"

MAX_MESSAGE = 32 * 1024 * 1024
"""Bytes. A larger message is an error of the peer's: the connection is closed."""

CLOCK_SET_NS = 100_000_000
"""Wall clock and boot clock that drew apart by more between two samples: somebody set the wall clock. Agents
end a block there."""

GAP_NS = 2_500_000_000
"""Two samples that lie further apart have a gap between them, for agent, record, API and page alike. Samples
are a second apart: a single missing one is counted, and is no gap. The wall clock measures it, as a person
looks for it there; the boot clock says why it is there."""

U64 = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""Unsigned and within what every database holds in a BIGINT."""
Pid = Annotated[int, Meta(ge=0, le=2**22)]
HostId = Annotated[str, Meta(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
Text = Annotated[str, Meta(max_length=4096)]
LongText = Annotated[str, Meta(max_length=65_536)]
Time = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""Nanoseconds: since the epoch where the name says wall, since boot where it says boot or start."""


class Message(Struct, frozen=True, tag_field="type", kw_only=True, omit_defaults=True):
    """The base of all messages; the tag is the struct's own."""


class ProcessKey(Struct, frozen=True, order=True):
    """One process life on one host: never reused."""

    boot_id: HostId
    pid: Pid
    start_ns: U64


# --- facts about processes and hosts, parts of several messages. A hub holds hundred thousands of some at a
# time: what has nothing but numbers and texts need not be looked at by the collector of reference cycles.


class Image(Struct, gc=False, frozen=True, kw_only=True):
    """What is read once in a process's life, and again after exec or a change of user or cgroup."""

    pid: Pid
    start_ns: U64
    since_ns: Time
    """boot_ns of the first sample that this holds for."""
    since_wall_ns: Time
    ppid: Pid
    uid: Annotated[int, Meta(ge=0, le=2**32 - 1)]
    user: Text
    name: Text
    """comm."""
    exe: Text = ""
    """The executable's path; empty where it cannot be read or a kernel thread."""
    cmdline: LongText = ""
    """Arguments joined as a shell would read them, scrubbed of secrets; empty for a kernel thread."""
    cgroup: Text = ""
    """Path in the v2 hierarchy, or the systemd one where v2 holds no processes."""
    unit: Text = ""
    """The systemd unit, such as ``ssh.service``; empty where none."""
    container: Text = ""
    """``docker:<12 hex digits>`` or alike; empty where none."""
    kthread: bool = False
    pod: Text = ""
    """The Kubernetes pod's UID, or namespace/name where it can be known; empty where none."""
    slice: Text = ""
    """The systemd slice, such as ``system.slice`` or ``user-1000.slice``; empty where none."""


class Ended(Struct, gc=False, frozen=True, kw_only=True):
    """A process life that is over."""

    pid: Pid
    start_ns: U64
    last_ns: Time
    """boot_ns of its death where ``exact``, else of the last sample that had it."""
    last_wall_ns: Time
    cpu_ns: U64
    rss_peak: U64 | None
    """The largest RSS, bytes: where ``exact`` by the kernel's own account, else that a sample saw; None:
    unknown."""
    read_bytes: U64
    write_bytes: U64
    exact: bool = False
    """Whether the kernel reported the death: then the counters are final, not those of the last sample."""
    exit_code: Annotated[int, Meta(ge=0, le=255)] | None = None
    exit_signal: Annotated[int, Meta(ge=1, le=127)] | None = None
    """One of both where the status is known."""
    cause: Text = ""
    """``oom``: killed by the OOM killer; empty: nothing beyond the status is known."""


class LifeGroup(Struct, gc=False, frozen=True, kw_only=True):
    """Lives of one name under one parent, summed up: there were too many to report each."""

    ppid: Pid
    parent_start_ns: U64
    """0: not known."""
    name: Text
    """comm; empty: only the parent is known (unseen children, by the CPU time of those it reaped)."""
    uid: Annotated[int, Meta(ge=0, le=2**32 - 1)]
    lives: U64
    """0: how many is not known."""
    cpu_ns: U64
    rss_peak: U64 | None
    """None: unknown of each of them."""
    read_bytes: U64
    write_bytes: U64


class Lost(Struct, gc=False, frozen=True, kw_only=True):
    """What the kernel had no room to report within a block."""

    execs: U64 = 0
    """Program changes: the command line of some short lives is not known."""
    lives: U64 = 0
    """Lives of which not even the name is known."""
    cpu_ns: U64 = 0
    """CPU time of those."""
    finals: U64 = 0
    """Lives whose last CPU time is missing: some tens of microseconds each."""


class OomKill(Struct, gc=False, frozen=True, kw_only=True):
    """A process killed by the OOM killer, and why it was chosen."""

    at_ns: Time
    at_wall_ns: Time
    pid: Pid
    start_ns: U64 = 0
    """0: the life is not known."""
    name: Text
    uid: Annotated[int, Meta(ge=0, le=2**32 - 1)] = 0
    constraint: Text = ""
    """``none`` (the machine), ``memcg`` (a cgroup's limit), ``cpuset`` or ``memory_policy``."""
    memcg: Text = ""
    """The cgroup whose limit was reached."""
    task_memcg: Text = ""
    """The victim's cgroup."""
    trigger: Text = ""
    """Name of the process whose allocation failed."""
    rss: U64 = 0
    """What the victim held, bytes."""
    text: LongText = ""
    """The kernel's own words."""


class ProcessMinute(Struct, gc=False, frozen=True, kw_only=True, array_like=True):
    """What one process did within one block; the hub adds these up by minute. Only of active ones."""

    pid: Pid
    start_ns: U64
    cpu_ns: U64
    rss_peak: U64 | None
    """None: unknown, as of a life that no sample has."""
    read_bytes: U64
    write_bytes: U64


class MinMaxMean(Struct, gc=False, frozen=True, array_like=True):
    """Lowest, highest and sum of one figure over the samples of a block."""

    low: float
    high: float
    sum: float


class HostMinute(Struct, frozen=True, kw_only=True):
    """The host's own figures over one block; the hub merges these by minute."""

    samples: Annotated[int, Meta(ge=0, le=60)]
    figures: Annotated[dict[Text, MinMaxMean], Meta(max_length=64)]
    """By the field names of ``tukur.records.HostRates``, scalars only."""


class DeviceMinute(Struct, gc=False, frozen=True, kw_only=True, array_like=True):
    """What one disk or interface did within one block, over the samples that knew it.

    Sums and highest values of ``tukur.records.DeviceRates``; the hub adds these up by minute.
    """

    kind: Annotated[str, Meta(max_length=8)]
    """``disk`` or ``net``."""
    name: Annotated[str, Meta(min_length=1, max_length=91)]
    samples: Annotated[int, Meta(ge=1, le=60)]
    read_sum: float
    read_high: float
    write_sum: float
    write_high: float
    busy_sum: float | None = None
    """None: not known, as of an interface; likewise the next."""
    busy_high: float | None = None


Patterns = Annotated[list[Text], Meta(max_length=512)]


class Selected(Struct, frozen=True, kw_only=True):
    """Processes by patterns of their users, units and programs."""

    users: Patterns = field(default_factory=list)
    units: Patterns = field(default_factory=list)
    names: Patterns = field(default_factory=list)


class PolicyFacts(Struct, frozen=True, kw_only=True):
    """What a host lets its hub do, beside the signals."""

    actions: Annotated[list[Text], Meta(max_length=64)] = field(default_factory=list)
    allow: Selected = field(default_factory=Selected)
    """Who alone may be reached; nothing in it: everybody that is not protected."""
    protect: Selected = field(default_factory=Selected)
    dangerous: Patterns = field(default_factory=list)
    """Programs that are protected without the host's file naming them."""
    problem: Text = ""
    """Why the host's file cannot be used."""


class HostFacts(Struct, frozen=True, kw_only=True):
    """What a host is; sent at each connection."""

    hostname: Text
    kernel: Text
    os: Text
    """PRETTY_NAME of os-release."""
    architecture: Text
    cpus: Annotated[int, Meta(ge=1, le=65_536)]
    mem_total: U64
    boot_id: HostId
    booted_wall_ns: Time
    agent_version: Text
    source: Text
    """module, bpf or procfs."""
    blind_spots: Annotated[list[Text], Meta(max_length=64)]
    """What that source cannot see, a sentence each."""
    signals: Annotated[list[Text], Meta(max_length=64)]
    """Signals that the host's own policy allows; empty: monitor-only."""
    protected_pids: Annotated[list[Pid], Meta(max_length=64)] = field(default_factory=list)
    """PIDs that the agent will never signal, such as its own."""
    policy: PolicyFacts | None = None
    """None: an older agent."""
    mem_limit: U64 = 0
    """Bytes: the lowest limit of the agent's cgroup and those above it, where it is less than mem_total, as
    in a container; 0: none."""
    mem_limit_of: Text = ""
    """The cgroup that has it."""


# --- agent to hub

Digest = Annotated[bytes, Meta(min_length=32, max_length=32)]
MaybeDigest = Annotated[bytes, Meta(max_length=32)]
Signature = Annotated[bytes, Meta(max_length=64)]


class Hello(Message, frozen=True, kw_only=True, tag="hello"):
    """The agent's first word, in answer to :class:`Challenge`."""

    protocol: int
    host_id: HostId
    signature: Annotated[bytes, Meta(max_length=64)]
    """Ed25519 over ``protocol.auth.hello_text(challenge, host_id)`` by the host's key."""
    facts: HostFacts
    wall_ns: Time = 0
    """When this was said, by the host's clock; 0: an older agent."""
    certificate: MaybeDigest = b""
    """SHA-256 of the certificate by which the agent knows the hub; empty: without TLS, within one machine."""
    follows: bool = False
    """Whether :class:`OrderKeys` is understood."""


class Join(Message, frozen=True, kw_only=True, tag="join"):
    """The first word of a machine that has a join token, in answer to :class:`Challenge`."""

    protocol: int
    secret: Annotated[bytes, Meta(max_length=64)]
    """The token's."""
    public_key: Digest
    """Its new Ed25519 key."""
    signature: Signature
    """Over ``protocol.auth.join_text`` by that key."""
    hostname: Annotated[str, Meta(min_length=1, max_length=255)]
    certificate: MaybeDigest = b""


class InstanceJoin(Message, frozen=True, kw_only=True, tag="instance_join"):
    """The first word of a virtual machine that joins by its identity token: answers :class:`Challenge`."""

    protocol: int
    token: Annotated[str, Meta(max_length=8192)]
    """Google's JSON Web Token, for the audience ``protocol.auth.instance_audience``."""
    public_key: Digest
    """The machine's new Ed25519 key."""
    signature: Signature
    """Over ``protocol.auth.instance_join_text`` by that key."""
    hostname: Annotated[str, Meta(min_length=1, max_length=255)]
    certificate: MaybeDigest = b""


class Rotate(Message, frozen=True, kw_only=True, tag="rotate"):
    """The first word of a host that changes its key, in answer to :class:`Challenge`."""

    protocol: int
    host_id: HostId
    public_key: Digest
    """The new one."""
    signature: Signature
    """Over ``protocol.auth.rotate_text`` by the old key."""
    proof: Signature
    """The same by the new key."""
    certificate: MaybeDigest = b""


class Heartbeat(Message, frozen=True, kw_only=True, tag="heartbeat"):
    """Each second: the host counters and the top few processes. Lossy."""

    wall_ns: Time
    boot_ns: Time
    rates: dict[str, float | int | list[float] | None]
    """The fields of ``tukur.records.HostRates``; NaN: not known."""
    top: Annotated[list[tuple[Pid, Text, float, int]], Meta(max_length=16)]
    """(pid, name, cpu, rss) of the busiest."""
    missed: U64
    """Samples that were due and not taken since the agent began."""
    spooled: U64
    """Blocks that wait in the spool."""
    faults: Annotated[dict[Text, int], Meta(max_length=64)]
    """Failures by collector since the agent began."""
    cost_us: Annotated[dict[Text, U64], Meta(max_length=32)] = field(default_factory=dict)
    """CPU time of the agent since it began, microseconds, by part of its work; they add up to all. Empty: an
    older agent."""


class Block(Message, frozen=True, kw_only=True, tag="block"):
    """Up to 60 consecutive snapshots with the rows that the hub stores as they come."""

    boot_id: HostId
    first_ns: Time
    """boot_ns of the first sample. (host_id, boot_id, first_ns) is the block's key."""
    last_ns: Time
    first_wall_ns: Time
    last_wall_ns: Time
    samples: Annotated[int, Meta(ge=1, le=60)]
    lives: Annotated[int, Meta(ge=0)]
    """Process lives in the block."""
    missed: Annotated[int, Meta(ge=0)]
    """Samples that were due within the block and not taken."""
    tasks: bytes
    """Columns of the task records: ``blocks.codec``."""
    host: bytes
    """Columns of the host counters: ``blocks.codec``."""
    images: list[Image]
    ended: list[Ended]
    host_minute: HostMinute
    process_minutes: list[ProcessMinute]
    groups: list[LifeGroup] = field(default_factory=list)
    lost: Lost | None = None
    ooms: Annotated[list[OomKill], Meta(max_length=1000)] = field(default_factory=list)
    first_of_run: bool = False
    """The first block after the agent's start: ``images`` holds every process there is. What the
    record takes for living and is not among them ended while no agent watched."""
    devices: Annotated[list[DeviceMinute], Meta(max_length=256)] = field(default_factory=list)
    """Those with the most traffic; empty: an older agent."""


class Gap(Message, frozen=True, kw_only=True, tag="gap"):
    """Samples that were taken, and given up before the hub had them. Only where :class:`Welcome` says so."""

    boot_id: HostId
    first_ns: Time
    """boot_ns of the first sample. (host_id, boot_id, first_ns) is the gap's key; it may grow at its end."""
    last_ns: Time
    first_wall_ns: Time
    last_wall_ns: Time
    blocks: U64
    """0: not known, since the data was damaged; then `samples` is 0 too."""
    samples: U64
    reason: Annotated[str, Meta(max_length=32)]
    """``spool_full``, ``spool_age``, ``damaged``, ``disk_full`` or ``disk_fault`` (any other error)."""


Outcome = Literal[
    "delivered",  # the signal was sent; the observation goes on
    "exited",  # the process ended after it; of a set: every one that was signalled did
    "stopped",  # it is stopped (state T)
    "running",  # after CONT: it runs again
    "alive",  # still there when the observation ended; of a set: some are
    "gone",  # had ended before the order came
    "reused",  # its PID belongs to another process now: refused
    "refused",  # by the host's policy, or the order itself is bad: see code
    "not_permitted",  # the kernel said EPERM
    "failed",  # another error of the system: see detail
    "changed",  # its priority was read back as asked
    "frozen",  # the kernel says that nothing in the cgroup runs
    "thawed",
]

MAX_MEMBERS = 1000


class Member(Struct, gc=False, frozen=True, kw_only=True):
    """What became of one process of a set."""

    pid: Pid
    start_ns: U64
    name: Text
    outcome: Outcome
    detail: Text = ""


class OrderResult(Message, frozen=True, kw_only=True, tag="order_result"):
    """What became of an order. More than one may come: the last has ``final``."""

    order_id: Text
    outcome: Outcome
    final: bool
    code: Text = ""
    """A stable word for the reason of a refusal or failure."""
    detail: Text = ""
    after_ms: float | None = None
    """From the signal to what was observed."""
    exit_code: int | None = None
    exit_signal: int | None = None
    """Where the kernel gives it: to the parent only, or by a pidfd from Linux 6.15 on."""
    respawned_pid: Pid | None = None
    """The PID under which the service manager started it again."""
    respawned_unit: Text = ""
    """The unit that it started again."""
    freed: U64 | None = None
    """Memory of its own (anonymous, and in swap) that it held when the order came, bytes; of what exited."""
    members: Annotated[list[Member], Meta(max_length=MAX_MEMBERS)] = field(default_factory=list)
    """Of an order to a group: its processes, up to MAX_MEMBERS."""
    more: U64 = 0
    """How many beyond those."""


class Relative(Struct, frozen=True, kw_only=True):
    """A child or parent in an :class:`Inspection`."""

    pid: Pid
    start_ns: U64
    name: Text
    cmdline: LongText = ""


class SetFacts(Struct, frozen=True, kw_only=True):
    """Processes that belong together, as they are now."""

    scope: Literal["tree", "cgroup", "unit"]
    of: Text = ""
    """Which cgroup or unit."""
    processes: U64
    rss: U64
    """Sum, bytes: what is shared counts for each."""
    names: Annotated[list[Text], Meta(max_length=8)]
    """The most frequent."""


class Inspection(Message, frozen=True, kw_only=True, tag="inspection"):
    """The answer to :class:`Inspect`."""

    request_id: Text
    alive: bool
    state: Text = ""
    parent: Relative | None = None
    children: Annotated[list[Relative], Meta(max_length=1024)] = field(default_factory=list)
    unit: Text = ""
    container: Text = ""
    restart: Text = ""
    """Who would start it again, as a sentence; empty: nobody, as far as the agent knows."""
    protected: Text = ""
    """Why the host's policy would refuse a signal; empty: it would not."""
    sets: Annotated[list[SetFacts], Meta(max_length=8)] = field(default_factory=list)
    """The sets that an order could be for."""


class Goodbye(Message, frozen=True, kw_only=True, tag="goodbye"):
    """The agent was told to end, perhaps since its machine shuts down. Only where :class:`Welcome` says so.

    A hint: it makes the hub ask sooner, and decides nothing.
    """

    preempted: bool = False
    """Whether the metadata server says that this virtual machine is being preempted."""


class AgentLog(Message, frozen=True, kw_only=True, tag="log"):
    """A line of the agent's log that the hub should show."""

    wall_ns: Time
    level: Literal["info", "warning", "error"]
    text: Text


# --- hub to agent


class Challenge(Message, frozen=True, kw_only=True, tag="challenge"):
    """The hub's first word on each connection."""

    protocol: int
    nonce: Annotated[bytes, Meta(min_length=32, max_length=32)]


class Welcome(Message, frozen=True, kw_only=True, tag="welcome"):
    """The agent is known and may speak."""

    wall_ns: Time
    gaps: bool = False
    """Whether :class:`Gap` is understood."""
    goodbye: bool = False
    """Whether :class:`Goodbye` is understood."""


Certificate = Annotated[bytes, Meta(max_length=16_384)]
"""One, as DER."""


class Joined(Message, frozen=True, kw_only=True, tag="joined"):
    """The machine is a host of this hub; the connection is closed after this."""

    host_id: HostId
    order_key: Digest
    """The hub's public order key, to be pinned."""


class Rotated(Message, frozen=True, kw_only=True, tag="rotated"):
    """The new key holds and the old one does not; the connection is closed after this."""


class Authorities(Message, frozen=True, kw_only=True, tag="authorities"):
    """Whose certificates are the hub's from now on, in place of those trusted before."""

    certificates: Annotated[list[Certificate], Meta(min_length=1, max_length=8)]
    signature: Signature
    """Over ``protocol.auth.authorities_text`` by the order key."""


class Successor(Struct, frozen=True, array_like=True):
    """One order key in place of another."""

    old: Digest
    new: Digest
    signature: Signature
    """Over ``protocol.auth.successor_text`` by the old one."""


MAX_SUCCESSION = 1000


class OrderKeys(Message, frozen=True, kw_only=True, tag="order_keys"):
    """How the hub's order key follows those before. Only where :class:`Hello` says so."""

    succession: Annotated[tuple[Successor, ...], Meta(max_length=MAX_SUCCESSION)]
    """The oldest first."""


class Refused(Message, frozen=True, kw_only=True, tag="refused"):
    """The agent may not speak; the connection is closed after this."""

    code: Text
    detail: Text


class Watch(Message, frozen=True, kw_only=True, tag="watch"):
    """Begin or end sending live frames. ``on`` again asks for a key frame (all rows, all images)."""

    on: bool


class Ack(Message, frozen=True, kw_only=True, tag="ack"):
    """The block is committed: the spool may drop it. Or the gap, then with its end."""

    boot_id: HostId
    first_ns: Time
    last_ns: Time = 0
    """0: of a block."""


class Reject(Message, frozen=True, kw_only=True, tag="reject"):
    """The block can never be stored; the agent sets it aside and goes on."""

    boot_id: HostId
    first_ns: Time
    code: Text
    detail: Text


class Order(Message, frozen=True, kw_only=True, tag="order"):
    """A signed instruction. The signature is over the exact bytes of ``body``."""

    body: bytes
    """An :class:`OrderBody` as MessagePack."""
    signature: Annotated[bytes, Meta(max_length=64)]


Verb = Literal["signal", "renice", "ionice", "freeze", "thaw"]
Scope = Literal["process", "tree", "cgroup", "unit"]


class Action(Struct, frozen=True, kw_only=True):
    """What is to be done beyond a signal to a single process."""

    verb: Verb = "signal"
    scope: Scope = "process"
    """The target; it and all that descend from it; all in its cgroup and below; all of its unit."""
    signal: Text = ""
    """For ``signal``."""
    value: Text = ""
    """For ``renice`` -20 to 19, for ``ionice`` ``idle`` or ``best-effort:0`` to ``best-effort:7``."""
    of: Text = ""
    """The cgroup or unit that was meant: where the target is in another by now, nothing is done."""


class OrderBody(Struct, frozen=True, kw_only=True):
    """One action on one host."""

    order_id: Text
    host_id: HostId
    target: ProcessKey
    signal: Text
    """A name without SIG, such as ``TERM``, to the target alone; empty where there is an `action`. So an
    agent that knows of no actions refuses the order, and does not take it for a smaller one."""
    nonce: Annotated[bytes, Meta(min_length=16, max_length=16)]
    issued_wall_ns: Time
    expires_wall_ns: Time
    actor: Text
    """Who asked."""
    reason: Text = ""
    action: Action | None = None


class Inspect(Message, frozen=True, kw_only=True, tag="inspect"):
    """Asks what is known right now of one process: children, unit, who would restart it."""

    request_id: Text
    target: ProcessKey


FromAgent: TypeAlias = (
    Hello
    | Join
    | InstanceJoin
    | Rotate
    | Heartbeat
    | Block
    | Gap
    | OrderResult
    | Inspection
    | Goodbye
    | AgentLog
)
FromHub: TypeAlias = (
    Challenge
    | Welcome
    | Joined
    | Rotated
    | Authorities
    | OrderKeys
    | Refused
    | Watch
    | Ack
    | Reject
    | Order
    | Inspect
)

encoder = msgspec.msgpack.Encoder()
from_agent = msgspec.msgpack.Decoder(FromAgent)
from_hub = msgspec.msgpack.Decoder(FromHub)
order_body = msgspec.msgpack.Decoder(OrderBody)
