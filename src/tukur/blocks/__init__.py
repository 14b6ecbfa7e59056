"""The unit of recording: up to 60 consecutive snapshots of one host as compressed columns."""

from tukur.blocks.builder import BlockBuilder, Encoded
from tukur.blocks.container import BlockDamagedError
from tukur.blocks.layout import MAX_SAMPLES
from tukur.blocks.merge import merge_blocks
from tukur.blocks.reader import (
    TOTALS,
    HostPoint,
    Table,
    decode_devices,
    decode_host,
    decode_host_samples,
    decode_samples,
    decode_table,
    decode_totals,
)
from tukur.blocks.rollup import DeviceRollup, DeviceSum, HostRollup

__all__ = [
    "MAX_SAMPLES",
    "TOTALS",
    "BlockBuilder",
    "BlockDamagedError",
    "DeviceRollup",
    "DeviceSum",
    "Encoded",
    "HostPoint",
    "HostRollup",
    "Table",
    "decode_devices",
    "decode_host",
    "decode_host_samples",
    "decode_samples",
    "decode_table",
    "decode_totals",
    "merge_blocks",
]
