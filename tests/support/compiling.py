"""Small C programs of the tests' own."""

import shutil
import subprocess
import sys
from pathlib import Path

_FOLDER = Path(__file__).parent


def compiled(source: str, to: Path, *flags: str) -> Path:
    """Compiles a C file of this folder, with gcc or else with what builds the eBPF programs."""
    compiler = ["gcc"] if shutil.which("gcc") else [sys.executable, "-m", "ziglang", "cc"]
    subprocess.run([*compiler, "-O1", *flags, "-o", str(to), str(_FOLDER / source)], check=True)
    return to
