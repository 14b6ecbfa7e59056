"""The memory that a program shares; running programs are in tests/kernel."""

import mmap
import os

import numpy as np
import pytest

from tukur.sources.bpf import programs


def test_mapped_memory_shows_what_is_written_later_and_stays_while_it_is_used() -> None:
    fd = os.memfd_create("rows")
    os.ftruncate(fd, 2 * mmap.PAGESIZE)
    array = np.frombuffer(programs._mapped(fd, mmap.PAGESIZE), "<u8")
    os.pwrite(fd, (7).to_bytes(8, "little"), 8)
    os.close(fd)
    assert array[:3].tolist() == [0, 7, 0]
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1


def test_memory_is_given_back_with_the_last_array_that_uses_it() -> None:
    fd = os.memfd_create("tukur-given-back")
    os.ftruncate(fd, mmap.PAGESIZE)

    def mapped() -> bool:
        with open("/proc/self/maps") as maps:  # noqa: PTH123
            return "tukur-given-back" in maps.read()

    array = np.frombuffer(programs._mapped(fd, mmap.PAGESIZE), "u1")
    part = array[5:]
    del array
    assert mapped()
    del part
    assert not mapped()
    os.close(fd)


def test_memory_that_cannot_be_mapped_is_an_error_with_its_size() -> None:
    with pytest.raises(OSError, match="4096 bytes"):
        programs._mapped(-1, 4096)
