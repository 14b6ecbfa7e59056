"""Frames: the process table of one host at one instant, as bytes for a browser.

The live road and the time machine use the same form, so the page has one decoder. A frame is a
MessagePack map:

==========  =========================================================================
``v``       1
``seq``     counts up by one with each frame of one agent's run
``key``     true: ``rows`` and ``images`` hold everything; false: what changed since ``seq - 1``
``wall_ms`` when the sample was taken, milliseconds since the epoch (float)
``boot_id`` which boot of the host
``host``    the fields of ``tukur.records.HostRates``
``count``   processes in the whole table
``rows``    column name to bytes: each field of ``tukur.records.ROW``, little-endian, packed, so
            that a browser makes a typed array of it; rows of one index belong together
``gone``    uint32 PIDs, packed: rows to take away (before ``rows`` is applied)
``images``  column name to list: ``pid``, ``start_ns`` (decimal text: it exceeds 2**53), ``name``,
            ``user``, ``cmdline``, ``exe``, ``unit``, ``container``, ``pod``, ``slice``, ``cgroup``,
            ``kthread``
``devices`` column name to list, of each disk and interface (those with the most traffic): ``kind``
            (``disk``, ``net``), ``name``, and ``read``, ``write``, ``busy`` as in
            ``tukur.records.DeviceRates``, NaN where not known; frames of older agents, and of the
            record, do not have it
==========  =========================================================================

A row is identified by its PID; an image of the same PID with another ``start_ns`` replaces it.
A viewer that misses a ``seq`` asks for a key frame.
"""

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

import msgspec
import numpy as np

from tukur.protocol.errors import UNREADABLE, ProtocolError
from tukur.protocol.messages import Image
from tukur.records import ROW, DeviceRates, HostRates

FRAME_VERSION = 1
IMAGE_COLUMNS = ("name", "user", "cmdline", "exe", "unit", "container", "pod", "slice", "cgroup", "kthread")
"""Columns of ``images`` beside ``pid`` and ``start_ns``: texts, but for ``kthread``, which is a bool."""
DEVICE_COLUMNS = tuple(field.name for field in fields(DeviceRates))
"""Columns of ``devices``: two texts and numbers."""
_encoder = msgspec.msgpack.Encoder()


def encode_frame(
    *,
    seq: int,
    key: bool,
    wall_ns: int,
    boot_id: str,
    host: HostRates | None,
    count: int,
    rows: Any,
    gone: Sequence[int] = (),
    images: Sequence[Image] = (),
    devices: Sequence[DeviceRates] = (),
) -> bytes:
    """One frame as bytes. `rows` is an array of ``records.ROW``; `host` is None where unknown."""
    return _encoder.encode(
        {
            "v": FRAME_VERSION,
            "seq": seq,
            "key": key,
            "wall_ms": wall_ns / 1e6,
            "boot_id": boot_id,
            "host": None if host is None else asdict(host),
            "count": count,
            "rows": {name: np.ascontiguousarray(rows[name]).tobytes() for name in rows.dtype.names},
            "gone": np.asarray(gone, dtype="<u4").tobytes(),
            "images": {
                "pid": [image.pid for image in images],
                "start_ns": [str(image.start_ns) for image in images],
                **{name: [getattr(image, name) for image in images] for name in IMAGE_COLUMNS},
            },
            "devices": {name: [getattr(device, name) for device in devices] for name in DEVICE_COLUMNS},
        }
    )


class _Head(msgspec.Struct):
    key: bool


class Frame(msgspec.Struct, frozen=True):
    """A decoded frame, for the hub and other programs that are not a browser."""

    wall_ms: float
    boot_id: str
    host: dict[str, float | int | list[float] | None] | None
    rows: dict[str, bytes]
    images: dict[str, list[str | int | bool]]
    devices: dict[str, list[str | float]] = {}

    def table(self) -> Any:
        """The rows as an array of ``records.ROW``; a column that an older agent does not send is 0."""
        count = len(self.rows["pid"]) // ROW["pid"].itemsize
        rows: Any = np.zeros(count, dtype=ROW)
        for name in self.rows.keys() & set(ROW.names or ()):
            rows[name] = np.frombuffer(self.rows[name], dtype=ROW[name])
        return rows


_head = msgspec.msgpack.Decoder(_Head)
_frame = msgspec.msgpack.Decoder(Frame)


def is_key(data: bytes) -> bool:
    """Whether it is a key frame; False also for what is no frame."""
    try:
        return _head.decode(data).key
    except UNREADABLE:
        return False


def decode_frame(data: bytes) -> Frame:
    """Raises ProtocolError where it is no frame."""
    try:
        return _frame.decode(data)
    except UNREADABLE as error:
        raise ProtocolError("bad_frame", str(error)) from error
