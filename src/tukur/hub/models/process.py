"""Processes: a row of the table, the table at one time, the details of one life."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from tukur.protocol.messages import Scope
from tukur.records import PROCESS_FIELDS, ProcessField

StartNs = Annotated[str, Meta(pattern=r"^[0-9]{1,20}$")]


_TYPES = {"start_ns": StartNs}


def _type_of(figure: ProcessField) -> Any:
    known: Any = _TYPES.get(figure.name, figure.api)
    return known | None if figure.nullable else known


def _text_of(figure: ProcessField) -> str | None:
    since = "Per second since the previous sample; null: unknown, as in the first sample of an agent's run."
    return f"{figure.text} {since}".strip() if figure.kind == "rate" else figure.text or None


_ProcessFigures: Any = msgspec.defstruct(
    "_ProcessFigures",
    [
        (each.name, Annotated[_type_of(each), Meta(description=_text_of(each))])
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
                "It ended since the previous sample: these are its final figures, and ``rss`` is its peak."
            )
        ),
    ]
    started_ms: int


class SecondSample(Struct):
    """One of the samples of a second."""

    at_ms: int
    boot_id: str
    boot_ns: Annotated[str, Meta(description="Since boot: with `boot_id` it names one sample.")]


class ProcessTable(Struct, kw_only=True):
    asked_ms: int
    at_ms: Annotated[
        int,
        Meta(description="Time of the sample: that of the requested second, else the nearest one."),
    ]
    exact: Annotated[bool, Meta(description="Whether it is the sample of the requested second.")]
    boot_id: str
    boot_ns: Annotated[str | None, Meta(description="When it was taken, since boot; null: now.")]
    samples: Annotated[
        list[SecondSample],
        Meta(
            description=(
                "All samples of that second, the newest last. More than one: the host's clock was set back "
                "and the second passed again; without `boot_ns` the table is that of the last one."
            )
        ),
    ]
    host: dict[str, float | int | list[float] | None] | None
    processes: list[Process]


class Relative(Struct, kw_only=True):
    pid: int
    start_ns: StartNs
    name: str
    cmdline: str


class ProcessSet(Struct, kw_only=True):
    """Processes that one order can target together, as of now."""

    scope: Scope
    of: Annotated[str, Meta(description="The cgroup or unit.")]
    processes: int
    rss: Annotated[int, Meta(description="Sum; shared memory is counted for each process.")]
    names: Annotated[list[str], Meta(description="The most frequent names.")]


class ProcessDetail(Struct, kw_only=True):
    """One process life, from the record and, while it lives, from the agent."""

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
            description=("Whether the kernel reported its exit; then ``last_ms`` and the totals are exact.")
        ),
    ]
    exit_code: int | None
    exit_signal: int | None
    cause: str
    cpu_s: Annotated[
        float | None,
        Meta(
            description=(
                "This and the next three: of the whole life, a lower bound unless ``exact``; null while it "
                "lives, and where unknown."
            )
        ),
    ]
    rss_peak: int | None
    read_bytes: int | None
    write_bytes: int | None
    alive: Annotated[bool | None, Meta(description="Null: the agent is offline or did not answer.")]
    state: str
    parent: Relative | None
    children: list[Relative]
    restart: Annotated[str, Meta(description="What would restart it, as a sentence; empty: nothing known.")]
    protected: Annotated[str, Meta(description="Why a signal would be refused; empty: not protected.")]
    sets: Annotated[
        list[ProcessSet],
        Meta(description=("Sets of processes that an order can target; empty: the agent reported none.")),
    ]
