"""`collect` in a virtual machine, where the kernel modules can be loaded: shares of psutil there, not times.

The machine is emulated, so that every figure is many times what hardware would give.
"""

import sys
import tempfile
from pathlib import Path

from bench._load import compile_load
from bench._report import Row, decode
from bench._size import Size
from tests.kernel.vm import machine, whole
from tests.kernel.vm.machine import Kernel

SCRIPT = f"""
{whole.ENVIRONMENT} TUKUR_BENCH_LOAD=/bin/load
cd {machine.ROOT}
insmod /tukur_ram.ko && insmod /tukur_cpu.ko || exit 1
{sys.executable} -m bench collect SIZE > /out/rows
"""


def run(size: Size) -> list[Row]:
    """The rows of each kernel that has headers here."""
    if why := "an emulated machine takes minutes" if size is not Size.FULL else whole.missing():
        return [{"subject": "module", "skipped": why}]
    return [row for kernel in machine.kernels() for row in _measured(kernel)]


def _measured(kernel: Kernel) -> list[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "module"
        machine.build_modules(kernel.build, folder)
        modules = {f"{module}.ko": folder / f"{module}.ko" for module in ("tukur_ram", "tukur_cpu")}
        done = machine.boot(
            kernel,
            {**modules, "bin/load": compile_load(Path(name))},
            SCRIPT.replace("SIZE", "--quick"),
            timeout=1200,
            memory="3G",
            beneath=[whole.python_archive()],
        )
    return rows_of(done.text("rows"), kernel, done.text("log"))


def rows_of(printed: str, kernel: Kernel, log: str) -> list[Row]:
    """What the benchmark printed in the machine."""
    if not printed:
        return [{"subject": "module", "kernel": kernel.release, "skipped": log[-300:]}]
    return [{**row, "kernel": kernel.release} for row in decode(printed.splitlines()[-1]).results]
