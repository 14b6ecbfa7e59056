"""Figures over time, rankings and comparisons over a range, lives found by what they ran."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from tukur.hub.models.process import StartNs


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
    step_ms: Annotated[int, Meta(description="Each point covers this long, from its time on.")]
    t_ms: list[int]
    figures: Annotated[
        dict[str, Figure],
        Meta(
            description=(
                "By name: cpu, cpu_user, cpu_system, cpu_iowait, cpu_steal, mem_used, mem_available, "
                "mem_cached, mem_free, swap_used, load1, psi_cpu, psi_memory, psi_io, disk_read, "
                "disk_write, net_rx, net_tx, processes, mem_total."
            )
        ),
    ]
    gaps: Annotated[list[Gap], Meta(description="Stretches of more than three seconds with no sample.")]


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
    cpu_s: Annotated[float, Meta(description="CPU time within the range, seconds.")]
    rss_peak: int
    read_bytes: int
    write_bytes: int
    first_ms: int
    last_ms: Annotated[int, Meta(description="When the life was first and last seen, over all time.")]
    ended: bool
    exit_code: int | None = None
    exit_signal: int | None = None
    cause: str = ""


class TopGroup(Struct, kw_only=True):
    """What the lives of one name, user, unit, container, pod or slice did within a range together."""

    name: Annotated[str, Meta(description="Empty: those that are in none.")]
    lives: Annotated[
        int,
        Meta(
            description=(
                "How many were seen; beyond ten minutes those that did something, or lived at the "
                "range's edges."
            )
        ),
    ]
    cpu_s: Annotated[float, Meta(description="Their CPU time within the range, seconds.")]
    rss_peak: Annotated[
        int,
        Meta(
            description=(
                "The most that any one of them held. Not a sum: peaks at different times add up to "
                "nothing that was."
            )
        ),
    ]
    read_bytes: int
    write_bytes: int


class TopList(Struct, kw_only=True):
    from_ms: int
    to_ms: int
    resolution_ms: Annotated[
        int,
        Meta(
            description=(
                "1000: from the one-second record; 60000: whole minutes in the middle, seconds at the edges."
            )
        ),
    ]
    group: Literal["process", "name", "user", "unit", "container", "pod", "slice"]
    processes: Annotated[list[Top], Meta(description="Where the group is `process`.")]
    groups: Annotated[list[TopGroup], Meta(description="Of any other group.")]


class FleetTop(Struct, kw_only=True):
    """One process, or a group, of one host."""

    host_id: str
    host: str
    process: Top


class FleetTopList(Struct, kw_only=True):
    from_ms: int
    to_ms: Annotated[int, Meta(description="The range, widened to whole minutes.")]
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
    cpu_s: Annotated[
        float, Meta(description="CPU time between the two instants, as far as both samples tell.")
    ]
    rss: Annotated[
        int, Meta(description="RSS at the second instant, or at the first where it is gone by then.")
    ]
    rss_growth: int
    read_bytes: int
    write_bytes: int


class Difference(Struct, kw_only=True):
    from_ms: Annotated[int, Meta(description="The two samples that are compared: the nearest ones.")]
    to_ms: int
    appeared: int
    gone: int
    stayed: int
    processes: Annotated[list[Changed], Meta(description="Those that changed most, by what was asked for.")]


class Life(Struct, kw_only=True):
    """A process life while it ran one program."""

    host_id: str
    host: Annotated[str, Meta(description="Its name.")]
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
    since_ms: Annotated[int, Meta(description="When it began to run this.")]
    last_ms: Annotated[
        int | None, Meta(description="When the life ended; null: it has not, as far as is known.")
    ]
    ended: bool
    exit_code: int | None
    exit_signal: int | None
    cause: str
    cpu_s: Annotated[
        float | None, Meta(description="Of the whole life, once it has ended; likewise the next.")
    ]
    rss_peak: int | None


class Lives(Struct, kw_only=True):
    lives: Annotated[list[Life], Meta(description="Newest first.")]
    next: Annotated[str | None, Meta(description="`after` of the request that goes on; null: that was all.")]
