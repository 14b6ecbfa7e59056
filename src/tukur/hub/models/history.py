"""Time series, rankings and comparisons over a range, search of lives."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from tukur.hub.models.process import StartNs


class Figure(Struct, kw_only=True):
    """One figure over time; the three lists are as long as ``t_ms``; null: not known."""

    low: list[float | None]
    mean: list[float | None]
    high: list[float | None]


class Gap(Struct, kw_only=True):
    from_ms: int
    to_ms: int


class Series(Struct, kw_only=True):
    from_ms: int
    to_ms: int
    step_ms: Annotated[int, Meta(description="Duration covered by each point, from its time on.")]
    t_ms: list[int]
    figures: Annotated[
        dict[str, Figure],
        Meta(
            description=(
                "By name: cpu, cpu_user, cpu_system, cpu_iowait, cpu_steal, mem_used, mem_available, "
                "mem_cached, mem_free, swap_used, load1, psi_cpu, psi_memory, psi_io, disk_read, "
                "disk_write, net_rx, net_tx, processes, mem_total, mem_arc."
            )
        ),
    ]
    gaps: Annotated[
        list[Gap], Meta(description="Periods of more than 2.5 seconds without a sample; `/gaps` says why.")
    ]


class DeviceFigure(Struct, kw_only=True):
    """One figure of a device over time; the lists are as long as ``t_ms``; null: not known."""

    mean: list[float | None]
    high: Annotated[list[float | None], Meta(description="Its highest second.")]


class DeviceSeries(Struct, kw_only=True):
    """One disk or network interface."""

    kind: Literal["disk", "net"]
    name: str
    read: Annotated[DeviceFigure, Meta(description="Bytes per second read, or received.")]
    write: Annotated[DeviceFigure, Meta(description="Bytes per second written, or sent.")]
    busy: Annotated[
        DeviceFigure | None,
        Meta(description="Share of the time in which a disk had something to do; null: an interface."),
    ]
    read_mean: Annotated[float | None, Meta(description="Over the whole range; likewise the next.")]
    write_mean: float | None


class Devices(Struct, kw_only=True):
    from_ms: int
    to_ms: int
    step_ms: Annotated[int, Meta(description="Duration covered by each point, from its time on.")]
    t_ms: list[int]
    devices: Annotated[list[DeviceSeries], Meta(description="Those with the most traffic first.")]
    more: Annotated[int, Meta(description="How many devices were left out: `limit` is the most.")]


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
    rss_peak: Annotated[int | None, Meta(description="The highest RSS within the range. Null: unknown.")]
    read_bytes: int
    write_bytes: int
    first_ms: int
    last_ms: Annotated[
        int, Meta(description="First and last time that the life was seen, also outside the range.")
    ]
    ended: bool
    exit_code: int | None = None
    exit_signal: int | None = None
    cause: str = ""


class TopGroup(Struct, kw_only=True):
    """Totals of all lives of one name, user, unit, container, pod or slice within a range."""

    name: Annotated[str, Meta(description="Empty: lives without one.")]
    lives: Annotated[
        int,
        Meta(
            description=(
                "Number of lives; in ranges over ten minutes only those that were active or alive at the "
                "range's edges."
            )
        ),
    ]
    cpu_s: Annotated[float, Meta(description="Their CPU time within the range, seconds.")]
    rss_peak: Annotated[
        int | None,
        Meta(
            description=(
                "Maximum of any one of them. Not a sum, since the peaks are at different times. Null: "
                "unknown."
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
        Meta(description=("1000: from one-second samples; 60000: whole minutes, with seconds at the edges.")),
    ]
    group: Literal["process", "name", "user", "unit", "container", "pod", "slice"]
    processes: Annotated[list[Top], Meta(description="If `group` is `process`.")]
    groups: Annotated[list[TopGroup], Meta(description="For any other `group`.")]


class FleetTop(Struct, kw_only=True):
    """One process of one host."""

    host_id: str
    host: str
    process: Top


class FleetTopList(Struct, kw_only=True):
    from_ms: int
    to_ms: Annotated[int, Meta(description="The range, widened to whole minutes.")]
    processes: list[FleetTop]


class Changed(Struct, kw_only=True):
    """One process at two times."""

    pid: int
    start_ns: StartNs
    boot_id: str
    name: str
    cmdline: str
    user: str
    unit: str
    change: Literal["appeared", "gone", "stayed"]
    cpu_s: Annotated[float, Meta(description="CPU time between the two samples.")]
    rss: Annotated[
        int, Meta(description="RSS in the second sample, or in the first if the process has ended.")
    ]
    rss_growth: int
    read_bytes: int
    write_bytes: int


class Difference(Struct, kw_only=True):
    from_ms: Annotated[int, Meta(description="Times of the two samples compared, the nearest ones.")]
    to_ms: int
    appeared: int
    gone: int
    stayed: int
    processes: Annotated[
        list[Changed], Meta(description="Those with the largest change, by the requested sort key.")
    ]


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
    since_ms: Annotated[int, Meta(description="When it began to run this program.")]
    last_ms: Annotated[int | None, Meta(description="When the life ended; null: not known to have ended.")]
    ended: bool
    exit_code: int | None
    exit_signal: int | None
    cause: str
    exact: Annotated[
        bool, Meta(description="Whether the kernel reported the exit; then `cpu_s` and `rss_peak` are final.")
    ]
    cpu_s: Annotated[
        float | None,
        Meta(
            description=(
                "Of the whole life, once it has ended; a lower bound unless ``exact``. Null: it lives, or "
                "unknown. Likewise `rss_peak`."
            )
        ),
    ]
    rss_peak: int | None


class Lives(Struct, kw_only=True):
    lives: Annotated[list[Life], Meta(description="Newest first.")]
    next: Annotated[str | None, Meta(description="For `after`; null: no more.")]
