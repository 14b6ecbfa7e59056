"""The envelope of a payload: magic, header, compressed body, checksum; and columns as byte planes.

Layout, little-endian::

    4 bytes   magic: "TKT1" task columns, "TKH1" host columns
    4 bytes   length of the header
    n bytes   header: MessagePack map
    m bytes   body: one Zstandard frame
    4 bytes   CRC-32 of all that comes before

Columns of 64-bit words are stored as zigzag differences split into byte planes: all lowest bytes
first, then all second bytes, and so on. A plane of zeros only is left out; a bit map
in front says which are present.
"""

import struct
import zlib
from typing import Any, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
import zstandard

Words: TypeAlias = npt.NDArray[np.uint64]

ZSTD_LEVEL = 3
MAX_BODY = 1 << 30
"""Bytes of an unpacked body. More is taken for damage: no block of 60 samples comes near it."""

_COMPRESSOR = zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=False)
_DECOMPRESSOR = zstandard.ZstdDecompressor()
_HEAD = struct.Struct("<4sI")
_CRC = struct.Struct("<I")


class BlockDamagedError(ValueError):
    """The payload is not what was written. The text says what was found."""


def pack(magic: bytes, header: Any, body: bytes) -> bytes:
    """One payload. `header` is a msgspec Struct."""
    head = msgspec.msgpack.encode(header)
    data = b"".join((_HEAD.pack(magic, len(head)), head, _COMPRESSOR.compress(body)))
    return data + _CRC.pack(zlib.crc32(data))


def unpack(magic: bytes, header_type: type[Any], payload: bytes) -> tuple[Any, bytes]:
    """Header and body of a payload. Raises BlockDamagedError."""
    if len(payload) < _HEAD.size + _CRC.size:
        raise BlockDamagedError(f"a payload of {len(payload)} bytes; at least {_HEAD.size + _CRC.size}")
    found, length = _HEAD.unpack_from(payload)
    if found != magic:
        raise BlockDamagedError(f"magic {found!r}; {magic!r} expected")
    (crc,) = _CRC.unpack_from(payload, len(payload) - _CRC.size)
    if zlib.crc32(memoryview(payload)[: -_CRC.size]) != crc:
        raise BlockDamagedError("the checksum does not fit the content")
    start = _HEAD.size + length
    if start > len(payload) - _CRC.size:
        raise BlockDamagedError(f"a header of {length} bytes in a payload of {len(payload)}")
    try:
        header = msgspec.msgpack.decode(payload[_HEAD.size : start], type=header_type)
        frame = memoryview(payload)[start : -_CRC.size]
        if zstandard.frame_content_size(frame) > MAX_BODY:
            raise BlockDamagedError(f"a body of over {MAX_BODY} bytes")
        body = _DECOMPRESSOR.decompress(frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, zstandard.ZstdError) as error:
        raise BlockDamagedError(str(error)) from error
    return header, body


def to_planes(words: Words) -> bytes:
    """Zigzag byte planes of a matrix of differences, shape (rows, columns)."""
    rows, columns = words.shape
    signed = words.view(np.int64)
    zigzag = ((signed << 1) ^ (signed >> 63)).view(np.uint64)
    # Which bits any row uses, column by column: a plane is zero just where this is.
    used = np.bitwise_or.reduce(zigzag, axis=0) if rows else np.zeros(columns, dtype=np.uint64)
    present = used.astype("<u8").view(np.uint8) != 0
    planes = [
        # Plane by plane rather than one transposition: most planes are absent.
        (zigzag[:, plane // 8] >> np.uint64(8 * (plane % 8))).astype(np.uint8).tobytes()
        for plane in np.flatnonzero(present).tolist()
    ]
    return b"".join((np.packbits(present).tobytes(), *planes))


class PlaneReader:
    """Takes matrices and vectors back out of a body, in the order in which they were put in."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._offset = 0

    def words(self, rows: int, columns: int) -> Words:
        """The differences that `to_planes` was given, shape (rows, columns)."""
        present = np.unpackbits(self._take(columns), count=columns * 8).astype(bool)
        zigzag = np.zeros((columns, rows), dtype=np.uint64)
        for plane in np.flatnonzero(present).tolist():
            zigzag[plane // 8] |= self._take(rows).astype(np.uint64) << np.uint64(8 * (plane % 8))
        signed = (zigzag >> np.uint64(1)).view(np.int64) ^ -(zigzag & np.uint64(1)).view(np.int64)
        return np.ascontiguousarray(signed.view(np.uint64).T)

    def vector(self, length: int) -> npt.NDArray[np.int64]:
        """A vector that was put in by :func:`vector_planes`."""
        return np.cumsum(self.words(length, 1).reshape(-1).view(np.int64))

    def _take(self, size: int) -> npt.NDArray[np.uint8]:
        end = self._offset + size
        if size < 0 or end > len(self._body):
            raise BlockDamagedError(f"{len(self._body)} bytes of columns; at least {end} expected")
        taken = np.frombuffer(self._body, dtype=np.uint8, count=size, offset=self._offset)
        self._offset = end
        return taken


def vector_planes(values: npt.NDArray[np.int64]) -> bytes:
    """A vector of integers as planes of its differences."""
    return to_planes(np.diff(values.astype(np.int64), prepend=np.int64(0)).view(np.uint64).reshape(-1, 1))
