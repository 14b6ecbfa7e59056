"""Each byte is counted once: trees of /sys as machines have them, in the parts that are asked for."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tukur.records import host_rates
from tukur.sources.devices import Devices
from tukur.sources.host import HostReader

Tree = dict[str, str | None]
"""Path below /sys/block or /sys/class/net to a file's content; None: a directory."""


def make(root: Path, tree: Tree) -> None:
    for name, content in tree.items():
        path = root / name
        if content is None:
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content + "\n", encoding="utf-8")


def disks(sys: Path, tree: Tree) -> Devices:
    make(sys / "block", tree)
    return Devices(sys)


HARDWARE = ["sda", "vda", "xvda", "nvme0n1", "mmcblk0", "mmcblk0boot0", "sr0", "rbd0", "pmem0", "cciss!c0d0"]


@pytest.mark.parametrize("name", HARDWARE)
def test_what_hangs_on_a_bus_is_a_disk(tmp_path: Path, name: str) -> None:
    devices = disks(tmp_path, {f"{name}/device": None, f"{name}/slaves": None, f"{name}/hidden": "0"})
    assert devices.is_disk(name.replace("!", "/"))


@pytest.mark.parametrize(
    ("name", "tree"),
    [
        ("dm-0", {"dm-0/slaves/sda2": None, "dm-0/dm/name": "vg-root"}),
        ("md127", {"md127/slaves/sda": None, "md127/slaves/sdb": None}),
        ("bcache0", {"bcache0/slaves/sda": None, "bcache0/slaves/nvme0n1": None}),
        ("loop0", {"loop0/loop/backing_file": "/var/lib/snapd/snaps/core.snap", "loop0/slaves": None}),
        ("loop1", {"loop1/slaves": None, "loop1/dev": "7:1"}),
        ("zd0", {"zd0/slaves": None, "zd0/dev": "230:0"}),
        ("zd16", {"zd16/slaves": None, "zd16/dev": "230:16"}),
        ("zram0", {"zram0/disksize": "4096", "zram0/dev": "253:0"}),
        ("ram0", {"ram0/slaves": None, "ram0/dev": "1:0"}),
        ("drbd0", {"drbd0/slaves": None, "drbd0/dev": "147:0"}),
    ],
)
def test_what_passes_its_bytes_on_or_keeps_them_in_memory_is_not_counted(
    tmp_path: Path, name: str, tree: Tree
) -> None:
    assert disks(tmp_path, tree).is_disk(name) is False


def test_a_partition_is_not_a_disk(tmp_path: Path) -> None:
    devices = disks(tmp_path, {"sda/device": None, "sda/sda1/partition": "1"})
    assert (devices.is_disk("sda"), devices.is_disk("sda1")) == (True, False)


@pytest.mark.parametrize(
    ("name", "tree"),
    [
        ("nbd0", {"nbd0/pid": "812", "nbd0/slaves": None}),
        ("nbd1", {"nbd1/dev": "43:32", "nbd1/slaves": None}),
        ("rnbd0", {"rnbd0/rnbd/state": "open"}),
        ("etherd/e0.0", {"etherd!e0.0/dev": "152:0"}),
    ],
)
def test_a_disk_that_is_reached_over_a_network_is_counted(tmp_path: Path, name: str, tree: Tree) -> None:
    assert disks(tmp_path, tree).is_disk(name)


NVME: Tree = {
    "nvme0n1/device": None,
    "nvme0n1/hidden": "0",
    "nvme0c0n1/device": None,
    "nvme0c0n1/hidden": "1",
    "nvme0c1n1/device": None,
    "nvme0c1n1/hidden": "1",
}


@pytest.mark.parametrize("head", [{}, {"nvme0n1/queue/iostats": "1"}])
def test_the_paths_of_an_nvme_disk_are_not_counted_beside_it(tmp_path: Path, head: Tree) -> None:
    devices = disks(tmp_path, NVME | head)
    assert [devices.is_disk(name) for name in ("nvme0n1", "nvme0c0n1", "nvme0c1n1")] == [True, False, False]


def test_the_paths_stand_for_an_nvme_disk_that_counts_nothing_itself(tmp_path: Path) -> None:
    devices = disks(tmp_path, NVME | {"nvme0n1/queue/iostats": "0"})
    assert [devices.is_disk(name) for name in ("nvme0c0n1", "nvme0c1n1")] == [True, True]


