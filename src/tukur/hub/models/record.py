"""The record: its gaps, its size, and how far back each resolution reaches."""

from typing import Annotated, Literal

from msgspec import Meta, Struct


class RecordGap(Struct, kw_only=True):
    """A period of more than 2.5 seconds without a sample: a single missed one is no gap."""

    from_ms: Annotated[
        int,
        Meta(
            description=(
                "The last sample before the gap; of samples that were taken and discarded, the first of them."
            )
        ),
    ]
    to_ms: Annotated[
        int,
        Meta(
            description=(
                "The first sample after the gap; of samples that were taken and discarded, the last of them."
            )
        ),
    ]
    boot_id: Annotated[str | None, Meta(description="Null: not within one boot.")]
    reason: Annotated[
        str,
        Meta(
            description=(
                "``spool_full`` or ``spool_age``: the agent's spool was full, or too old, while the hub was"
                " unreachable; ``disk_full`` or ``disk_fault``: its disk was full or failed; ``damaged``: its"
                " spool was corrupted; ``not_recorded``: no agent was running, or the machine was off; "
                "``not_sampled``: the agent was running and took no samples: it was stopped or had no "
                "CPU, its readings failed, or the machine was suspended; ``clock_set``: the host's clock was "
                "set forward, or its virtual machine was paused, and no sample is missing by its own clock."
            )
        ),
    ]
    blocks: Annotated[int | None, Meta(description="Number of discarded blocks; null: not known.")]
    samples: int | None


class RecordGaps(Struct, kw_only=True):
    from_ms: int
    to_ms: int
    gaps: Annotated[list[RecordGap], Meta(description="Oldest first.")]
    more: Annotated[bool, Meta(description="Whether `limit` cut off later ones.")]
    spooled: Annotated[
        int,
        Meta(
            description=("Blocks waiting in the agent's spool: they may still fill some `not_recorded` gaps.")
        ),
    ]


class StoreLevel(Struct, kw_only=True):
    """One resolution of the record."""

    name: Literal["seconds", "minutes", "hours"]
    keep_ms: Annotated[int, Meta(description="Retention, milliseconds.")]
    oldest_ms: Annotated[int | None, Meta(description="Its oldest data; null: nothing is recorded.")]


class StoreUsage(Struct, kw_only=True):
    used_bytes: int
    room_bytes: Annotated[
        int | None,
        Meta(
            description=(
                "How much it may still grow: up to the free disk space or `max_bytes`; null: not known."
            )
        ),
    ]
    max_bytes: Annotated[
        int | None,
        Meta(description="The configured limit, above which the oldest data is deleted; null: none."),
    ]
    levels: list[StoreLevel]
    known: Annotated[bool, Meta(description="Whether enough is recorded for a forecast.")]
    bytes_per_day: float | None
    settles_at_bytes: Annotated[
        int | None, Meta(description="Its size once each resolution has reached its retention.")
    ]
    full_in_days: Annotated[
        float | None,
        Meta(description="When `room_bytes` is used up; null: never at the present growth, or not known."),
    ]
