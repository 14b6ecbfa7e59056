"""Hosts, what their policies allow, and what an administrator changes about them."""

from typing import Annotated

from msgspec import Meta, Struct, field

from tukur.hub.models.common import RoleName
from tukur.protocol.messages import HostId


class PolicySelection(Struct, kw_only=True):
    """Processes by patterns."""

    users: list[str]
    units: list[str]
    names: list[str]


class HostPolicy(Struct, kw_only=True):
    """What a host lets anybody do, by its own file: it has the last word."""

    actions: Annotated[list[str], Meta(description="Of renice, ionice and freeze.")]
    allow: Annotated[
        PolicySelection,
        Meta(description="Who alone may be reached; nothing in it: everybody that is not protected."),
    ]
    protect: PolicySelection
    dangerous: Annotated[
        list[str],
        Meta(description="Programs that are protected on every host whose file does not name them."),
    ]
    problem: Annotated[str, Meta(description="Why the host's file cannot be used: then nothing is allowed.")]


class Held(Struct, kw_only=True):
    """A machine that came with a host's key while another used it, and was not let in."""

    boot_id: str
    hostname: str
    address: str
    first_ms: int
    last_ms: int


class Host(Struct, kw_only=True):
    host_id: str
    name: str
    online: bool
    role: Annotated[RoleName, Meta(description="What the asker may do on it.")] = "none"
    groups: list[str]
    needs_approval: Annotated[bool, Meta(description="An order to it waits for a second person.")]
    revoked: Annotated[bool, Meta(description="Its key opens nothing any more.")]
    held: Annotated[
        list[Held],
        Meta(description="Other machines that have its key: somebody must decide which is the host."),
    ]
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
                "How far the host's clock is ahead of ours, less what the quickest message took; "
                "null: not known."
            )
        ),
    ]
    shift_ms: Annotated[
        int,
        Meta(
            description=("What is added to the times that it tells, since its clock is wrong; 0: it is good.")
        ),
    ]
    rates: Annotated[
        dict[str, float | int | list[float]] | None,
        Meta(description="The newest heartbeat's host figures; null while offline."),
    ]
    missed: int
    spooled: int
    faults: dict[str, int]


class Hosts(Struct, kw_only=True):
    hosts: list[Host] = field(default_factory=list)


class Release(Struct, kw_only=True):
    boot_id: (
        Annotated[
            HostId, Meta(description="The host is the machine of this boot; null: whichever connects first.")
        ]
        | None
    ) = None


class HostChange(Struct, kw_only=True, forbid_unknown_fields=True):
    """What is to become of a host; what is null stays as it is."""

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
        bool | None, Meta(description="Whether an order to it waits for a second person; likewise.")
    ] = None
