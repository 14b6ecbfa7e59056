"""How a segment of the spool is written: records of a fixed head and their data.

``docs/reference/spool.md`` describes the format.

No I/O. Changes: a new field takes a new version, and what older versions wrote stays readable.
"""

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from uuid import UUID

from tukur.protocol.messages import Block, Gap

MAGIC = b"TKS1"
HEAD = struct.Struct("<4sBBHI16sQQQQI")
"""magic, version, kind, samples, bytes of data, boot, first_ns, last_ns, first_wall_ns, last_wall_ns, CRC-32
of what comes before. 64 bytes; then the data, then the data's CRC-32."""
CRC = struct.Struct("<I")
ACK = struct.Struct("<QII")
"""Where the record begins in its segment, the CRC-32 of its head, CRC-32 of these two."""

_VERSION = 1
_CHUNK = 65_536

Read = Callable[[int, int], bytes]
"""(position, length) to so many bytes of the segment; fewer at its end."""


class Kind(IntEnum):
    """What a record's data is."""

    BLOCK = 1
    """A block's message, as it is sent."""
    GAP = 2
    """A ``messages.Gap`` as MessagePack."""


@dataclass(frozen=True, slots=True)
class Span:
    """What a record is about: samples of one boot, the first and the last included."""

    boot_id: str
    first_ns: int
    """boot_ns, as last_ns."""
    last_ns: int
    first_wall_ns: int
    last_wall_ns: int
    samples: int


def span_of(message: Block | Gap) -> Span:
    """What a message is about."""
    return Span(
        message.boot_id,
        message.first_ns,
        message.last_ns,
        message.first_wall_ns,
        message.last_wall_ns,
        message.samples,
    )


@dataclass(frozen=True, slots=True)
class Record:
    """A record whose head is intact; its data has not been looked at."""

    at: int
    """Where it begins in its segment, bytes."""
    kind: int
    span: Span
    length: int
    """Of its data, bytes."""
    head_crc: int

    @property
    def end(self) -> int:
        """Where the next one begins."""
        return self.at + HEAD.size + self.length + CRC.size


@dataclass(frozen=True, slots=True)
class Broken:
    """Bytes that are no record: written over, or never written to their end."""

    at: int
    end: int
    torn: bool
    """The writer was interrupted here: nothing that was ever promised."""


def encode(kind: Kind, span: Span, data: bytes) -> bytes:
    """One record."""
    head = HEAD.pack(
        MAGIC,
        _VERSION,
        kind,
        min(span.samples, 2**16 - 1),
        len(data),
        UUID(span.boot_id).bytes,
        span.first_ns,
        span.last_ns,
        span.first_wall_ns,
        span.last_wall_ns,
        0,
    )[: -CRC.size]
    return b"".join((head, CRC.pack(zlib.crc32(head)), data, CRC.pack(zlib.crc32(data))))


def head_crc(record: bytes) -> int:
    """The head's checksum of an encoded record."""
    return int(CRC.unpack_from(record, HEAD.size - CRC.size)[0])


def size_of(length: int) -> int:
    """Bytes of a record with so many bytes of data."""
    return HEAD.size + length + CRC.size


def data_of(record: Record, content: bytes) -> bytes | None:
    """The data of a record of which `content` is all bytes; None: it is damaged."""
    data = content[HEAD.size : HEAD.size + record.length]
    checksum = content[HEAD.size + record.length :]
    if len(checksum) != CRC.size or CRC.unpack(checksum)[0] != zlib.crc32(data):
        return None
    return data


def scan(read: Read, size: int) -> Iterator[Record | Broken]:
    """All that a segment of `size` bytes holds, in order. After damage it goes on at the next intact head."""
    at = 0
    while at < size:
        record = record_at(read, at)
        if record is not None and record.end <= size:
            yield record
            at = record.end
            continue
        resumed = _next_head(read, at + 1, size)
        # A write that was cut off leaves the beginning of a record, or zeros that were never filled.
        torn = resumed is None and (record is not None or size - at < HEAD.size or _all_zero(read, at, size))
        yield Broken(at, size if resumed is None else resumed, torn)
        if resumed is None:
            return
        at = resumed


def record_at(read: Read, at: int) -> Record | None:
    """The record whose head begins there; None: no intact head does."""
    head = read(at, HEAD.size)
    if len(head) < HEAD.size or not head.startswith(MAGIC):
        return None
    _, version, kind, samples, length, boot, first, last, first_wall, last_wall, crc = HEAD.unpack(head)
    if crc != zlib.crc32(head[: -CRC.size]) or version != _VERSION:
        return None
    span = Span(str(UUID(bytes=boot)), first, last, first_wall, last_wall, samples)
    return Record(at, kind, span, length, crc)


def _next_head(read: Read, at: int, size: int) -> int | None:
    while at < size:
        chunk = read(at, _CHUNK)
        found = chunk.find(MAGIC)
        if found < 0:
            # The magic may lie across the end of the chunk.
            at += max(len(chunk) - len(MAGIC) + 1, 1)
            continue
        record = record_at(read, at + found)
        if record is not None and record.end <= size:
            return at + found
        at += found + 1
    return None


def _all_zero(read: Read, at: int, size: int) -> bool:
    while at < size:
        chunk = read(at, _CHUNK)
        if chunk.strip(b"\0"):
            return False
        at += max(len(chunk), 1)
    return True


def encode_ack(at: int, head_crc: int) -> bytes:
    """Says that a record need not be kept: an entry of the file beside its segment."""
    known = ACK.pack(at, head_crc, 0)[: -CRC.size]
    return known + CRC.pack(zlib.crc32(known))


def decode_acks(content: bytes) -> dict[int, int]:
    """Position to the head's CRC-32, of all entries that are intact."""
    found = {}
    for at in range(0, len(content) - ACK.size + 1, ACK.size):
        position, head_crc, crc = ACK.unpack_from(content, at)
        if crc == zlib.crc32(content[at : at + ACK.size - CRC.size]):
            found[position] = head_crc
    return found
