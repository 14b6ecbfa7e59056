"""The reader's side of a BPF ring buffer, through mapped memory.

libbpf calls back for each event, which from Python costs more than all that is done with the event.
"""

import errno
import mmap
import threading

import numpy as np

_BUSY, _LENGTH = 1 << 31, (1 << 30) - 1
"""Of an event's header: BPF_RINGBUF_BUSY_BIT, and its bytes without the header."""
_HEADER = 8


class Ring:
    """Empties one ring; it has no other reader."""

    def __init__(self, fd: int, size: int) -> None:
        """`fd`: of a map of type BPF_MAP_TYPE_RINGBUF with `size` bytes. Raises OSError."""
        page = mmap.PAGESIZE
        self._size = size
        self._position_map = mmap.mmap(fd, page)
        # The producer's page, then the bytes: once, as what is mapped is resident at once. (The kernel would
        # map them twice, so that what goes over the end is in one piece.)
        self._data_map = mmap.mmap(fd, page + size, prot=mmap.PROT_READ, offset=page)
        self._views: list[memoryview] = []
        self._consumer = self._view(memoryview(self._position_map).cast("Q"))
        whole = self._view(memoryview(self._data_map))
        self._producer = self._view(whole[:8].cast("Q"))
        self._bytes = self._view(whole[page:])
        self._words = self._view(self._bytes.cast("I"))
        self._lock = threading.Lock()

    def _view(self, view: memoryview) -> memoryview:
        self._views.append(view)
        return view

    def read(self) -> bytes:
        """All events that are complete, one after the other. Raises OSError where it is closed.

        Their sizes are multiples of 8, as the bpf_ringbuf_output() of their programs gave them.
        """
        if not self._views:
            raise OSError(errno.EBADF, "the ring of events is closed")
        begin, end = self._consumer[0], self._producer[0]
        if begin == end:
            return b""
        self._order_memory()
        headers, position = self._headers(begin, end)
        self._order_memory()
        words = np.frombuffer(self._copy(begin, position), dtype=np.uint64)
        is_event = np.ones(len(words), dtype=bool)
        is_event[headers] = False
        taken = words[is_event].tobytes()
        self._order_memory()
        self._consumer[0] = position
        return taken

    def _copy(self, begin: int, end: int) -> bytes:
        """The bytes between two positions, which may go over the end of the ring."""
        first = begin & (self._size - 1)
        over = max(first + end - begin - self._size, 0)
        return b"".join((self._bytes[first : first + end - begin - over], self._bytes[:over]))

    def _headers(self, begin: int, end: int) -> tuple[list[int], int]:
        """Which 64-bit words from `begin` on are headers of complete events; the position after the last."""
        words, mask, position = self._words, self._size - 1, begin
        headers = []
        while position < end:
            header = words[(position & mask) >> 2]
            # Events are reserved and committed in one call, so that none is discarded.
            if header & _BUSY:
                break
            headers.append((position - begin) >> 3)
            position += ((header & _LENGTH) + _HEADER + 7) & ~7
        return headers, position

    def _order_memory(self) -> None:
        """What comes after sees what the kernel wrote before, and the other way round, on every processor."""
        with self._lock:
            pass

    def close(self) -> None:
        """Unmaps it; may be called twice."""
        while self._views:
            self._views.pop().release()
        self._position_map.close()
        self._data_map.close()
