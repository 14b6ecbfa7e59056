"""Decoded columns of blocks. Blocks never change, so what was decoded once stays true."""

import asyncio
from collections import OrderedDict

from tukur.blocks import HostPoint, decode_host
from tukur.hub.store.store import BlockRow

SIZE = 2000
"""Blocks whose host figures are remembered: five and a half hours of one host, some ten MiB."""


class HostPoints:
    """The hosts' figures by block, the most recently used ones in memory."""

    def __init__(self) -> None:
        self._points: OrderedDict[tuple[int, int], list[HostPoint]] = OrderedDict()

    async def of(self, blocks: list[BlockRow]) -> list[HostPoint]:
        """All samples of these blocks, in their order. Raises BlockDamagedError."""
        missing = [row for row in blocks if (row.boot, row.first_ns) not in self._points]
        if missing:
            decoded = await asyncio.to_thread(lambda: [decode_host(row.host_columns) for row in missing])
            for row, points in zip(missing, decoded, strict=True):
                self._points[row.boot, row.first_ns] = points
        found: list[HostPoint] = []
        for row in blocks:
            self._points.move_to_end((row.boot, row.first_ns))
            found.extend(self._points[row.boot, row.first_ns])
        while len(self._points) > SIZE:
            self._points.popitem(last=False)
        return found
