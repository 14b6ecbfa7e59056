"""A machine of the tests' own: systemd as PID 1 of a container over the live file system.

Mount, PID, UTS, IPC, cgroup and network namespaces; an overlay whose upper side is a tmpfs, so that the live
system stays as it is; a network with this machine at its other end and nothing beyond. It boots in a second.
"""

import contextlib
import functools
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.support.waiting import eventually

HERE_ADDRESS, THERE_ADDRESS = "198.18.77.1", "198.18.77.2"
"""Of this machine and of the other, on the network between them (RFC 2544: no one else's)."""

_TARGET = """[Unit]
Description=what the tests need, and no service of the live system
DefaultDependencies=no
AllowIsolate=yes
"""
_BOOT = r"""
set -eu
B=$1 R=$1/root
mount --make-rprivate /
mount -t tmpfs -o size=1g tmpfs "$B"
mkdir "$B/upper" "$B/work" "$R"
mount -t overlay overlay -o "lowerdir=/,upperdir=$B/upper,workdir=$B/work" "$R"
mount -t proc proc "$R/proc"
# Read-only, as in any container: systemd then leaves the kernel's settings and the devices alone.
mount --bind "$R/proc/sys" "$R/proc/sys"
mount -o remount,bind,ro "$R/proc/sys"
mount -t sysfs -o ro sysfs "$R/sys"
mount -t cgroup2 cgroup2 "$R/sys/fs/cgroup"
mount -t tmpfs tmpfs "$R/run"
mount -t tmpfs tmpfs "$R/tmp"
mount -t tmpfs -o mode=755 tmpfs "$R/dev"
for name in null zero full random urandom tty kmsg; do
    touch "$R/dev/$name"
    mount --bind "/dev/$name" "$R/dev/$name"
done
mkdir "$R/dev/shm" "$R/dev/pts" "$R/run/old" "$R/run/systemd-tests" "$R/tmp/upper"
mount --bind "$B/upper" "$R/tmp/upper"
for folder in "$R"/etc/systemd/system/*.wants; do [ ! -d "$folder" ] || rm -rf "$folder"; done
# At boot it would empty /tmp, which is in use already.
ln -sf /dev/null "$R/etc/systemd/system/systemd-tmpfiles-setup.service"
printf '%s' "$2" > "$R/etc/systemd/system/tests.target"
ip link set lo up
cd "$R"
pivot_root . run/old
umount -l /run/old
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd \
    --unit=tests.target --log-target=null --show-status=no
"""


@functools.cache
def missing() -> str:
    """Why no machine can be had here; empty: it can."""
    if os.geteuid() != 0:
        return "needs root, for namespaces"
    tools = ("unshare", "nsenter", "ip", "pivot_root", "systemctl")
    lacking = [tool for tool in tools if shutil.which(tool) is None]
    if lacking or not Path("/lib/systemd/systemd").exists():
        return f"needs {', '.join(lacking) or 'systemd'}"
    kinds = Path("/proc/filesystems").read_text(encoding="ascii").split()
    absent = {"overlay", "cgroup2", "tmpfs"} - set(kinds)
    if absent:
        return f"the kernel has no {', '.join(sorted(absent))}"
    mount = [
        "unshare",
        "--mount",
        "--pid",
        "--fork",
        "--net",
        "--cgroup",
        "mount",
        "-t",
        "tmpfs",
        "none",
        "/mnt",
    ]
    tried = subprocess.run(mount, capture_output=True, text=True, check=False)
    return f"needs to make namespaces and mounts: {tried.stderr.strip()}" if tried.returncode else ""


class Network(NamedTuple):
    """Where a machine is attached."""

    bridge: str
    """Of this machine."""
    address: str
    """Of the machine there, with the length of its prefix."""
    gateway: str


class Machine:
    """A booted machine."""

    def __init__(self, init: int) -> None:
        self._init = init

    def is_there(self) -> bool:
        """Whether it still runs."""
        try:
            return (
                Path(f"/proc/{self._init}/stat").read_text(encoding="ascii").split(")")[1].split()[0] != "Z"
            )
        except OSError:
            return False

    def command(self, *command: str) -> list[str]:
        """What runs a command there, as root."""
        return ["nsenter", "-t", str(self._init), "-m", "-p", "-u", "-i", "-n", "-C", "-r", "-w", *command]

    def run(
        self, *command: str, stdin: str = "", within: float = 60, **environment: str
    ) -> "subprocess.CompletedProcess[str]":
        """Runs one command there, as root, to its end."""
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return subprocess.run(
            self.command(*command),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=within,
            env={"PATH": path, "LC_ALL": "C.UTF-8", **environment},
        )

    def sh(self, script: str, *arguments: str, within: float = 60) -> "subprocess.CompletedProcess[str]":
        """Runs a script there by /bin/sh, which reads it from standard input."""
        return self.run("sh", "-s", "--", *arguments, stdin=script, within=within)

    def path(self, path: str) -> Path:
        """A path of its, as it is reached from here."""
        return Path(f"/proc/{self._init}/root{path}")

    def changed(self) -> set[str]:
        """The files in which it differs from the live system; not what it keeps in memory."""
        upper = self.path("/tmp/upper")
        return {str(path.relative_to(upper)) for path in upper.rglob("*") if not path.is_dir()}


@contextlib.contextmanager
def machine(folder: Path, network: Network | None = None, cgroup: Path | None = None) -> Iterator[Machine]:
    """One that runs for the length of a with statement.

    `folder`: empty, for its mounts; `network`: None: one of its own with this machine; `cgroup`: an empty one
    for all its processes, which several machines at once need; None: that of the caller.
    """
    namespaces = ["--mount", "--pid", "--fork", "--uts", "--ipc", "--cgroup", "--net", "--kill-child"]
    enter = f"echo 0 > {cgroup}/cgroup.procs && " if cgroup else ""
    boot = ["unshare", *namespaces, "sh", "-c", _BOOT, "boot", str(folder), _TARGET]
    started = subprocess.Popen(["sh", "-c", f'{enter}exec "$@"', "enter", *boot], stdin=subprocess.DEVNULL)
    try:
        init = eventually(lambda: _child(started), 10, "the machine has a PID 1")
        booted = Machine(init)
        _connect(init, network)
        eventually(lambda: _is_up(booted), 30, "systemd runs there")
        yield booted
    finally:
        # Its PID 1 dies with it, and everything in it with that.
        started.send_signal(signal.SIGKILL)
        started.wait()


def _child(started: "subprocess.Popen[bytes]") -> int:
    assert started.poll() is None, f"the machine ended with {started.returncode} before it was up"
    found = Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text(encoding="ascii").split()
    return int(found[0]) if found else 0


def _connect(init: int, network: Network | None) -> None:
    name = f"tk{init}"
    there = ["nsenter", "-t", str(init), "-n", "ip"]
    if network is None:
        here, address = ["ip", "address", "add", f"{HERE_ADDRESS}/30", "dev", name], f"{THERE_ADDRESS}/30"
    else:
        here, address = ["ip", "link", "set", name, "master", network.bridge], network.address
    route = [[*there, "route", "add", "default", "via", network.gateway]] if network else []
    for command in (
        ["ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", str(init)],
        here,
        ["ip", "link", "set", name, "up"],
        [*there, "address", "add", address, "dev", "eth0"],
        [*there, "link", "set", "eth0", "up"],
        *route,
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"


def _is_up(booted: Machine) -> bool:
    return booted.run("systemctl", "is-active", "tests.target").stdout.strip() == "active"
