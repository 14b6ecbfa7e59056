"""What the record holds: its gaps, its size, how far back each level reaches."""

from typing import Annotated, Literal

from msgspec import Meta, Struct


class RecordGap(Struct, kw_only=True):
    """A stretch of which the record has no samples."""

    from_ms: Annotated[
        int,
        Meta(description=("The first sample that was given up; of `not_recorded` the last one before it.")),
    ]
    to_ms: Annotated[
        int,
        Meta(description=("The last sample that was given up; of `not_recorded` the first one after it.")),
    ]
    boot_id: Annotated[str | None, Meta(description="Null: not one boot's.")]
    reason: Annotated[
        str,
        Meta(
            description=(
                "``spool_full`` or ``spool_age``: the agent had no more room for it while the hub was"
                " away; ``disk_full`` or ``disk_fault``: its disk took nothing; ``damaged``: its disk"
                " changed it; ``not_recorded``: no agent was running, or the machine was off or "
                "suspended."
            )
        ),
    ]
    blocks: Annotated[int | None, Meta(description="How many blocks were given up; null: not known.")]
    samples: int | None


class RecordGaps(Struct, kw_only=True):
    from_ms: int
    to_ms: int
    gaps: Annotated[list[RecordGap], Meta(description="Oldest first.")]
    more: Annotated[bool, Meta(description="Whether the range has later ones than `limit` let through.")]
    spooled: Annotated[
        int,
        Meta(
            description=(
                "Blocks that still wait at the agent: with these some of what is `not_recorded` now "
                "may yet come."
            )
        ),
    ]


class StoreLevel(Struct, kw_only=True):
    """One level of the record."""

    name: Literal["seconds", "minutes", "hours"]
    keep_ms: Annotated[int, Meta(description="How long it is kept, milliseconds.")]
    oldest_ms: Annotated[int | None, Meta(description="How far back it reaches; null: nothing is recorded.")]


class StoreUsage(Struct, kw_only=True):
    used_bytes: int
    room_bytes: Annotated[
        int | None,
        Meta(
            description=(
                "What it may still grow by, the disk's free space or up to its bound; null: not known."
            )
        ),
    ]
    max_bytes: Annotated[
        int | None, Meta(description="The bound that was set, past which the oldest goes; null: none.")
    ]
    levels: list[StoreLevel]
    known: Annotated[bool, Meta(description="Whether enough is recorded to tell how it grows.")]
    bytes_per_day: float | None
    settles_at_bytes: Annotated[
        int | None, Meta(description="Its size once each level is as old as it is kept.")
    ]
    full_in_days: Annotated[
        float | None, Meta(description="When the room is used up; null: never as it grows now, or not known.")
    ]
