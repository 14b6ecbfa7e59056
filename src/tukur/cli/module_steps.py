"""The steps of ``tukur module``, each of which changes the machine."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tukur import __version__
from tukur.sources.module import kmod_messages
from tukur.sources.module.kmod import MODULES, PACKAGE, MachineState, environment, loaded, openers
from tukur.sources.oom import parse_record

SETTINGS = Path("/etc/modprobe.d/tukur.conf")
AT_START = Path("/etc/modules-load.d/tukur.conf")
DKMS_SOURCES = Path("/usr/src")
DKMS_STATE = Path("/var/lib/dkms") / PACKAGE
_SOURCE_KINDS = ("*.c", "*.h", "Kbuild", "Makefile", "dkms.conf")


class StepError(Exception):
    """A step failed. The text is one line that says why, and the remedy."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """What the modules are loaded with; None: the module's own default."""

    ram: dict[str, str] = field(default_factory=dict)
    cpu: dict[str, str] = field(default_factory=dict)

    def of(self, name: str) -> dict[str, str]:
        """Those of a module by its name."""
        return self.ram if name == "tukur_ram" else self.cpu


def settings_text(parameters: Parameters) -> str:
    """The content of /etc/modprobe.d/tukur.conf."""
    lines = ["# Written by `tukur module install`."]
    for name in MODULES:
        words = [f"{key}={value}" for key, value in parameters.of(name).items()]
        if words:
            lines.append(f"options {name} {' '.join(words)}")
    return "\n".join(lines) + "\n"


def stage(sources: Path, folder: Path) -> None:
    """Copies what is built, laid out as Kbuild and DKMS expect it: the header in include/ beneath."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind in _SOURCE_KINDS:
        for path in sorted((sources / "module").glob(kind)):
            # A kernel build leaves its own C files beside ours.
            if not path.name.endswith(".mod.c"):
                shutil.copyfile(path, folder / path.name)
    (folder / "include").mkdir(exist_ok=True)
    shutil.copyfile(sources / "include" / "tukur_record.h", folder / "include" / "tukur_record.h")


def install_plainly(state: MachineState, sources: Path) -> None:
    """Builds in a private folder and installs for the running kernel alone. Raises StepError."""
    with tempfile.TemporaryDirectory(prefix="tukur-module-") as name:
        folder = Path(name)
        stage(sources, folder)
        command = [
            "make",
            "-C",
            state.headers,
            f"M={folder}",
            *(["LLVM=1"] if state.clang else []),
            "modules",
        ]
        done = _run(command)
        if done.returncode:
            raise StepError(kmod_messages.build_failure(done.stdout))
        target = _plain_folder(state.release)
        try:
            target.mkdir(parents=True, exist_ok=True)
            for module in MODULES:
                shutil.copyfile(folder / f"{module}.ko", target / f"{module}.ko")
        except OSError as error:
            raise StepError(f"{target} cannot be written: {error.strerror}") from error
    _depmod(state.release)


def install_by_dkms(state: MachineState, sources: Path) -> None:
    """Hands the sources to DKMS, which builds them again for each new kernel. Raises StepError."""
    remove_dkms(state)
    folder = DKMS_SOURCES / f"{PACKAGE}-{__version__}"
    try:
        stage(sources, folder)
    except OSError as error:
        raise StepError(f"{folder} cannot be written: {error.strerror}") from error
    done = _run([state.dkms, "install", f"{PACKAGE}/{__version__}", "-k", state.release])
    if done.returncode:
        log = DKMS_STATE / __version__ / "build" / "make.log"
        output = log.read_text(errors="replace") if log.is_file() else done.stdout
        _forget_dkms(state)
        raise StepError(kmod_messages.build_failure(output))
    # What was installed without DKMS would be found beside it.
    remove_plain()


def _forget_dkms(state: MachineState) -> None:
    """After a build that failed: what DKMS had before is gone, so that a start would look for it in vain."""
    _run([state.dkms, "remove", f"{PACKAGE}/{__version__}", "--all"])
    remove_dkms(state)
    if not _plain_folder(state.release).is_dir():
        for path in (SETTINGS, AT_START):
            path.unlink(missing_ok=True)


def write_settings(parameters: Parameters) -> None:
    """What makes the choice last over a new start. Raises StepError."""
    try:
        for path, text in (
            (SETTINGS, settings_text(parameters)),
            (AT_START, "# Written by `tukur module install`.\n" + "".join(f"{name}\n" for name in MODULES)),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    except OSError as error:
        raise StepError(f"{error.filename} cannot be written: {error.strerror}") from error


def load(state: MachineState, *, by_dkms: bool) -> None:
    """Loads both, as /etc/modprobe.d says. Raises StepError; then neither is loaded."""
    for index, name in enumerate(MODULES):
        with KernelLog() as log:
            done = _run(["modprobe", name])
            log_lines = log.lines()
        if done.returncode:
            unload(MODULES[:index])
            raise StepError(kmod_messages.refusal(done.stdout, log_lines, state, by_dkms=by_dkms))


def unload(names: Sequence[str]) -> None:
    """Takes these out of the kernel, the last loaded first. Raises StepError where one stays."""
    for name in reversed(names):
        done = _run(["rmmod", name])
        if done.returncode:
            raise StepError(kmod_messages.unload_refusal(done.stdout, name, _holders()))


def _holders() -> list[str]:
    files = [file for name in MODULES if (module := loaded(name)) for file in module.files]
    return [f"{held.name} (PID {held.pid})" for held in openers(files)]


def remove_all(state: MachineState) -> list[str]:
    """Takes the files away, and DKMS's entry; what was removed, for a person."""
    removed = remove_dkms(state) + remove_plain()
    for path in (SETTINGS, AT_START):
        if path.exists():
            path.unlink()
            removed.append(str(path))
    return removed


