"""What a burst took is given back."""

import subprocess
import sys
import textwrap

import pytest

from tukur import heap

CODE = """
    import ctypes, threading
    from pathlib import Path
    from tukur import heap

    def resident_mib():
        line = next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmRSS" in line)
        return int(line.split()[1]) // 1024

    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, (ctypes.c_void_p,)
    heap.keep_small(1)
    before = resident_mib()
    def burst():
        pieces = [libc.malloc(4000) for _ in range(20_000)]
        for piece in pieces:
            ctypes.memset(piece, 1, 4000)
        # The last one stays, so that the heap cannot shrink at its end.
        for piece in pieces[:-1]:
            libc.free(ctypes.c_void_p(piece))
    worker = threading.Thread(target=burst)
    worker.start()
    worker.join()
    peak = resident_mib()
    heap.give_back()
    print(before, peak, resident_mib())
"""


def test_memory_that_was_freed_between_what_stays_is_given_back() -> None:
    if not heap.keep_small(1):
        pytest.skip("this libc has no malloc_trim()")
    told = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CODE)], capture_output=True, text=True, check=True
    ).stdout
    before, peak, after = map(int, told.split())
    assert peak - before > 60
    assert after - before < 20


def test_without_glibc_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heap, "_libc", lambda: None)
    assert not heap.keep_small(1)
    assert not heap.give_back()
