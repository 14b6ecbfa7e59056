"""Keeps the hub and the agent running as processes of their own, so that one's death is not the other's."""

import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Sequence

log = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1
_STEADY_S = 5.0
"""A child that ran this long started well: the next restart is quick again."""
_DELAY_S = (0.5, 10.0)
"""Before the first restart, and at most."""


def die_with_parent(parent: int) -> None:
    """Asks the kernel for SIGTERM when the parent ends, however it ends."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    # It may have ended before the call.
    if os.getppid() != parent:
        sys.exit(0)


class Child:
    """One supervised ``tukur`` process. `without`: variables of the environment that it does not get."""

    def __init__(self, name: str, arguments: Sequence[str], without: Collection[str] = ()) -> None:
        self.name = name
        self._arguments = [sys.executable, "-m", "tukur", *arguments, "--supervisor", str(os.getpid())]
        self._environment = {key: value for key, value in os.environ.items() if key not in without}
        self._process: subprocess.Popen[bytes] | None = None
        self._began = 0.0
        self._delay = _DELAY_S[0]
        self._due = 0.0

    @property
    def pid(self) -> int:
        """Of the running process; 0: none runs."""
        return self._process.pid if self._process is not None else 0

    def start(self) -> None:
        """Starts it."""
        self._began = time.monotonic()
        # In a session of its own: Ctrl-C reaches the supervisor alone, which stops the rest in order.
        self._process = subprocess.Popen(  # noqa: S603
            self._arguments, env=self._environment, start_new_session=True
        )

    def poll(self) -> int | None:
        """The exit code where it has ended."""
        return self._process.poll() if self._process is not None else None

    def tend(self) -> None:
        """Starts it again where it has ended, with a growing pause where it keeps ending."""
        now = time.monotonic()
        if self._process is not None:
            code = self._process.poll()
            if code is None:
                return
            if now - self._began > _STEADY_S:
                self._delay = _DELAY_S[0]
            how = f"by signal {-code}" if code < 0 else f"with code {code}"
            log.warning("the %s ended %s; it starts again in %.1f s", self.name, how, self._delay)
            self._process = None
            self._due = now + self._delay
            self._delay = min(self._delay * 2, _DELAY_S[1])
        elif now >= self._due:
            self.start()

    def stop(self, seconds: float) -> None:
        """Asks it to end, and ends it after `seconds`."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            log.warning("the %s did not end within %.0f s and is killed", self.name, seconds)
            self._process.kill()
            self._process.wait()
