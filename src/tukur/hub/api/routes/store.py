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
    """Growth is measured over the last day or since the record began; unknown during the first hour."""
    outlook = await hub.maintenance.outlook()
    policy, oldest, forecast = hub.settings.keep, outlook.oldest, outlook.forecast
    levels = [
        StoreLevel(
            name="seconds", keep_ms=policy.seconds_ms, oldest_ms=oldest.seconds_ms if oldest else None
        ),
        StoreLevel(
            name="minutes", keep_ms=policy.minutes_ms, oldest_ms=oldest.minutes_ms if oldest else None
        ),
        StoreLevel(name="hours", keep_ms=policy.hours_ms, oldest_ms=oldest.hours_ms if oldest else None),
    ]
    return StoreUsage(
        used_bytes=outlook.used_bytes,
        room_bytes=outlook.room_bytes,
        max_bytes=policy.max_bytes or None,
        levels=levels,
        known=forecast is not None,
        bytes_per_day=forecast.bytes_per_day if forecast else None,
        settles_at_bytes=forecast.settles_at_bytes if forecast else None,
        full_in_days=forecast.full_in_days if forecast else None,
    )
