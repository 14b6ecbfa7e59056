"""Programs in a time namespace of their own, as in a container that has one."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_ENTER = """
import ctypes, os, sys
if ctypes.CDLL(None, use_errno=True).unshare(0x80):  # CLONE_NEWTIME: for its children
    sys.exit("unshare: " + os.strerror(ctypes.get_errno()))
with open("/proc/self/timens_offsets", "w") as file:
    for clock, ahead_ns in zip(("monotonic", "boottime"), sys.argv[1:3]):
        print(clock, *divmod(int(ahead_ns), 10**9), file=file)
pid = os.fork()
if pid == 0:
    os.execv(sys.executable, [sys.executable, "-c", *sys.argv[3:]])
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def run_in_time_namespace(code: str, *arguments: str, boottime_ns: int, monotonic_ns: int = 0) -> str:
    """What Python code prints whose clocks are ahead by so many nanoseconds."""
    if os.geteuid() != 0 or not Path("/proc/self/ns/time").exists():
        pytest.skip("needs root and a kernel with time namespaces")
    offsets = [str(monotonic_ns), str(boottime_ns)]
    done = subprocess.run(
        [sys.executable, "-c", _ENTER, *offsets, textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
