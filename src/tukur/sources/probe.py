"""What this machine offers to the sources: the findings of ``tukur doctor``."""

import os
import platform
import re
import resource
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from tukur.sources import capabilities
from tukur.sources.bpf import iterator, lives, walk
from tukur.sources.bpf.libbpf import KERNEL_BTF, LIBRARY, library_found
from tukur.sources.host import parse_meminfo
from tukur.sources.memory_limit import MemoryLimit, memory_limit
from tukur.sources.module import kmod, kmod_messages

OLDEST_KERNEL = (5, 15)
_FILES_WANTED = 4096
_GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked for."""

    what: str
    ok: bool
    found: str
    remedy: str
    """What to do about it where it is not ok."""


_CAPABILITIES = {
    "CAP_BPF": "needed, with CAP_PERFMON, for the bpf source; root has both",
    "CAP_PERFMON": "needed, with CAP_BPF, for the bpf source",
    "CAP_SYS_PTRACE": "without it the I/O and the program file of other users' processes are not seen",
    "CAP_DAC_READ_SEARCH": "without it some files of other users' processes are not readable",
    "CAP_KILL": "without it only this user's own processes can be signalled",
}


def parse_release(release: str) -> tuple[int, int] | None:
    """The first two numbers of a kernel release such as ``6.1.0-18-amd64``."""
    found = re.match(r"(\d+)\.(\d+)", release)
    return (int(found[1]), int(found[2])) if found else None


def parse_hidepid(mountinfo: str) -> str:
    """The value of hidepid of the /proc of a /proc/self/mountinfo; ``0``: nothing is hidden."""
    value = "0"
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        if after.startswith("proc ") and before.split()[4] == "/proc":
            found = re.search(r"(?:^|,)hidepid=(\w+)", after.split()[-1])
            value = found[1] if found else "0"
    return {"off": "0", "noaccess": "1", "invisible": "2", "ptraceable": "4"}.get(value, value)


def probe() -> list[Finding]:
    """Everything that was looked for; never raises for what a machine lacks."""
    findings = []
    for look in _LOOKS:
        try:
            findings.extend(look())
        except (OSError, ValueError) as error:
            findings.append(Finding(look.__name__.strip("_"), False, str(error), "is /proc mounted?"))
    return findings


def _kernel() -> list[Finding]:
    release = platform.release()
    version = parse_release(release)
    ok = version is not None and version >= OLDEST_KERNEL
    wanted = ".".join(map(str, OLDEST_KERNEL))
    return [Finding("kernel", ok, release, f"the bpf source needs {wanted} or newer; procfs works on any")]


def _btf() -> list[Finding]:
    ok = KERNEL_BTF.exists()
    found = str(KERNEL_BTF) if ok else f"no {KERNEL_BTF}"
    return [Finding("BTF", ok, found, "the bpf source needs a kernel with CONFIG_DEBUG_INFO_BTF=y")]


def _libbpf() -> list[Finding]:
    missing = library_found()
    return [Finding("libbpf", not missing, missing or LIBRARY, "install libbpf1 (Debian, Ubuntu) or libbpf")]


def _object() -> list[Finding]:
    names = [module.OBJECT for module in (walk, iterator, lives)]
    folder = resources.files("tukur.sources")
    missing = [name for name in names if not folder.joinpath(name).is_file()]
    found = f"no {', '.join(missing)} in this installation" if missing else ", ".join(names)
    remedy = "run `make build` in a checkout, or install the wheel"
    return [Finding("eBPF program", not missing, found, remedy)]


def _capabilities() -> list[Finding]:
    held = capabilities.effective()
    return [
        Finding(name, name in held, "held" if name in held else "not held", remedy)
        for name, remedy in _CAPABILITIES.items()
    ]


def _modules() -> list[Finding]:
    present = [file for name in kmod.MODULES if (module := kmod.loaded(name)) for file in module.files]
    if present:
        found = f"loaded: {', '.join(present)}"
    elif Path("/proc/modules").exists():
        found = "not loaded; see `tukur module status`"
    else:
        found = kmod_messages.NO_MODULES
    # Nothing is wrong without them: the other sources need none.
    return [Finding("kernel modules", True, found, "")]


def _hidepid() -> list[Finding]:
    value = parse_hidepid(Path("/proc/self/mountinfo").read_text(errors="replace"))
    ok = value == "0" or "CAP_SYS_PTRACE" in capabilities.effective()
    remedy = (
        "other users' processes are hidden; run as root, or as a member of the group that /proc's gid= names"
    )
    return [Finding("hidepid", ok, f"hidepid={value}", remedy)]


def _files() -> list[Finding]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    ok = hard == resource.RLIM_INFINITY or hard >= _FILES_WANTED
    remedy = (
        f"raise the hard limit (LimitNOFILE=) to {_FILES_WANTED} or more: the procfs source keeps files open"
    )
    return [Finding("open files", ok, f"soft {soft}, hard {hard}", remedy)]


def describe_memory(values: dict[str, int], limit: MemoryLimit | None) -> str:
    """The machine's RAM in words; `values`: of ``parse_meminfo()``."""
    total = values.get("mem.total", 0)
    said = f"{total / _GIB:.1f} GiB"
    if limit is not None and limit.size < total:
        said += f", of which cgroup {limit.cgroup} leaves {limit.size / _GIB:.1f} GiB to this process"
    if "mem.available" not in values:
        said += "; no MemAvailable: what is available is estimated from free memory and the page cache"
    return said


def _memory() -> list[Finding]:
    values = parse_meminfo(Path("/proc/meminfo").read_bytes())
    return [Finding("memory", True, describe_memory(values, memory_limit()), "")]


def _pressure() -> list[Finding]:
    ok = os.access("/proc/pressure/cpu", os.R_OK)
    found = "/proc/pressure" if ok else "no /proc/pressure"
    return [Finding("pressure (PSI)", ok, found, "boot with psi=1, or use a kernel with CONFIG_PSI=y")]


_LOOKS: tuple[Callable[[], list[Finding]], ...] = (
    _kernel,
    _btf,
    _libbpf,
    _object,
    _capabilities,
    _modules,
    _hidepid,
    _files,
    _pressure,
    _memory,
)
