"""Orders: what is asked for, and what became of it."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from tukur.hub.models.process import StartNs
from tukur.protocol.messages import Scope, Verb

Signal = Literal["TERM", "KILL", "STOP", "CONT", "INT", "HUP"]


class Decision(Struct, kw_only=True, forbid_unknown_fields=True):
    """A second person's."""

    approve: bool


class OrderRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    boot_id: Annotated[str, Meta(max_length=36)]
    pid: Annotated[int, Meta(ge=1, le=2**22)]
    start_ns: StartNs
    verb: Verb = "signal"
    signal: Annotated[Signal | None, Meta(description="What ``signal`` sends.")] = None
    scope: Annotated[
        Scope,
        Meta(
            description=(
                "The process alone; it and all that descend from it; all in its cgroup and below; all"
                " of its unit."
            )
        ),
    ] = "process"
    value: Annotated[
        str,
        Meta(
            max_length=20,
            description=(
                "For ``renice`` -20 to 19, for ``ionice`` ``idle`` or ``best-effort:0`` to ``best-effort:7``."
            ),
        ),
    ] = ""
    of: Annotated[
        str,
        Meta(
            max_length=1000,
            description=(
                "The cgroup or unit that was seen: where the process is in another by now, nothing is done."
            ),
        ),
    ] = ""
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
    outcome: Annotated[
        str,
        Meta(
            description=(
                "``waiting`` (for a second person), ``declined``, ``pending``, ``no_answer``, or one "
                "of ``tukur.protocol.messages.Outcome``."
            )
        ),
    ]
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
    approver: Annotated[
        str,
        Meta(
            description=(
                "The second person who approved or declined it; empty: none was needed, or nobody has yet."
            )
        ),
    ] = ""
    respawned_unit: Annotated[str, Meta(description="The unit that its service manager started again.")] = ""
    freed: Annotated[
        int | None,
        Meta(description=("Memory of its own (anonymous, and in swap) that what exited had held, bytes.")),
    ] = None
    members: Annotated[list[OrderMember], Meta(description="Of a set: each process, the first thousand.")]
    more: Annotated[int, Meta(description="How many beyond those.")] = 0


class Orders(Struct, kw_only=True):
    orders: list[Order] = field(default_factory=list)
