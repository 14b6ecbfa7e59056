"""Compiles every ``native/bpf/*.bpf.c`` into ``src/tukur/sources/``.

``ziglang`` from PyPI is the compiler, so that a build needs none of the system's. Also a command:
``python -m build_tools.ebpf``.
"""

import subprocess
import sys
from pathlib import Path

FLAGS = (
    "-target",
    "bpfel-freestanding-none" if sys.byteorder == "little" else "bpfeb-freestanding-none",
    "-O2",
    # The types go into the object, which libbpf needs to find each field in the running kernel.
    "-g",
    "-fno-asynchronous-unwind-tables",
    # No path of the building machine in the object: two builds of one checkout are the same bytes.
    "-fdebug-compilation-dir=.",
    "-Wall",
    "-Wextra",
    "-Werror",
)


class CompileError(Exception):
    """The compiler refused a program; its own text is the message."""


def compile_all(root: Path) -> list[Path]:
    """The objects, made anew where a source or header is newer; `root` is the checkout.

    Raises CompileError, also where there is no program or no compiler.
    """
    folder = root / "native" / "bpf"
    programs = sorted(folder.glob("*.bpf.c"))
    if not programs:
        raise CompileError(f"no *.bpf.c in {folder}")
    headers = [*folder.glob("*.h"), *(root / "native" / "include").glob("*.h"), Path(__file__)]
    newest_header = max(path.stat().st_mtime for path in headers)
    target = root / "src" / "tukur" / "sources"
    return [_compile(program, target, newest_header) for program in programs]


def _compile(program: Path, target: Path, newest_header: float) -> Path:
    made = target / (program.name.removesuffix(".c") + ".o")
    newest = max(program.stat().st_mtime, newest_header)
    if made.is_file() and made.stat().st_mtime > newest:
        return made
    # Under another name first: a build that is cut off leaves no half object.
    partial = made.with_suffix(".part.o")
    command = [sys.executable, "-m", "ziglang", "cc", *FLAGS, "-c", program.name, "-o", str(partial)]
    done = subprocess.run(command, cwd=program.parent, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        partial.unlink(missing_ok=True)
        raise CompileError(f"{program.name} does not compile:\n{done.stderr.strip()}")
    partial.replace(made)
    return made


def main() -> int:
    """Compiles for the checkout that this file is in; the exit code."""
    try:
        for made in compile_all(Path(__file__).resolve().parent.parent):
            print(made)
    except CompileError as error:
        print(f"build_tools.ebpf: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
