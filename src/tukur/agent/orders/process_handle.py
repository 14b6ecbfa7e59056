"""A process pinned by a pidfd: the handle never refers to another process, whatever happens to the PID."""

import array
import asyncio
import contextlib
import fcntl
import os
import select
import signal
import struct
from pathlib import Path

from tukur.sources.proc import Stat, read_stat, start_tick

_PIDFD_GET_INFO = 0xC040FF0B  # _IOWR(0xFF, 11, struct pidfd_info) of 64 bytes: linux/pidfd.h, from 6.13
_PIDFD_INFO_EXIT = 1 << 3  # from 6.15
_EXIT_CODE_AT = 60  # the last field of version 0: __s32 exit_code


class ProcessHandle:
    """An open pidfd. Raises ProcessLookupError where the PID is free."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.fd = os.pidfd_open(pid)

    def close(self) -> None:
        """Closes the pidfd."""
        os.close(self.fd)

    def send(self, name: str) -> None:
        """Sends the signal to this process only. Raises ProcessLookupError, PermissionError."""
        signal.pidfd_send_signal(self.fd, signal.Signals[f"SIG{name}"])

    def alive(self) -> bool:
        """Whether it has not ended: until then its PID cannot be reused."""
        # Not select(): it fails from descriptor 1,024 on, and a group can have more processes.
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        return not poll.poll(0)

    def stopped(self) -> bool:
        """Whether it will not fork any more: each of its threads is stopped, or has ended."""
        try:
            threads = [int(entry.name) for entry in Path(f"/proc/{self.pid}/task").iterdir()]
        except FileNotFoundError:
            return True
        stats = [read_stat(thread) for thread in threads]
        return all(stat is None or stat.state in "TtZX" for stat in stats)

    async def exited(self, seconds: float) -> bool:
        """Whether it ends within so many seconds."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        loop.add_reader(self.fd, ended.set)
        try:
            async with asyncio.timeout(seconds):
                await ended.wait()
        except TimeoutError:
            return False
        finally:
            loop.remove_reader(self.fd)
        return True

    def wait_status(self) -> int | None:
        """The wait status of the ended process (see os.WIFSIGNALED); None: the kernel does not give it."""
        buffer = array.array("B", struct.pack("<Q", _PIDFD_INFO_EXIT) + bytes(56))
        with contextlib.suppress(OSError):
            fcntl.ioctl(self.fd, _PIDFD_GET_INFO, buffer)
            (mask,) = struct.unpack_from("<Q", buffer)
            if mask & _PIDFD_INFO_EXIT:
                return int(struct.unpack_from("<i", buffer, _EXIT_CODE_AT)[0])
        # Before 6.15, and until its parent reaps it, a zombie's stat still has the code.
        stat = read_stat(self.pid)
        if stat is not None and stat.ended and stat.exit_code is not None:
            return stat.exit_code
        return None


def same_start(start_ns: int, stat: Stat) -> bool:
    """Whether a start by the machine's clock is the one that /proc gives in clock ticks."""
    return start_tick(start_ns) == stat.start_ticks
