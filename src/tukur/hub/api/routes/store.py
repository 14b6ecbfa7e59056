"""The size of the record, and when its disk will be full."""

from litestar import get
from litestar.di import NamedDependency

from tukur.hub.api.problems import problems
from tukur.hub.container import Hub
from tukur.hub.models.record import StoreLevel, StoreUsage


@get(
    "/api/store",
    operation_id="getStore",
    summary="The size of the record, how far back it reaches, and when the disk will be full",
    tags=["store"],
    responses=problems(401, 403, 503),
)
async def get_store(hub: NamedDependency[Hub]) -> StoreUsage:
    """Growth is measured over the last day or since the record began; before an hour it is unknown."""
    outlook = await hub.keeper.outlook()
    keep, oldest, found = hub.settings.keep, outlook.oldest, outlook.forecast
    levels = [
        StoreLevel(name="seconds", keep_ms=keep.seconds_ms, oldest_ms=oldest.seconds_ms if oldest else None),
        StoreLevel(name="minutes", keep_ms=keep.minutes_ms, oldest_ms=oldest.minutes_ms if oldest else None),
        StoreLevel(name="hours", keep_ms=keep.hours_ms, oldest_ms=oldest.hours_ms if oldest else None),
    ]
    return StoreUsage(
        used_bytes=outlook.used_bytes,
        room_bytes=outlook.room_bytes,
        max_bytes=keep.max_bytes or None,
        levels=levels,
        known=found is not None,
        bytes_per_day=found.bytes_per_day if found else None,
        settles_at_bytes=found.settles_at_bytes if found else None,
        full_in_days=found.full_in_days if found else None,
    )
