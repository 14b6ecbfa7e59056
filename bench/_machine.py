"""What the figures were measured on."""

import os
import platform
from pathlib import Path

import msgspec


class Machine(msgspec.Struct):
    """Kernel, Python, processors and memory of the machine that was measured on."""

    kernel: str
    python: str
    cpu: str
    cpus: int
    mem_mib: int


def machine() -> Machine:
    """This one."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return Machine(
        kernel=platform.release(),
        python=platform.python_version(),
        cpu=model,
        cpus=os.cpu_count() or 1,
        mem_mib=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
    )
