"""The virtual machines of an instance group of the tests' Google: they really boot, run and shut down.

Each is a machine with a systemd of its own (`tests.support.machine`) that runs the start script of its
template. An autoscaler works by what they use of the processors, with the group's target and bounds.
"""

import contextlib
import math
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.google.identity import Instance, SigningKeys
from tests.support.google.metadata import metadata_server
from tests.support.google.server import Google
from tests.support.google.state import Json
from tests.support.machine import Machine, Network, machine
from tests.support.waiting import eventually

BRIDGE, GATEWAY, PREFIX = "cloud", "10.128.0.1", 20
"""The group's network, as this machine has it."""
CORES = 0.5
"""What a virtual machine is taken to have: four of them are busy on two processors."""
_ROUND_S = 1.0
_STABLE_S = 15.0
"""The autoscaler removes machines only after so long without need of them; Google waits for ten minutes."""
_BOOT_S = 180.0


@dataclass(slots=True)
class Vm:
    """One of the group."""

    resource: Json
    folder: Path
    cgroup: Path
    running: Machine | None = None
    ready: bool = False
    """Its start script has ended."""
    leaving: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None
    problem: str = ""
    created_s: float = field(default_factory=time.monotonic)
    _used_s: float = 0.0
    _at_s: float = 0.0

    @property
    def name(self) -> str:
        """As Google calls it."""
        return str(self.resource["name"])

    def utilization(self) -> float:
        """What it used of its processors since the last call."""
        lines = (self.cgroup / "cpu.stat").read_text(encoding="ascii").split()
        used_s, at_s = int(lines[lines.index("usage_usec") + 1]) / 1e6, time.monotonic()
        share = (used_s - self._used_s) / (at_s - self._at_s) / CORES
        self._used_s, self._at_s = used_s, at_s
        return min(share, 1.0)


class Vms:
    """Those of one group. `cgroups`: an empty cgroup of the v2 hierarchy for theirs."""

    def __init__(
        self,
        google: Google,
        group: str,
        keys: SigningKeys,
        folder: Path,
        cgroups: Path,
        report: Callable[[str], None],
    ) -> None:
        self.google, self.group, self.keys = google, group, keys
        self.known: dict[str, Vm] = {}
        """Each that there was, by its ID."""
        self._folder, self._cgroups, self._report = folder, cgroups, report
        self._stop = threading.Event()
        self._wanted: list[tuple[float, int]] = []

    @property
    def present(self) -> list[Vm]:
        """Those of the group now."""
        return [vm for vm in self.known.values() if not vm.leaving.is_set()]

    def run(self) -> None:
        """Follows the group until `close`."""
        while not self._stop.wait(_ROUND_S):
            self._follow()
            self._scale()

    def close(self) -> None:
        """Shuts all down."""
        self._stop.set()
        for vm in self.known.values():
            vm.leaving.set()
        for vm in self.known.values():
            if vm.thread:
                vm.thread.join()

    def _follow(self) -> None:
        members = {body["id"]: body for body in self.google.compute.members(self.group)}
        for number, body in members.items():
            if number not in self.known:
                self.known[number] = vm = self._new(body)
                self._report(f"VM {vm.name} is created")
        for number, vm in self.known.items():
            if number not in members and not vm.leaving.is_set():
                self._report(f"VM {vm.name} is removed")
                vm.leaving.set()

    def _new(self, body: Json) -> Vm:
        name = body["name"]
        vm = Vm(body, self._folder / name, self._cgroups / name)
        vm.folder.mkdir()
        vm.cgroup.mkdir()
        vm.thread = threading.Thread(target=self._live, args=(vm,), name=name)
        vm.thread.start()
        return vm

    def _live(self, vm: Vm) -> None:
        address = vm.resource["networkInterfaces"][0]["networkIP"]
        network = Network(BRIDGE, f"{address}/{PREFIX}", GATEWAY)
        instance = Instance.of(vm.resource)
        instance.attributes["tukur-secret-manager"] = f"http://{GATEWAY}:{self.google.port}"
        try:
            with (
                metadata_server(instance, self.keys, GATEWAY) as metadata,
                machine(vm.folder, network, vm.cgroup) as booted,
            ):
                vm.running = booted
                self._start(vm, booted, metadata.address)
                vm.leaving.wait()
                _shut_down(booted)
        except (AssertionError, OSError, subprocess.SubprocessError) as error:
            vm.problem = str(error)
            self._report(f"VM {vm.name}: {error}")
        finally:
            vm.running = None
            _remove(vm.cgroup)

    def _start(self, vm: Vm, booted: Machine, metadata: str) -> None:
        attributes = {item["key"]: item["value"] for item in vm.resource["metadata"]["items"]}
        script = booted.path("/run/startup-script")
        script.write_text(attributes["startup-script"], encoding="utf-8")
        script.chmod(0o755)
        done = booted.run("/run/startup-script", within=_BOOT_S, GCE_METADATA_HOST=metadata)
        assert done.returncode == 0, (
            f"its start script ended with {done.returncode}: {done.stdout}{done.stderr}"
        )
        vm.utilization()
        vm.ready = True

    def _scale(self) -> None:
        ready = [vm for vm in self.present if vm.ready]
        scaler = self._autoscaler()
        if not ready or scaler is None:
            return
        policy = scaler["autoscalingPolicy"]
        use = sum(vm.utilization() for vm in ready)
        wanted = math.ceil(use / policy["cpuUtilization"]["utilizationTarget"] - 0.01)
        wanted = min(max(wanted, policy["minNumReplicas"]), policy["maxNumReplicas"])
        now = time.monotonic()
        self._wanted = [(at, size) for at, size in self._wanted if at > now - _STABLE_S] + [(now, wanted)]
        size = len(self.present)
        if len(ready) == size and wanted > size:
            self._report(
                f"the autoscaler wants {wanted} VMs: {len(ready)} use {100 * use / len(ready):.0f} %"
            )
            self.google.resize(self.group, wanted)
        elif (
            now - self._wanted[0][0] > _STABLE_S - 2 * _ROUND_S and max(one for _, one in self._wanted) < size
        ):
            # One at a time, as the scale-in control says.
            self.google.resize(self.group, size - 1)
            self._wanted.clear()

    def _autoscaler(self) -> Json | None:
        found = [body for name, body in self.google.state.resources.items() if "/autoscalers/" in name]
        return found[0] if found else None


def _shut_down(booted: Machine) -> None:
    """As a VM that is stopped: systemd ends its services, then itself."""
    booted.run("systemctl", "poweroff")
    eventually(lambda: not booted.is_there(), 40, "the machine is off")


def _remove(cgroup: Path) -> None:
    def gone() -> bool:
        for folder in sorted(cgroup.rglob("*/"), reverse=True):
            with contextlib.suppress(OSError):
                folder.rmdir()
        with contextlib.suppress(FileNotFoundError, OSError):
            cgroup.rmdir()
        return not cgroup.exists()

    eventually(gone, 20, "the cgroup of the machine is empty")


@contextlib.contextmanager
def vms_of(
    google: Google, group: str, keys: SigningKeys, folder: Path, cgroups: Path, report: Callable[[str], None]
) -> Iterator[Vms]:
    """The group's virtual machines for the length of a with statement."""
    all_of_them = Vms(google, group, keys, folder, cgroups, report)
    thread = threading.Thread(target=all_of_them.run, name="the group")
    thread.start()
    try:
        yield all_of_them
    finally:
        all_of_them.close()
        thread.join()
