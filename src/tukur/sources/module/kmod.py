"""The kernel modules on this machine: what there is for building and loading them, and what is loaded.

Reading and parsing are two functions. Nothing here changes the machine.
"""

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tukur.sources import capabilities

MODULES = ("tukur_ram", "tukur_cpu")
"""In the order in which they are loaded."""
PACKAGE = "tukur"
"""Its name for DKMS."""
_SECURE_BOOT = Path("/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c")
_HEADER_PACKAGES = (
    (("debian", "ubuntu"), "apt-get install linux-headers-{release}"),
    (("fedora", "rhel", "centos"), "dnf install kernel-devel-{release}"),
    (("suse", "opensuse"), "zypper install kernel-default-devel"),
    (("arch",), "pacman -S linux-headers"),
    (("alpine",), "apk add linux-lts-dev"),
)
_TOOL_PACKAGES = (
    (("debian", "ubuntu"), "apt-get install make gcc"),
    (("fedora", "rhel", "centos"), "dnf install make gcc"),
    (("suse", "opensuse"), "zypper install make gcc"),
    (("arch",), "pacman -S make gcc"),
    (("alpine",), "apk add make gcc"),
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A module that is in the kernel now."""

    name: str
    version: str
    """Empty: it says none."""
    parameters: dict[str, str]
    files: list[str]
    """Those of its files that there are, such as /proc/tukur_ram."""


@dataclass(frozen=True, slots=True)
class DkmsEntry:
    """A line of ``dkms status``."""

    version: str
    release: str
    """Of the kernel; empty where it is only added."""
    state: str
    """added, built or installed; with a remark of DKMS's where it has one."""


@dataclass(frozen=True, slots=True)
class Opener:
    """A program that has files of the modules open."""

    pid: int
    name: str
    files: list[str]


@dataclass(frozen=True, slots=True)
class MachineState:
    """What matters for kernel modules here."""

    release: str
    may_load: bool
    """Whether this program has CAP_SYS_MODULE."""
    has_modules: bool
    """Whether the kernel can load any (CONFIG_MODULES)."""
    loading_disabled: bool
    """Whether sysctl kernel.modules_disabled is 1: no module can be loaded until the next boot."""
    headers: str
    """The folder to build against; empty: not there."""
    headers_release: str
    """The kernel that those headers are of; empty: they do not say."""
    headers_remedy: str
    """The command that installs them here; empty for a distribution that is not known."""
    clang: bool
    """Whether the kernel was compiled by clang."""
    missing_tools: list[str]
    """Of make and the compiler."""
    tools_remedy: str
    dkms: str
    """The program's path; empty: not there."""
    dkms_entries: list[DkmsEntry]
    secure_boot: bool | None
    """None: no UEFI, or it does not say."""
    lockdown: str
    """none, integrity, confidentiality; empty: the kernel has no lockdown, or does not say."""
    sig_enforce: bool | None
    """module.sig_enforce; None: the kernel checks no signatures."""
    loaded: list[Loaded]
    installed_for: list[str]
    """Releases of the kernels that tukur_cpu is installed for, below /lib/modules."""

    @property
    def signature_needed(self) -> str:
        """Why an unsigned module would be refused; empty: it would not, as far as can be seen."""
        if self.sig_enforce:
            return "module.sig_enforce=1"
        if self.lockdown not in ("", "none"):
            return f"lockdown={self.lockdown}"
        return ""


def parse_lockdown(text: str) -> str:
    """The chosen one in ``none [integrity] confidentiality``; empty where none is."""
    found = re.search(r"\[(\w+)\]", text)
    return found[1] if found else ""


def parse_secure_boot(variable: bytes) -> bool | None:
    """Of the efivarfs file: four bytes of attributes, then the value. None where it has another form."""
    return bool(variable[4]) if len(variable) == 5 else None


def parse_dkms_status(text: str) -> list[DkmsEntry]:
    """The lines about tukur: ``tukur/0.1.0, 6.1.0-18-amd64, x86_64: installed``; or ``tukur, 0.1.0, …``."""
    entries = []
    for line in text.splitlines():
        what, separator, state = line.partition(": ")
        words = re.split(r", |/", what)
        if separator and words[0] == PACKAGE and len(words) in (2, 4):
            entries.append(DkmsEntry(words[1], words[2] if len(words) == 4 else "", state.strip()))
    return entries


def distribution_names(os_release: Mapping[str, str]) -> list[str]:
    """ID and ID_LIKE of os-release(5): the distribution and what it is like, the nearest first."""
    return [word for key in ("ID", "ID_LIKE") for word in os_release.get(key, "").split()]


def _os_release() -> dict[str, str]:
    try:
        return platform.freedesktop_os_release()
    except (OSError, UnicodeDecodeError):
        return {}


def remedy_for(distributions: list[str], release: str, *, tools: bool = False) -> str:
    """The command that installs the kernel's headers (or make and gcc); empty: not known."""
    for name in distributions:
        for names, command in _TOOL_PACKAGES if tools else _HEADER_PACKAGES:
            if any(name.startswith(known) for known in names):
                return command.format(release=release)
    return ""


def parse_config(text: str, option: str) -> str:
    """The value of an option of a kernel's configuration; empty where it is not set."""
    found = re.search(rf"^{option}=(.*)$", text, re.MULTILINE)
    return found[1].strip('"') if found else ""


def parse_uts_release(text: str) -> str:
    """The kernel that headers are of, by their generated/utsrelease.h, as ``uname -r`` says it, or empty.

    Not by config/kernel.release: in Debian's that is the version of the source, which no kernel says.
    """
    found = re.search(r'^#define UTS_RELEASE "([^"]*)"', text, re.MULTILINE)
    return found[1] if found else ""


def source_folder() -> Path | None:
    """Where the modules' sources are: within the installation, or in the checkout; None: in neither."""
    package = Path(__file__).resolve().parents[2]
    for folder in (package / "native", package.parents[1] / "native"):
        if (folder / "module" / "Kbuild").is_file() and (folder / "include" / "tukur_record.h").is_file():
            return folder
    return None


def machine_state() -> MachineState:
    """Reads it; never raises for what a machine lacks."""
    release = os.uname().release
    build = Path("/lib/modules") / release / "build"
    config = _text(build / "include/config/auto.conf") or _text(build / ".config")
    clang = parse_config(config, "CONFIG_CC_IS_CLANG") == "y"
    distributions = distribution_names(_os_release())
    dkms = _program("dkms")
    enforce = _text(Path("/sys/module/module/parameters/sig_enforce"))
    return MachineState(
        release=release,
        may_load="CAP_SYS_MODULE" in capabilities.effective(),
        has_modules=Path("/proc/modules").exists(),
        loading_disabled=_text(Path("/proc/sys/kernel/modules_disabled")) == "1",
        headers=str(build) if (build / "Makefile").is_file() else "",
        headers_release=parse_uts_release(_text(build / "include/generated/utsrelease.h")),
        headers_remedy=remedy_for(distributions, release),
        clang=clang,
        missing_tools=[tool for tool in ("make", "clang" if clang else "gcc") if not _program(tool)],
        tools_remedy=remedy_for(distributions, release, tools=True),
        dkms=dkms,
        dkms_entries=_dkms_entries(dkms),
        secure_boot=parse_secure_boot(_bytes(_SECURE_BOOT)),
        lockdown=parse_lockdown(_text(Path("/sys/kernel/security/lockdown"))),
        sig_enforce={"Y": True, "N": False}.get(enforce),
        loaded=[module for name in MODULES if (module := loaded(name))],
        installed_for=installed_for(),
    )


def installed_for(root: Path = Path("/lib/modules")) -> list[str]:
    """The kernels' releases for which tukur_cpu is installed, by DKMS or plainly, packed or not."""
    # Fedora's DKMS installs into extra/, others into updates/dkms/.
    places = [*root.glob("*/updates/**/tukur_cpu.ko*"), *root.glob("*/extra/**/tukur_cpu.ko*")]
    return sorted({path.relative_to(root).parts[0] for path in places})


def openers(files: list[str], proc: Path = Path("/proc")) -> list[Opener]:
    """Who has these files open, this program apart; of other users' programs only for root."""
    found = []
    for folder in sorted(proc.glob("[0-9]*"), key=lambda path: int(path.name)):
        pid = int(folder.name)
        held = [] if pid == os.getpid() else sorted({link for link in _links(folder / "fd") if link in files})
        if held:
            found.append(Opener(pid, _text(folder / "comm"), held))
    return found


def _links(folder: Path) -> list[str]:
    links = []
    try:
        names = os.listdir(folder)  # noqa: PTH208
    except OSError:
        return []
    for name in names:
        try:
            links.append(os.readlink(folder / name))  # noqa: PTH115
        except OSError:
            continue
    return links


def loaded(name: str) -> Loaded | None:
    """The module where it is in the kernel, ready."""
    folder = Path("/sys/module") / name
    if _text(folder / "initstate") != "live":
        return None
    parameters = {path.name: _text(path) for path in sorted((folder / "parameters").glob("*"))}
    names = [parameters.get("proc_name", name)]
    if name == "tukur_cpu":
        names += ["tukur_tasks", "tukur_events"]
    files = [f"/proc/{file}" for file in names if Path("/proc", file).exists()]
    return Loaded(name, _text(folder / "version"), parameters, files)


def _dkms_entries(dkms: str) -> list[DkmsEntry]:
    if not dkms:
        return []
    done = subprocess.run(  # noqa: S603
        [dkms, "status", PACKAGE], capture_output=True, text=True, check=False, env=environment()
    )
    return parse_dkms_status(done.stdout)


def environment() -> dict[str, str]:
    """For the system's programs: found where an unprivileged user's PATH does not look, and in English."""
    path = os.environ.get("PATH", "/usr/bin:/bin")
    return {**os.environ, "LC_ALL": "C", "PATH": f"{path}:/usr/local/sbin:/usr/sbin:/sbin"}


def _program(name: str) -> str:
    return shutil.which(name, path=environment()["PATH"]) or ""


def _text(path: Path) -> str:
    return _bytes(path).decode(errors="replace").strip()


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