INTERFACES: Tree = {
    "lo/iflink": "1",
    "eth0/device": None,
    "eth0/phys_port_name": "p0",
    "wlan0/device/ieee80211": None,
    "wwan0/device": None,
    # A virtual function counts what went through its own queues, its physical function does not.
    "eth0v0/device/physfn": None,
    # On the switch's side of a virtual function.
    "eth0_0/device": None,
    "eth0_0/phys_port_name": "pf0vf0",
    # Hyper-V: netvsc and the virtual function behind it.
    "hv0/device": None,
    "enP1s0/device": None,
    "enP1s0/master/device": None,
    # Members of a bond and of a bridge, and those themselves.
    "eth1/device": None,
    "eth1/master/bonding": None,
    "bond0/bonding": None,
    "br0/bridge": None,
    "eth0.100/iflink": "2",
    "veth1/iflink": "7",
    "wg0/uevent": "DEVTYPE=wireguard",
    # A port of a switch behind eth0.
    "lan1/device": None,
    "lan1/uevent": "DEVTYPE=dsa\nINTERFACE=lan1",
}


def test_interfaces_that_are_hardware_count_each_byte_once(tmp_path: Path) -> None:
    make(tmp_path / "class/net", INTERFACES)
    devices = Devices(tmp_path)
    names = sorted({name.split("/")[0] for name in INTERFACES})
    counted = [name for name in names if devices.is_interface(name)]
    assert counted == ["eth0", "eth0v0", "eth1", "hv0", "wlan0", "wwan0"]


def test_a_name_that_goes_to_another_device_is_left_out_of_one_sample(tmp_path: Path) -> None:
    make(tmp_path / "class/net", {"eth0/device": None, "eth1/device": None})
    devices = Devices(tmp_path)
    assert [devices.is_interface("eth0") for _ in range(2)] == [True, True]
    net = tmp_path / "class/net"
    (net / "eth0").rename(net / "old")
    (net / "eth1").rename(net / "eth0")
    assert [devices.is_interface("eth0") for _ in range(2)] == [None, True]


def test_an_array_that_gets_its_members_later_is_noticed(tmp_path: Path) -> None:
    devices = disks(tmp_path, {"sda/device": None})
    assert devices.is_disk("sda")
    make(tmp_path / "block", {"sda/slaves/sdb": None})
    assert False in [devices.is_disk("sda") for _ in range(40)]


DISKSTATS = """ 8 0 sda 10 0 {sda} 0 0 0 0 0 0 0 0
 230 0 zd0 10 0 {zd0} 0 0 0 0 0 0 0 0
 259 1 nvme0n1 10 0 {nvme} 0 0 0 0 0 0 0 0
 259 2 nvme0c0n1 10 0 {nvme} 0 0 0 0 0 0 0 0
 43 0 nbd0 10 0 {nbd} 0 0 0 0 0 0 0 0
"""


def test_a_reader_sums_what_a_recorded_machine_did(tmp_path: Path) -> None:
    tree = NVME | {"sda/device": None, "zd0/dev": "230:0", "nbd0/dev": "43:0", "nbd0/pid": "7"}
    make(tmp_path / "block", tree)
    stats = tmp_path / "diskstats"
    reader = HostReader(str(tmp_path), str(tmp_path))
    stats.write_text(DISKSTATS.format(sda=100, zd0=100, nvme=100, nbd=100))
    before = reader.read()
    stats.write_text(DISKSTATS.format(sda=101, zd0=1000, nvme=102, nbd=104))
    now = reader.read()
    reader.close()
    assert now.get("disks") == 3
    assert host_rates(now, before, 1.0, 1).disk_read == (1 + 2 + 4) * 512


@pytest.fixture
def other_network() -> Iterator[str]:
    """A network namespace of the test's own, with its own /sys: which interface is another's is not seen."""
    name = f"tukur-{os.getpid()}"
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("needs root and iproute2")
    if subprocess.run(["ip", "netns", "add", name], check=False, capture_output=True).returncode:
        pytest.skip("no network namespaces here")
    yield name
    subprocess.run(["ip", "netns", "delete", name], check=True)


PROGRAM = """
import socket, subprocess
from tukur.records import host_rates
from tukur.sources.host import HostReader

def pair(one, other, megabytes):
    subprocess.run(["ip", "link", "add", one, "type", "veth", "peer", "name", other], check=True)
    for name in (one, other):
        subprocess.run(["ip", "link", "set", name, "up"], check=True)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind((one, 0))
        for _ in range(megabytes * 1000):
            wire.send(bytes(1000))

reader = HostReader()
pair("one", "two", 1)
old = reader.read()
assert old.get("net.one.tx_bytes") >= 1_000_000, old.names
subprocess.run(["ip", "link", "delete", "two"], check=True)
pair("one", "two", 5)
pair("three", "four", 5)
replaced = reader.read()
rates = host_rates(replaced, old, 1.0, 1)
assert (rates.net_rx, rates.net_tx) == (0, 0), rates
assert "net.two.rx_bytes" not in replaced.names, replaced.names
again = reader.read()
assert "net.two.rx_bytes" in again.names
assert host_rates(again, replaced, 1.0, 1).net_tx < 1_000_000
"""


def test_interfaces_that_come_go_and_are_replaced_are_no_traffic(other_network: str) -> None:
    subprocess.run(["ip", "netns", "exec", other_network, sys.executable, "-c", PROGRAM], check=True)
