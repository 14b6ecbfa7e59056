"""A virtual machine for the kernel modules: busybox, the modules and a script in an initramfs, run by qemu.

Nothing of it runs on this machine's kernel, and no KVM is needed: under emulation a boot takes six seconds.
"""

import gzip
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
MODULE_DIR = ROOT / "native" / "module"
HEADER = ROOT / "native" / "include" / "tukur_record.h"
INSIDE = Path(__file__).with_name("inside.c")
BUSYBOX = Path("/bin/busybox")
#: Makes all times longer: for a kernel that checks itself, or a busy machine.
PATIENCE = float(os.environ.get("TUKUR_TEST_PATIENCE", "1"))
#: What the kernel writes when something went wrong in it.
COMPLAINTS = (
    "BUG:",
    "WARNING:",
    "Oops",
    "INFO: task",
    "INFO: rcu",
    "Call Trace",
    "general protection",
    "KASAN",
    "possible recursive",
    "soft lockup",
    "scheduling while atomic",
)

ALWAYS = "console=ttyS0 panic=-1 oops=panic loglevel=7 random.trust_cpu=on mitigations=off"

INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /out /cgroup
mount -t tmpfs tmpfs /out
mount -t cgroup2 cgroup2 /cgroup
ip link set lo up 2>/dev/null
export PATH=/bin
echo "script begins" > /dev/kmsg
sh /script > /out/log 2>&1
echo $? > /out/status
dmesg > /out/dmesg
stty -F /dev/ttyS1 raw
tar c -C /out . | gzip -1 > /dev/ttyS1
sync
poweroff -f
"""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel that can be booted, and what its modules are built against."""

    release: str
    image: Path
    build: Path


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a machine left behind: the files of /out, and the kernel's log."""

    files: dict[str, bytes]
    console: str

    def text(self, name: str) -> str:
        if name not in self.files:
            raise AssertionError(f"the machine left no {name}:\n{self.console[-4000:]}")
        return self.files[name].decode(errors="replace")

    def complaints(self) -> list[str]:
        """Lines of the kernel's log that tell of something wrong in it since the script began."""
        log = self.console.rpartition("script begins")[2]
        return [line for line in log.splitlines() if any(word in line for word in COMPLAINTS)]


def _trees() -> list[Kernel]:
    """Kernels built from source, in the folders that $TUKUR_TEST_TREES names."""
    return [
        Kernel((Path(tree) / "include/config/kernel.release").read_text().strip(), image, Path(tree))
        for tree in os.environ.get("TUKUR_TEST_TREES", "").split(":")
        if tree and (image := Path(tree) / "arch/x86/boot/bzImage").exists()
    ]


def _image_of(release: str) -> Path | None:
    folders = [Path("/boot"), Path("/lib/modules") / release, ROOT / ".cache" / "kernels"]
    if extra := os.environ.get("TUKUR_TEST_KERNELS"):
        folders.append(Path(extra))
    for folder in folders:
        for name in (f"vmlinuz-{release}", "vmlinuz"):
            if (folder / name).exists():
                return folder / name
    return None


def kernels() -> list[Kernel]:
    """The kernels that have both headers and an image, the newest last."""
    if trees := _trees():
        return trees
    found = []
    for build in Path("/lib/modules").glob("*/build"):
        image = _image_of(build.parent.name)
        if image and (build / "Makefile").exists():
            found.append(Kernel(build.parent.name, image, build))
    return sorted(found, key=lambda kernel: [int(part) for part in kernel.release.split(".")[:2]])


def headers() -> list[Path]:
    """Every kernel's folder that modules can be built against."""
    return sorted(path for path in Path("/lib/modules").glob("*/build") if (path / "Makefile").exists())


def missing() -> str:
    """Why no machine can be started here; empty when one can."""
    for command in ("qemu-system-x86_64", "gcc", "make"):
        if not shutil.which(command):
            return f"{command} is not installed"
    if not BUSYBOX.exists():
        return f"{BUSYBOX} is not installed (busybox-static)"
    if subprocess.run(["ldd", BUSYBOX], check=False, capture_output=True).returncode == 0:
        return f"{BUSYBOX} needs libraries: busybox-static is needed"
    if not headers() and not _trees():
        return "no kernel headers below /lib/modules (linux-headers-amd64)"
    if not kernels():
        return "no kernel image for the installed headers, in /boot, .cache/kernels or $TUKUR_TEST_KERNELS"
    return ""


