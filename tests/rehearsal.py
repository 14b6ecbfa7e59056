"""The walk through Google Cloud on one machine, free of charge: ``make cloud-rehearsal``.

`tukur gcp apply` makes everything in the tests' Compute Engine. The platform is a real hub behind the
address that was made for it. Each VM of the group is a booted systemd in namespaces that runs its start
script, installs the agent from the hub, joins by its identity, loads its processors, reports, and leaves.
All of it has a network of its own, which nothing reaches from elsewhere. The last line is one JSON object
with what was measured.
"""

import argparse
import base64
import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import sync_playwright

from tests.support.google.identity import Instance, SigningKeys
from tests.support.google.metadata import ACCESS_TOKEN, metadata_server
from tests.support.google.server import PROJECT, Google, google
from tests.support.google.vms import BRIDGE, GATEWAY, PREFIX, Vm, Vms, vms_of
from tests.support.machine import missing
from tests.support.running import TUKUR
from tests.support.waiting import eventually
from tukur.sources.cgroups import find_mount

ROOT = Path(__file__).resolve().parents[1]
REGION, NAME = "europe-west1", "walk"
DECLARATION = f'''project = "{PROJECT}"
region = "{REGION}"
zone = "{REGION}-b"
name = "{NAME}"
'''
LOAD_PERCENT = 20
"""Of each of two processors, which is 80 % of what a VM of the rehearsal is taken to have."""
_LOG_LINES = 15


def _slowly(_: float) -> None:
    time.sleep(0.5)


_BEGAN = time.monotonic()


def report(text: str) -> None:
    """A line of the walk, with the seconds since its start."""
    print(f"{time.monotonic() - _BEGAN:6.1f} s  {text}", file=sys.stderr, flush=True)


def run(*command: str, **variables: str) -> str:
    """What a command prints. Raises RuntimeError with what it said."""
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, **variables}
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def own_network() -> None:
    """The group's network, in a network namespace of this process."""
    for command in (
        ("ip", "link", "set", "lo", "up"),
        ("ip", "link", "add", BRIDGE, "type", "bridge"),
        ("ip", "address", "add", f"{GATEWAY}/{PREFIX}", "dev", BRIDGE),
        ("ip", "link", "set", BRIDGE, "up"),
    ):
        run(*command)


@contextlib.contextmanager
def own_cgroup() -> Iterator[Path]:
    """An empty one for those of the VMs."""
    mount = find_mount()
    if mount is None:
        raise RuntimeError("there is no cgroup v2 hierarchy here, which the VMs of the rehearsal need")
    folder = Path(mount.point) / f"tukur-rehearsal-{os.getpid()}"
    folder.mkdir()
    try:
        yield folder
    finally:
        folder.rmdir()


