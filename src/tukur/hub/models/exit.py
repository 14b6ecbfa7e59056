"""How lives ended, and which processes the OOM killer killed."""

from typing import Annotated

from msgspec import Meta, Struct

from tukur.hub.models.process import StartNs


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
    ended_ms: Annotated[int, Meta(description="The death where ``exact``, else the last sample that had it.")]
    exact: Annotated[
        bool, Meta(description="Whether the kernel told of the death: then the figures are final.")
    ]
    exit_code: int | None
    exit_signal: Annotated[int | None, Meta(description="One of both where it is known.")]
    cause: Annotated[str, Meta(description="``oom``: killed by the OOM killer.")]
    cpu_s: float
    rss_peak: int
    read_bytes: int
    write_bytes: int


class ExitGroup(Struct, kw_only=True):
    """Short lives of one name under one parent, too many to tell each."""

    ppid: int
    parent_start_ns: StartNs
    parent_name: str
    name: Annotated[
        str, Meta(description=("Empty: children that nobody saw, by what their parent was charged for them."))
    ]
    uid: int
    lives: Annotated[int | None, Meta(description="Null: how many is not known.")]
    cpu_s: float
    rss_peak: int
    read_bytes: int
    write_bytes: int


class LostLives(Struct, kw_only=True):
    """What the kernel had no room to tell."""

    lives: Annotated[int, Meta(description="Lives of which not even the name is known.")]
    cpu_s: Annotated[float, Meta(description="Their CPU time.")]
    execs: Annotated[
        int, Meta(description="Program changes: the command line of some short lives is not known.")
    ]
    finals: Annotated[int, Meta(description="Lives whose last CPU time is missing.")]


class Exits(Struct, kw_only=True):
    from_ms: int
    to_ms: int
    exits: Annotated[list[Exit], Meta(description="Newest first.")]
    next: Annotated[str | None, Meta(description="For `after`, to go on; null: there are no more.")]
    groups: Annotated[
        list[ExitGroup], Meta(description="Of the whole tens of seconds that the range touches.")
    ]
    lost: LostLives


class OomKill(Struct, kw_only=True):
    """A process killed by the OOM killer."""

    at_ms: int
    boot_id: str
    pid: int
    start_ns: Annotated[StartNs, Meta(description="Null: which life it was is not known.")] | None
    name: str
    uid: int
    user: str
    cmdline: str
    unit: str
    container: str
    pod: str
    slice: Annotated[str, Meta(description="From the command line on: empty where the life is not known.")]
    constraint: Annotated[
        str,
        Meta(
            description=(
                "``none``: the machine was out of memory; ``memcg``: a cgroup was at its limit; "
                "``cpuset`` or ``memory_policy``: some memory nodes were full; empty: the kernel did "
                "not say."
            )
        ),
    ]
    memcg: Annotated[str, Meta(description="The cgroup whose limit was reached.")]
    task_memcg: Annotated[str, Meta(description="The victim's cgroup.")]
    trigger: Annotated[
        str,
        Meta(
            description=(
                "Name of the process whose wish for memory could not be met; empty: the kernel did not say."
            )
        ),
    ]
    rss: Annotated[int, Meta(description="What the victim held.")]
    text: Annotated[str, Meta(description="The kernel's own words.")]


class OomKills(Struct, kw_only=True):
    from_ms: int
    to_ms: int
    kills: Annotated[list[OomKill], Meta(description="Newest first.")]
    more: Annotated[bool, Meta(description="Whether the range has older ones than `limit` let through.")]