def build_modules(build: Path, into: Path, *checks: str) -> str:
    """Builds the modules in a copy of their sources, laid out as DKMS does; returns what make said."""
    shutil.copytree(MODULE_DIR, into, ignore=shutil.ignore_patterns("*.o", "*.ko", ".*"))
    (into / "include").mkdir()
    shutil.copy(HEADER, into / "include")
    command = ["make", "-C", str(build), f"M={into}", *checks, "modules"]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise AssertionError(f"{' '.join(command)}\n{done.stdout}")
    return done.stdout


def build_inside(into: Path) -> Path:
    """The program that the scripts use inside, without libraries."""
    program = into / "inside"
    subprocess.run(
        ["gcc", "-O2", "-Wall", "-static", "-pthread", "-I", str(HEADER.parent), "-o", program, INSIDE],
        check=True,
    )
    return program


def _cpio(folder: Path) -> bytes:
    names = subprocess.run(["find", "."], cwd=folder, check=True, capture_output=True).stdout
    packed = subprocess.run(
        [BUSYBOX, "cpio", "-o", "-H", "newc", "-R", "0:0"],
        cwd=folder,
        input=names,
        check=True,
        capture_output=True,
    )
    return gzip.compress(packed.stdout, 1)


def _initramfs(files: dict[str, Path], script: str) -> bytes:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # the root folder of the machine, where not only root goes about
        for sub in ("bin", "proc", "sys", "dev", "tmp", "root"):
            (folder / sub).mkdir()
        for where, source in {"bin/busybox": BUSYBOX, **files}.items():
            shutil.copy(source, folder / where)
            (folder / where).chmod(0o755)
        (folder / "init").write_text(INIT)
        (folder / "init").chmod(0o755)
        (folder / "script").write_text(script)
        return _cpio(folder)


def _unpack(packed: bytes) -> dict[str, bytes]:
    if not packed:
        return {}
    files = {}
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as archive:
        for member in archive:
            if held := archive.extractfile(member):
                files[member.name.removeprefix("./")] = held.read()
    return files


def boot(
    kernel: Kernel,
    files: dict[str, Path],
    script: str,
    *,
    timeout: float = 120,
    memory: str = "1G",
    cpus: int = 2,
    options: str = "",
    beneath: Sequence[bytes] = (),
    devices: Sequence[str] = (),
) -> Outcome:
    """Runs the script as the only program of a machine; what it leaves in /out comes back.

    ``files`` maps places in the machine, as ``tukur_cpu.ko`` or ``bin/inside``, to files of this one.
    ``beneath``: archives that are unpacked before; ``devices``: more words for qemu.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "initramfs").write_bytes(b"".join(beneath) + _initramfs(files, script))
        # One thread for all CPUs: with more, qemu 7.2 lets a CPU run an int3 that the kernel has
        # taken away again where it changes its own code, as for each tracepoint, and the kernel panics.
        command = [
            *(
                "qemu-system-x86_64",
                "-accel",
                "tcg,thread=single",
                "-cpu",
                "max",
                "-m",
                memory,
                "-smp",
                str(cpus),
            ),
            *("-nodefaults", "-display", "none", "-no-reboot"),
            *("-serial", f"file:{folder}/console", "-serial", f"file:{folder}/out"),
            *("-kernel", str(kernel.image), "-initrd", str(folder / "initramfs")),
            *devices,
            *("-append", f"{ALWAYS} {options}"),
        ]
        try:
            subprocess.run(command, timeout=timeout * PATIENCE, check=True, capture_output=True)
        except subprocess.TimeoutExpired:
            console = (folder / "console").read_text(errors="replace")
            raise AssertionError(
                f"the machine did not end within {timeout * PATIENCE:.0f} s:\n{console[-4000:]}"
            ) from None
        console = (folder / "console").read_text(errors="replace")
        return Outcome(_unpack((folder / "out").read_bytes()), console)