class Platform:
    """The hub, and what its VM's start script does around it."""

    def __init__(self, cloud: Google, keys: SigningKeys, folder: Path, installer: Path) -> None:
        self.cloud, self.keys, self.data = cloud, keys, folder / "data"
        self._folder, self._installer = folder, installer
        self.states: dict[str, set[str]] = {}
        """Every state that each host was seen in."""
        self.online_s: dict[str, float] = {}
        """When each host was online first (time.monotonic)."""
        self.hosts: dict[str, dict[str, Any]] = {}
        self._watching = threading.Event()

    @property
    def address(self) -> str:
        """The static one."""
        (found,) = [body for name, body in self.cloud.state.resources.items() if "/addresses/" in name]
        return str(found["address"])

    @property
    def vm(self) -> dict[str, Any]:
        """The platform's VM as Google has it."""
        resources = self.cloud.state.resources.items()
        (found,) = [body for name, body in resources if "/instances/" in name and "tests.group" not in body]
        return found

    def attribute(self, name: str) -> str:
        """Of the VM's metadata."""
        items = {item["key"]: item["value"] for item in self.vm["metadata"]["items"]}
        return str(items[name])

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """The hub, with its token stored and its hosts watched."""
        run("ip", "address", "add", f"{self.address}/32", "dev", BRIDGE)
        log = self._folder / "hub.log"
        with metadata_server(Instance.of(self.vm), self.keys) as metadata, log.open("w") as out:
            settings = {
                "TUKUR_GOOGLE_PROJECT": PROJECT,
                "TUKUR_GOOGLE_GROUPS": self.attribute("tukur-group"),
                "TUKUR_GOOGLE_CERTS_URL": metadata.certs_url,
                "TUKUR_GOOGLE_COMPUTE_URL": f"{self.cloud.url}/compute/v1",
                "GCE_METADATA_HOST": metadata.address,
            }
            command = [*TUKUR, "hub", "--data", str(self.data), "--host", "0.0.0.0", "--port", "443"]
            command += ["--name", self.address, "--installer", str(self._installer)]
            hub = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **settings})
            try:
                eventually((self.data / "tls" / "ca.pem").exists, 30, "the hub has its certificate")
                self._client = eventually(self._signed_in, 30, "the hub lets its owner in")
                self._store_token(settings)
                watcher = threading.Thread(target=self._watch)
                watcher.start()
                yield
                self._watching.set()
                watcher.join()
            except BaseException:
                print("".join(log.read_text().splitlines(keepends=True)[-_LOG_LINES:]), file=sys.stderr)
                raise
            finally:
                self._watching.set()
                hub.terminate()
                hub.wait(30)

    def _signed_in(self) -> httpx.Client | None:
        try:
            link = run(*TUKUR, "sign-in-link", "--data", str(self.data)).strip().split()[-1]
            url = f"https://{self.address}"
            client = httpx.Client(
                base_url=url, headers={"Origin": url}, verify=str(self.data / "tls" / "ca.pem"), timeout=20
            )
            answer = client.post("/api/session", json={"token": link.partition("token=")[2]})
            return client if answer.status_code == 201 else None
        except (RuntimeError, httpx.HTTPError):
            return None

    def _store_token(self, settings: Mapping[str, str]) -> None:
        made = run(*TUKUR, "join-token", "create", "--google", "--data", str(self.data), **settings)
        token = next(line.strip() for line in made.splitlines() if line.startswith("tukur-join-"))
        secret = f"{self.cloud.url}/v1/projects/{PROJECT}/secrets/{self.attribute('tukur-join-secret')}"
        body = {"payload": {"data": base64.b64encode(token.encode()).decode()}}
        headers = {"Authorization": f"Bearer {ACCESS_TOKEN}"}
        httpx.post(f"{secret}:addVersion", json=body, headers=headers).raise_for_status()

    def _watch(self) -> None:
        while not self._watching.wait(0.5):
            for host in self._client.get("/api/hosts?left=true").raise_for_status().json()["hosts"]:
                seen = self.states.setdefault(host["name"], set())
                if host["state"] not in seen:
                    report(f"host {host['name']} is {host['state']}")
                if host["online"]:
                    self.online_s.setdefault(host["name"], time.monotonic())
                seen.add(host["state"])
                self.hosts[host["name"]] = host

    def online(self) -> set[str]:
        """Names of the hosts that are online now."""
        return {name for name, host in self.hosts.items() if host["state"] == "online"}

    def picture(self, path: Path) -> None:
        """The page with all hosts."""
        link = run(*TUKUR, "sign-in-link", "--data", str(self.data)).strip().split()[-1]
        with sync_playwright() as playwright:
            options = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=options)
            page = browser.new_page(ignore_https_errors=True, viewport={"width": 1440, "height": 900})
            page.goto(link)
            page.wait_for_selector("main")
            page.get_by_role("link", name="Hosts").click()
            # The lines are of what was loaded since: a point each five seconds.
            drawn = "() => [...document.querySelectorAll('polyline')].every((line) => line.points.length > 8)"
            page.wait_for_selector("polyline")
            page.wait_for_function(drawn, timeout=120_000)
            page.screenshot(path=path)
            browser.close()


class Walk:
    """The steps, and what they took."""

    def __init__(self, owned: Platform, vms: Vms) -> None:
        self.platform, self.vms = owned, vms
        self._loaded: set[str] = set()
        self.measured: dict[str, float] = {}

    def first_host(self) -> None:
        began = time.monotonic()
        eventually(lambda: len(self.platform.online()) == 1, 240, "the first VM is online")
        self.measured["first_vm_s"] = time.monotonic() - began

    def load_until(self, count: int) -> None:
        """`tukur demo load` on each VM as it comes, until so many are online."""
        began = time.monotonic()
        report(f"tukur demo load --cpu {LOAD_PERCENT} --for 20m on each VM")

        def grown() -> bool:
            self._check()
            for vm in self.vms.present:
                if vm.ready and vm.name not in self._loaded:
                    self._load(vm)
            online = len(self.platform.online())
            if online >= 2:
                self.measured.setdefault("load_to_second_vm_s", time.monotonic() - began)
            return online >= count

        eventually(grown, 600, f"{count} VMs are online", pause=_slowly)
        self.measured["load_to_last_vm_s"] = time.monotonic() - began

    def _load(self, vm: Vm) -> None:
        assert vm.running is not None
        self._loaded.add(vm.name)
        # As a unit: in the machine's own cgroup, where the autoscaler sees it.
        load = ["/usr/local/bin/tukur", "demo", "load", "--cpu", str(LOAD_PERCENT), "--for", "20m"]
        done = vm.running.run("systemd-run", "--quiet", "--collect", "--unit=load", *load)
        assert done.returncode == 0, done.stderr

    def _check(self) -> None:
        problems = [vm.problem for vm in self.vms.known.values() if vm.problem]
        if problems:
            raise RuntimeError(problems[0])

    def unload_until(self, count: int) -> None:
        """The load ends; until only so many VMs are left and all others have left."""
        began = time.monotonic()
        report("the load ends")
        for vm in self.vms.present:
            if vm.running:
                vm.running.run("systemctl", "stop", "load")

        def shrunk() -> bool:
            self._check()
            states = [host["state"] for host in self.platform.hosts.values()]
            return states.count("online") == count and states.count("left") == len(states) - count

        eventually(shrunk, 300, f"{count} VM is left, and the others have left", pause=_slowly)
        self.measured["unload_to_last_left_s"] = time.monotonic() - began

    def boot_to_online_s(self) -> float:
        """From the creation of a VM to its host on the page: the slowest."""
        created = {vm.name: vm.created_s for vm in self.vms.known.values()}
        return max(at - created[name] for name, at in self.platform.online_s.items())

    def false_alarms(self) -> list[str]:
        """Hosts that were reported as down; none ever was."""
        return [name for name, seen in self.platform.states.items() if "offline" in seen]


