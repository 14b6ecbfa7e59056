"""What the figures were measured on."""

import os
import platform
from pathlib import Path


def machine() -> dict[str, str | int]:
    """Kernel, Python, CPU model and count, memory."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return {
        "kernel": platform.release(),
        "python": platform.python_version(),
        "cpu": model,
        "cpus": os.cpu_count() or 1,
        "mem_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
    }
