"""A ring emptied through mapped memory: a file stands for what the kernel maps."""

import mmap
import os
import struct
from collections.abc import Iterator

import pytest

from tukur.sources.bpf.ring import Ring

SIZE = mmap.PAGESIZE
BUSY = 1 << 31


class Producer:
    """Writes as the kernel does: positions that only grow, each event behind its header."""

    def __init__(self) -> None:
        self.fd = os.memfd_create("ring")
        os.ftruncate(self.fd, 2 * mmap.PAGESIZE + SIZE)
        self.position = 0

    def write(self, event: bytes, flags: int = 0) -> None:
        for at, byte in enumerate(struct.pack("=II", len(event) | flags, 7) + event):
            os.pwrite(self.fd, bytes([byte]), 2 * mmap.PAGESIZE + (self.position + at) % SIZE)
        self.position += 8 + len(event)
        os.pwrite(self.fd, struct.pack("=Q", self.position), mmap.PAGESIZE)

    def finish(self, at: int, length: int) -> None:
        os.pwrite(self.fd, struct.pack("=I", length), 2 * mmap.PAGESIZE + at)

    def read_up_to(self) -> int:
        return int(struct.unpack("=Q", os.pread(self.fd, 8, 0))[0])


@pytest.fixture
def producer() -> Iterator[Producer]:
    made = Producer()
    yield made
    os.close(made.fd)


def test_events_are_read_once_in_their_order_and_their_room_is_given_back(producer: Producer) -> None:
    ring = Ring(producer.fd, SIZE)
    assert ring.read() == b""
    producer.write(b"A" * 8)
    producer.write(b"B" * 24)
    assert ring.read() == b"A" * 8 + b"B" * 24
    assert producer.read_up_to() == producer.position
    assert ring.read() == b""
    ring.close()


def test_events_that_go_over_the_end_of_the_ring_are_whole(producer: Producer) -> None:
    ring = Ring(producer.fd, SIZE)
    for number in range(100):
        event = bytes([number]) * (8 * (1 + number % 40))
        producer.write(event)
        assert ring.read() == event
    assert producer.position > 3 * SIZE
    ring.close()


def test_an_event_that_is_being_written_is_left_for_the_next_reading_with_all_after_it(
    producer: Producer,
) -> None:
    ring = Ring(producer.fd, SIZE)
    producer.write(b"A" * 8)
    busy_at = producer.position
    producer.write(b"B" * 8, BUSY)
    producer.write(b"C" * 8)
    assert ring.read() == b"A" * 8
    assert producer.read_up_to() == busy_at
    producer.finish(busy_at, 8)
    assert ring.read() == b"B" * 8 + b"C" * 8
    ring.close()


def test_a_closed_ring_is_an_error_and_may_be_closed_again(producer: Producer) -> None:
    ring = Ring(producer.fd, SIZE)
    ring.close()
    ring.close()
    with pytest.raises(OSError, match="closed"):
        ring.read()