def rehearse(most: int, installer: Path, picture: Path | None) -> dict[str, Any]:
    """The whole walk; what was measured. Raises RuntimeError or AssertionError where a step fails."""
    own_network()
    keys = SigningKeys()
    with (
        tempfile.TemporaryDirectory(prefix="tukur-walk-") as name,
        own_cgroup() as cgroups,
        google(host="0.0.0.0", enabled=False) as cloud,
    ):
        folder = Path(name)
        declaration = folder / "cloud.toml"
        declaration.write_text(f"{DECLARATION}[group]\nmax = {most}\n", encoding="utf-8")
        gcp = [*TUKUR, "gcp"]
        report("tukur gcp apply")
        run(*gcp, "apply", "--yes", str(declaration), **cloud.environment())
        report(f"{len(cloud.state.resources)} resources are there")
        group = f"projects/{PROJECT}/regions/{REGION}/instanceGroupManagers/{NAME}"
        (group,) = [one for one in cloud.state.resources if "/instanceGroupManagers/" in one]
        owned = Platform(cloud, keys, folder, installer)
        (folder / "vms").mkdir()
        with owned.running(), vms_of(cloud, group, keys, folder / "vms", cgroups, report) as vms:
            walk = Walk(owned, vms)
            walk.first_host()
            walk.load_until(most)
            if picture:
                owned.picture(picture)
                report(f"the picture is {picture}")
            walk.unload_until(1)
            alarms = walk.false_alarms()
            walk.measured["boot_to_online_s"] = walk.boot_to_online_s()
        report("tukur gcp destroy")
        run(*gcp, "destroy", "--yes", "--delete-data", str(declaration), **cloud.environment())
        # Google keeps a deleted role for a week, to be undeleted.
        left = sorted(name for name, body in cloud.state.resources.items() if not body.get("deleted"))
        report(f"{len(left)} resources are left")
    rounded = {key: round(value, 1) for key, value in walk.measured.items()}
    return {"vms": most, **rounded, "false_alarms": alarms, "resources_left": left}


def _in_own_network() -> int:
    """Runs this again in a network of its own; what takes the real one is made before."""
    with tempfile.TemporaryDirectory(prefix="tukur-installer-") as folder:
        installer = Path(folder) / "installer"
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        here = ("--python", python, "--architecture", platform.machine())
        run(sys.executable, "-m", "build_tools.installer", str(installer), *here)
        again = [sys.executable, "-m", "tests.rehearsal", *sys.argv[1:], "--inside", str(installer)]
        return subprocess.run(["unshare", "--net", *again], check=False, cwd=ROOT).returncode


def main() -> int:
    """1: a step failed, or a host was reported wrongly."""
    parser = argparse.ArgumentParser(prog="python -m tests.rehearsal", description=__doc__)
    parser.add_argument("--most", type=int, default=4, help="VMs at most (default: 4)")
    parser.add_argument("--picture", type=Path, help="file for a picture of the page with all hosts")
    parser.add_argument("--inside", type=Path, metavar="INSTALLER", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if reason := missing():
        print(f"the rehearsal cannot run here: {reason}", file=sys.stderr)
        return 1
    if options.inside is None:
        return _in_own_network()
    try:
        measured = rehearse(options.most, options.inside, options.picture)
    except (RuntimeError, AssertionError) as error:
        report(f"the rehearsal failed: {error}")
        return 1
    print(json.dumps(measured))
    return 1 if measured["false_alarms"] or measured["resources_left"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
