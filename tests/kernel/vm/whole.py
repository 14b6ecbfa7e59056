"""A machine with this one's Python and tukur inside, and its compiler where it is wanted.

The files are packed as they lie here, at the same paths, into an archive that the kernel unpacks into memory:
under emulation that is many times faster than a shared file system.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from tests.kernel.vm import machine
from tests.kernel.vm.machine import BUSYBOX, ROOT, Kernel

PYTHON = Path(sys.executable)
BYTECODE = ROOT / ".cache" / "bytecode"
"""Of what is packed, so that it need not be compiled under emulation. $PYTHONPYCACHEPREFIX inside."""
ENVIRONMENT = f"export PATH=/bin:/usr/bin:/usr/sbin OPENBLAS_NUM_THREADS=1 PYTHONPYCACHEPREFIX={BYTECODE}"
"""The line with which a script begins that runs Python inside."""
_LEFT_OUT = frozenset(
    ["test", "tests", "idlelib", "tkinter", "lib2to3", "ensurepip", "turtledemo", "pydoc_data", "web", "f2py"]
)
"""Folders that nothing inside imports."""
_PACKAGES = (
    *("numpy", "numpy.libs", "msgspec", "nacl", "cffi", "stamina", "tenacity", "websockets"),
    *("zstandard", "psutil"),
)
_BUILD_TOOLS = (
    "bash",
    "make",
    "gcc",
    "as",
    "ld",
    "nm",
    "objcopy",
    "ar",
    "kmod",
    "modprobe",
    "rmmod",
    "depmod",
)
_TREE_PARTS = ("Makefile", "Kbuild", "include", "scripts", "arch/x86", "tools")


def missing() -> str:
    """Why there is no such machine; empty: there can be."""
    if PYTHON.resolve().is_relative_to(Path.home()) or not Path("/lib64").is_symlink():
        return "the system's own Python is needed, on a system with a merged /usr"
    return machine.missing()


def has_toolchain(kernel: Kernel) -> bool:
    """Whether the modules can be built inside: its headers are a package's, where such a kernel looks."""
    return kernel.build == Path("/lib/modules") / kernel.release / "build"


@cache
def python_archive() -> bytes:
    """Python, what tukur needs of it, and tukur."""
    site = Path(sysconfig.get_path("purelib"))
    folders = [
        Path(sysconfig.get_path("stdlib")),
        ROOT / "src" / "tukur",
        ROOT / "bench",
        ROOT / "tests" / "kernel",
    ]
    folders += [site / name for name in _PACKAGES]
    files = [path for folder in [*folders, *_compiled(folders)] for path in _walk(folder)]
    files += [PYTHON.parents[1] / "pyvenv.cfg", site / "tukur-checkout.pth", *site.glob("_cffi_backend*")]
    if libbpf := _library("libbpf.so.1"):
        files += _chain(libbpf)
    files += [ROOT / "tests" / "__init__.py"] if (ROOT / "tests" / "__init__.py").exists() else []
    files += _chain(PYTHON)
    return _pack([*files, *_libraries(files)])


def _compiled(folders: Iterable[Path]) -> list[Path]:
    """Where the bytecode of the Python files in these folders is."""
    names = [str(folder) for folder in folders if folder.is_dir()]
    command = [sys.executable, "-m", "compileall", "-q", "-x", "/(tests?|lib2to3)/", *names]
    # What does not compile (files for other versions, meant to be wrong) is not run either.
    subprocess.run(
        command, check=False, capture_output=True, env={**os.environ, "PYTHONPYCACHEPREFIX": str(BYTECODE)}
    )
    return [BYTECODE / name[1:] for name in names]


@cache
def toolchain_archive(kernel: Kernel) -> bytes:
    """What it takes to build the modules for this kernel, and the sources."""
    programs = [Path(found) for name in _BUILD_TOOLS if (found := shutil.which(name))]
    compiler = Path(
        subprocess.run(
            ["gcc", "-print-prog-name=cc1"], check=True, capture_output=True, text=True
        ).stdout.strip()
    )
    files = [link for program in programs for link in _chain(program)]
    files += [compiler, *compiler.parent.glob("collect2"), *compiler.parent.glob("liblto_plugin.so")]
    files += list(_walk(compiler.parent / "include"))
    files += [*_walk(ROOT / "native"), *_walk(Path("/etc/ld.so.conf.d")), Path("/etc/os-release").resolve()]
    modules = Path("/lib/modules").resolve() / kernel.release
    files += [path for path in modules.iterdir() if path.is_symlink() or path.name.startswith("modules.")]
    for link in ("build", "source"):
        if (modules / link).exists():
            tree = (modules / link).resolve()
            files += [path for path in tree.iterdir() if path.is_file() or path.is_symlink()]
            for part in _TREE_PARTS:
                files += list(_walk(tree / part))
    kbuild = [path for path in files if path.is_symlink() and not path.resolve().is_file()]
    files += [path for link in kbuild if "kbuild" in str(link.resolve()) for path in _walk(link.resolve())]
    return _pack([*files, *_libraries(files)])


def _walk(path: Path) -> Iterator[Path]:
    if path.is_symlink() or path.is_file():
        yield path
    elif path.is_dir():
        for folder, names, files in os.walk(path):
            names[:] = [name for name in names if name not in _LEFT_OUT or "site-packages" in name]
            for name in [*files, *(name for name in names if (Path(folder) / name).is_symlink())]:
                if not name.endswith((".a", ".gz", ".o.cmd")):
                    yield Path(folder) / name


def _chain(path: Path) -> list[Path]:
    """The path and all that it leads to, link by link."""
    chain = [path]
    while chain[-1].is_symlink():
        chain.append(chain[-1].parent / chain[-1].readlink())
    return chain


def _library(name: str) -> Path | None:
    cached = subprocess.run(["/sbin/ldconfig", "-p"], check=True, capture_output=True, text=True).stdout
    found = re.search(rf"^\s{re.escape(name)} \(.*x86-64.*\) => (\S+)$", cached, re.MULTILINE)
    return Path(found[1]) if found else None


def _libraries(files: Iterable[Path]) -> list[Path]:
    """The shared libraries that these programs and libraries need, and the loader."""
    binaries = {str(path.resolve()) for path in files if _is_elf(path)}
    found = subprocess.run(["ldd", *sorted(binaries)], check=False, capture_output=True, text=True).stdout
    names = set(re.findall(r"(?:=> |^\s)(/\S+) \(0x", found, re.MULTILINE))
    return [link for name in sorted(names) for link in _chain(Path(name))]


def _is_elf(path: Path) -> bool:
    if not path.is_file() or not (os.access(path, os.X_OK) or ".so" in path.name):
        return False
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def _pack(files: Iterable[Path]) -> bytes:
    """A cpio archive of these, with the folders that they are in; padded, so that another can follow."""
    names = {Path("/lib"), Path("/lib64")}
    for path in files:
        # /lib is a link to usr/lib: what lies beneath is packed by where it really is.
        real = path.parent.resolve() / path.name
        names |= {real, *real.parents}
    names -= {Path("/"), Path("/bin")}
    listing = "\n".join(str(name)[1:] for name in sorted(names)) + "\n"
    packed = subprocess.run(
        [BUSYBOX, "cpio", "-o", "-H", "newc"],
        cwd="/",
        input=listing.encode(),
        check=True,
        capture_output=True,
    ).stdout
    return packed + bytes(-len(packed) % 512)
