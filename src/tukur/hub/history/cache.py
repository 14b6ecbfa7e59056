"""Decoded columns of blocks. A block never changes but by becoming part of a longer one, which ends later."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

from tukur.blocks import BlockDamagedError, HostPoint, decode_devices, decode_host
from tukur.hub.store.record.blocks import BlockRow
from tukur.records import DeviceRates

T = TypeVar("T")

log = logging.getLogger(__name__)

SIZE = 2000
"""Blocks whose host figures are remembered: five and a half hours of one host, some ten MiB."""


class HostPoints:
    """The hosts' figures by block, the most recently used ones in memory."""

    def __init__(self) -> None:
        self._points: OrderedDict[tuple[int, int, int], list[HostPoint]] = OrderedDict()

    async def of(self, blocks: list[BlockRow]) -> list[HostPoint]:
        """All samples of these blocks, in their order; of a damaged one there are none."""
        wanted = {_key(row): self._points.get(_key(row)) for row in blocks}
        missing = [row for row in blocks if wanted[_key(row)] is None]
        if missing:
            decoded = await asyncio.to_thread(lambda: [_decoded(row) for row in missing])
            wanted |= {_key(row): points for row, points in zip(missing, decoded, strict=True)}
        found: list[HostPoint] = []
        for key, points in wanted.items():
            # Another question may have pushed it out meanwhile.
            self._points[key] = points or []
            self._points.move_to_end(key)
            found.extend(points or [])
        while len(self._points) > SIZE:
            self._points.popitem(last=False)
        return found


DevicePoint = tuple[int, list[DeviceRates]]
"""wall_ns of a sample, and what each device did."""


async def device_points(blocks: list[BlockRow]) -> list[DevicePoint]:
    """All samples of these blocks; not remembered, since some machines have hundreds of devices."""

    def decoded() -> list[DevicePoint]:
        return [point for row in blocks for point in _tried(decode_devices, row)]

    return await asyncio.to_thread(decoded)


def _key(row: BlockRow) -> tuple[int, int, int]:
    return row.boot, row.first_ns, row.last_ms


def _decoded(row: BlockRow) -> list[HostPoint]:
    return _tried(decode_host, row)


def _tried(decode: Callable[[bytes, int | None], list[T]], row: BlockRow) -> list[T]:
    try:
        return decode(row.host_columns, row.first_ms)
    except BlockDamagedError as error:
        log.error("the block at %d ns of boot %d is damaged, and left out: %s", row.first_ns, row.boot, error)
        return []
