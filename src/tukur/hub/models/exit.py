"""How lives ended, and which processes the OOM killer killed."""

from typing import Annotated

from msgspec import Meta, Struct

from tukur.hub.models.process import StartNs


class Exit(Struct, kw_only=True):
    """A life that has ended."""

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
    ended_ms: Annotated[
        int, Meta(description="Time of exit if ``exact``, else of the last sample that had it.")
    ]
    exact: Annotated[
        bool, Meta(description="Whether the kernel reported the exit; then the figures are final.")
    ]
    exit_code: int | None
    exit_signal: Annotated[int | None, Meta(description="Either this or `exit_code` is set, if known.")]
    cause: Annotated[str, Meta(description="``oom``: killed by the OOM killer.")]
    cpu_s: Annotated[
        float | None,
        Meta(
            description=(
                "This and the next three: of the whole life if ``exact``, else what the record last knew of "
                "it, which is a lower bound. Null: unknown."
            )
        ),
    ]
    rss_peak: int | None
    read_bytes: int | None
    write_bytes: int | None


class ExitGroup(Struct, kw_only=True):
    """Short lives of one name and parent, aggregated because there were too many."""

    ppid: int
    parent_start_ns: StartNs
    parent_name: str
    name: Annotated[
        str, Meta(description=("Empty: unobserved children, accounted from their parent's counters."))
    ]
    uid: int
    lives: Annotated[int | None, Meta(description="Null: unknown.")]
    cpu_s: float
    rss_peak: Annotated[int | None, Meta(description="The highest of any one of them. Null: unknown.")]
    read_bytes: int
    write_bytes: int


class LostLives(Struct, kw_only=True):
    """Events lost because the kernel's buffer was full."""

    lives: Annotated[int, Meta(description="Lives whose name is not known either.")]
    cpu_s: Annotated[float, Meta(description="Their CPU time.")]
    execs: Annotated[int, Meta(description="Lost execs: the command line of some short lives is not known.")]
    finals: Annotated[int, Meta(description="Lives whose last CPU time is missing.")]


class Exits(Struct, kw_only=True):
    from_ms: int
    to_ms: int
    exits: Annotated[list[Exit], Meta(description="Newest first.")]
    next: Annotated[str | None, Meta(description="For `after`; null: no more.")]
    groups: Annotated[
        list[ExitGroup], Meta(description="For the range, widened to multiples of ten seconds.")
    ]
    lost: LostLives


class OomKill(Struct, kw_only=True):
    """A process killed by the OOM killer."""

    at_ms: int
    boot_id: str
    pid: int
    start_ns: Annotated[StartNs, Meta(description="Null: the life is not known.")] | None
    name: str
    uid: int
    user: str
    cmdline: str
    unit: str
    container: str
    pod: str
    slice: Annotated[
        str, Meta(description="This and the fields from `cmdline` on are empty if the life is not known.")
    ]
    constraint: Annotated[
        str,
        Meta(
            description=(
                "``none``: the machine was out of memory; ``memcg``: a cgroup was at its limit; "
                "``cpuset`` or ``memory_policy``: some memory nodes were full; empty: not known."
            )
        ),
    ]
    memcg: Annotated[str, Meta(description="The cgroup whose limit was reached.")]
    task_memcg: Annotated[str, Meta(description="The victim's cgroup.")]
    trigger: Annotated[
        str,
        Meta(description=("Name of the process whose allocation failed; empty: not known.")),
    ]
    rss: Annotated[int, Meta(description="RSS of the victim.")]
    text: Annotated[str, Meta(description="The kernel's message.")]


class OomKills(Struct, kw_only=True):
    from_ms: int
    to_ms: int
    kills: Annotated[list[OomKill], Meta(description="Newest first.")]
    more: Annotated[bool, Meta(description="Whether `limit` cut off older ones.")]
