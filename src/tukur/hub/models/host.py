"""Hosts, what their policies allow, and what an administrator changes about them."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from tukur.hub.models.common import RoleName
from tukur.protocol.messages import HostId


class PolicySelection(Struct, kw_only=True):
    """Patterns that select processes."""

    users: list[str]
    units: list[str]
    names: list[str]


class HostPolicy(Struct, kw_only=True):
    """The host's own policy file; the hub cannot override it."""

    actions: Annotated[list[str], Meta(description="Which of renice, ionice and freeze are allowed.")]
    allow: Annotated[
        PolicySelection,
        Meta(description="The only processes that may be targets; empty: all that are not protected."),
    ]
    protect: PolicySelection
    dangerous: Annotated[
        list[str],
        Meta(description="Programs that are protected unless the host's file names them."),
    ]
    problem: Annotated[
        str, Meta(description="Why the host's policy file is not valid; then nothing is allowed.")
    ]


class IdentityConflict(Struct, kw_only=True):
    """A machine that was rejected because another one was connected with the same key."""

    boot_id: str
    hostname: str
    address: str
    first_ms: int
    last_ms: int


class HostInstance(Struct, kw_only=True):
    """The virtual machine of Google Compute Engine that a host is."""

    instance_id: str
    name: str
    group: Annotated[str, Meta(description="`regions/REGION/instanceGroupManagers/NAME`")]
    zone: str
    reason: Annotated[
        str,
        Meta(description="Why its state is what it is, such as `deleting` or `recreated`; empty: none."),
    ]
    asked_ms: Annotated[
        int | None,
        Meta(description="When its group was asked for that state; null: not since it was last connected."),
    ]


class Host(Struct, kw_only=True):
    host_id: str
    name: str
    online: bool
    state: Annotated[
        Literal["online", "offline", "unknown", "suspended", "stopped", "left"],
        Meta(
            description=(
                "`online`: its agent is connected; otherwise `offline`, or what its instance group says: "
                "`left`: the machine is no more; `suspended`, `stopped`: it does not run; "
                "`unknown`: the group has not answered since."
            )
        ),
    ]
    instance: Annotated[
        HostInstance | None,
        Meta(description="null: it did not join by the identity of a virtual machine."),
    ]
    role: Annotated[RoleName, Meta(description="The requester's role on this host.")] = "none"
    groups: list[str]
    needs_approval: Annotated[bool, Meta(description="Orders need the approval of a second person.")]
    revoked: Annotated[bool, Meta(description="Its key is rejected.")]
    held: Annotated[
        list[IdentityConflict],
        Meta(description="Other machines that use its key: an administrator must decide which is the host."),
    ]
    last_seen_ms: int | None
    boot_id: str
    booted_ms: int
    kernel: str
    os: str
    architecture: str
    cpus: int
    mem_total: int
    mem_limit: Annotated[
        int,
        Meta(
            description=(
                "The lowest memory limit of the agent's cgroup and those above it, as of a container, where "
                "it is less than `mem_total`; 0: none."
            )
        ),
    ]
    mem_limit_of: Annotated[str, Meta(description="The cgroup that has it.")]
    agent_version: str
    source: str
    blind_spots: list[str]
    signals: Annotated[
        list[str], Meta(description="Signals that the host's own policy allows; empty: monitor-only.")
    ]
    policy: Annotated[
        HostPolicy | None, Meta(description="null: an older agent, or one that never connected.")
    ]
    first_ms: Annotated[int | None, Meta(description="The oldest recorded second.")]
    last_ms: Annotated[int | None, Meta(description="The newest recorded second.")]
    clock_ms: Annotated[
        int | None,
        Meta(
            description=(
                "How far the host's clock is ahead of the hub's, minus the shortest network delay; "
                "null: not known."
            )
        ),
    ]
    shift_ms: Annotated[
        int,
        Meta(description=("Correction added to its times because its clock is wrong; 0: none.")),
    ]
    rates: Annotated[
        dict[str, float | int | list[float] | None] | None,
        Meta(description="The newest heartbeat's host figures, null where not known; null while offline."),
    ]
    missed: int
    spooled: int
    faults: dict[str, int]
    agent_cost_us: Annotated[
        dict[str, int],
        Meta(
            description=(
                "CPU time of the agent since it began, microseconds, by part of its work: read (processes), "
                "host (its figures), collect (lives that ended), account, encode, send, spool, other. "
                "Empty: offline, or an older agent."
            )
        ),
    ] = field(default_factory=dict)


class Hosts(Struct, kw_only=True):
    hosts: list[Host] = field(default_factory=list)
    left: Annotated[int, Meta(description="How many hosts have left, be they in the list or not.")] = 0


class Release(Struct, kw_only=True):
    boot_id: (
        Annotated[
            HostId,
            Meta(description="The host is the machine with this boot; null: whichever connects first."),
        ]
        | None
    ) = None


class HostChange(Struct, kw_only=True, forbid_unknown_fields=True):
    """Changes to a host; null: unchanged."""

    name: Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")] | None = None
    groups: (
        Annotated[
            list[str],
            Meta(
                max_length=15,
                description="Its host groups; only an administrator of all hosts may change them.",
            ),
        ]
        | None
    ) = None
    needs_approval: Annotated[
        bool | None, Meta(description="Whether orders need the approval of a second person; likewise.")
    ] = None
