"""Processes: a row of the table, the table at one instant, all that is known of one life."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from tukur.protocol.messages import Scope
from tukur.records import PROCESS_FIELDS

StartNs = Annotated[str, Meta(pattern=r"^[0-9]{1,20}$")]


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
    ended: Annotated[
        bool,
        Meta(
            description=(
                "It ended since the sample before: this is its last account, and ``rss`` the most it held."
            )
        ),
    ]
    started_ms: int


class ProcessTable(Struct, kw_only=True):
    asked_ms: int
    at_ms: Annotated[
        int,
        Meta(
            description=("When the sample was taken that this is: the one nearest to the instant asked for.")
        ),
    ]
    exact: Annotated[bool, Meta(description="Whether a sample lies within the asked second.")]
    boot_id: str
    host: dict[str, float | int | list[float]] | None
    processes: list[Process]


class Relative(Struct, kw_only=True):
    pid: int
    start_ns: StartNs
    name: str
    cmdline: str


class ProcessSet(Struct, kw_only=True):
    """Processes that belong together, as they are now."""

    scope: Scope
    of: Annotated[str, Meta(description="Which cgroup or unit.")]
    processes: int
    rss: Annotated[int, Meta(description="Sum: what is shared counts for each.")]
    names: Annotated[list[str], Meta(description="The most frequent.")]


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
    exact: Annotated[
        bool,
        Meta(
            description=("Whether the kernel told of its death: then ``last_ms`` and the totals are exact.")
        ),
    ]
    exit_code: int | None
    exit_signal: int | None
    cause: str
    cpu_s: Annotated[float | None, Meta(description="Of the whole life; null while it is not over.")]
    rss_peak: int | None
    read_bytes: int | None
    write_bytes: int | None
    alive: Annotated[bool | None, Meta(description="Null: the agent is offline or did not answer.")]
    state: str
    parent: Relative | None
    children: list[Relative]
    restart: Annotated[
        str, Meta(description="Who would start it again, as a sentence; empty: nobody that is known.")
    ]
    protected: Annotated[str, Meta(description="Why a signal would be refused; empty: it would not be.")]
    sets: Annotated[
        list[ProcessSet],
        Meta(
            description=(
                "Other targets for an order than this process alone; empty: the agent reported none."
            )
        ),
    ]