def remove_dkms(state: MachineState) -> list[str]:
    """Takes every version out of DKMS, and its sources; what was removed."""
    removed = []
    for version in sorted({entry.version for entry in state.dkms_entries}):
        _run([state.dkms, "remove", f"{PACKAGE}/{version}", "--all"])
        removed.append(f"{PACKAGE}/{version} from DKMS")
    for folder in sorted(DKMS_SOURCES.glob(f"{PACKAGE}-*")):
        config = folder / "dkms.conf"
        # Another package may be called tukur-something.
        if config.is_file() and f'PACKAGE_NAME="{PACKAGE}"' in config.read_text(errors="replace"):
            shutil.rmtree(folder)
            removed.append(str(folder))
    return removed


def remove_plain(root: Path = Path("/lib/modules")) -> list[str]:
    """Takes away what was installed without DKMS, for every kernel; what was removed."""
    removed = []
    for folder in sorted(root.glob(f"*/updates/{PACKAGE}")):
        shutil.rmtree(folder)
        _depmod(folder.relative_to(root).parts[0])
        removed.append(str(folder))
    return removed


class KernelLog:
    """What the kernel writes into its log while entered; nothing where it may not be read."""

    def __enter__(self) -> "KernelLog":
        try:
            self._fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            os.lseek(self._fd, 0, os.SEEK_END)
        except OSError:
            self._fd = -1
        return self

    def lines(self) -> list[str]:
        """The texts of the records so far, the oldest first."""
        found = []
        while self._fd >= 0:
            try:
                line = parse_record(os.read(self._fd, 8192))
            except BlockingIOError:
                break
            except OSError:
                # EPIPE: records were overwritten meanwhile; the next read goes on behind them.
                continue
            if line:
                found.append(line.text)
        return found

    def __exit__(self, *_: object) -> None:
        if self._fd >= 0:
            os.close(self._fd)


def _plain_folder(release: str) -> Path:
    return Path("/lib/modules") / release / "updates" / PACKAGE


def _depmod(release: str) -> None:
    _run(["depmod", release])


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Runs it; both its streams in stdout. Raises StepError where there is no such program."""
    try:
        return subprocess.run(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            env=environment(),
        )
    except FileNotFoundError as error:
        package = " (package kmod)" if command[0] in ("modprobe", "rmmod", "depmod") else ""
        raise StepError(f"there is no {command[0]}{package}") from error
