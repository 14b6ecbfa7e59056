"""`collect` in a virtual machine, where the kernel modules can be loaded: shares of psutil there, not times.

The machine is emulated, so that every figure is many times what hardware would give.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench._load import compile_load
from tests.kernel.vm import machine, whole
from tests.kernel.vm.machine import Kernel

SCRIPT = f"""
export PATH=/bin:/usr/bin:/usr/sbin OPENBLAS_NUM_THREADS=1 TUKUR_BENCH_LOAD=/bin/load
cd {machine.ROOT}
insmod /tukur_ram.ko && insmod /tukur_cpu.ko || exit 1
{sys.executable} -m bench collect --quick > /out/rows
"""


def run(quick: bool) -> list[dict[str, Any]]:
    """The rows of each kernel that has headers here."""
    if why := "an emulated machine takes minutes" if quick else whole.missing():
        return [{"subject": "module", "skipped": why}]
    return [row for kernel in machine.kernels() for row in _measured(kernel)]


def _measured(kernel: Kernel) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "module"
        machine.build_modules(kernel.build, folder)
        modules = {f"{module}.ko": folder / f"{module}.ko" for module in ("tukur_ram", "tukur_cpu")}
        done = machine.boot(
            kernel,
            {**modules, "bin/load": compile_load(Path(name))},
            SCRIPT,
            timeout=1200,
            memory="3G",
            beneath=[whole.python_archive()],
        )
    if not done.text("rows"):
        return [{"subject": "module", "kernel": kernel.release, "skipped": done.text("log")[-300:]}]
    rows: list[dict[str, Any]] = json.loads(done.text("rows").splitlines()[-1])["results"]
    return [{**row, "kernel": kernel.release} for row in rows]
