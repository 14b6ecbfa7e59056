"""Recorded texts of /proc, and that what is read is what is declared."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tukur.records import metric_of
from tukur.sources.host import (
    HostReader,
    parse_diskstats,
    parse_loadavg,
    parse_meminfo,
    parse_net_dev,
    parse_pressure,
    parse_stat,
)


def test_cpu_time_is_in_nanoseconds_by_core_and_mode() -> None:
    values = parse_stat(
        b"cpu  10 1 2 3 4 5 6 7 8 9\ncpu0 1 0 0 2 0 0 0 0 0 0\nctxt 77\nprocesses 5\nsoftirq 1 2 3\n"
    )
    assert values["cpu.total.user"] == 100_000_000
    assert values["cpu.total.guest_nice"] == 90_000_000
    assert values["cpu.0.idle"] == 20_000_000
    assert (values["context_switches"], values["procs.forks"]) == (77, 5)


def test_a_kernel_with_fewer_columns_has_fewer_figures() -> None:
    assert set(parse_stat(b"cpu  1 2 3 4\n")) == {
        f"cpu.total.{mode}" for mode in ("user", "nice", "system", "idle")
    }


def test_memory_is_in_bytes() -> None:
    content = (
        b"MemTotal:  1000 kB\nHugePages_Total:  3\nHugepagesize:  2048 kB\nCommitted_AS:  7 kB\nOdd: 1\n"
    )
    assert parse_meminfo(content) == {
        "mem.total": 1_024_000,
        "mem.committed": 7168,
        "mem.huge_total": 3 * 2048 * 1024,
    }


def test_load_is_in_thousandths() -> None:
    assert parse_loadavg(b"0.29 1.05 12.00 1/70 8060\n") == {"load.1": 290, "load.5": 1050, "load.15": 12000}


def test_pressure_is_the_total_in_microseconds() -> None:
    content = b"some avg10=0.00 avg60=0.00 avg300=0.00 total=29138522\nfull avg10=0.00 total=4\n"
    assert parse_pressure("io", content) == {"psi.io.some": 29138522, "psi.io.full": 4}


DISKS = b"""   8       0 sda 10 1 20 3 30 4 40 5 0 6 7
   8       1 sda1 10 1 20 3 30 4 40 5 0 6 7
 253       0 dm-0 10 1 20 3 30 4 40 5 0 6 7
   7       0 loop0 1 0 2 0 0 0 0 0 0 0 0
   8      16 sdb 1 2
"""


def test_disk_figures_are_of_whole_disks_in_bytes() -> None:
    assert parse_diskstats(DISKS, lambda name: name == "sda") == {
        "disk.sda.reads": 10,
        "disk.sda.read_bytes": 20 * 512,
        "disk.sda.writes": 30,
        "disk.sda.write_bytes": 40 * 512,
        "disk.sda.busy_ms": 6,
    }


NET = b"""Inter-|   Receive                       |  Transmit
 face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop fifo colls carrier
    lo: 3193 29 0 0 0 0 0 0 3193 29 0 0 0 0 0 0
  eth0: 5442 24 1 2 0 0 0 0 993 12 3 4 0 0 0 0
docker0:1 1 1 1 0 0 0 0 1 1 1 1 0 0 0 0
eth0:1: 7 7 7 7 0 0 0 0 7 7 7 7 0 0 0 0
"""


def test_network_figures_are_of_hardware_alone_where_there_is_some() -> None:
    values = parse_net_dev(NET, lambda name: name == "eth0")
    assert values == {
        "net.eth0.rx_bytes": 5442,
        "net.eth0.rx_packets": 24,
        "net.eth0.rx_errors": 1,
        "net.eth0.rx_dropped": 2,
        "net.eth0.tx_bytes": 993,
        "net.eth0.tx_packets": 12,
        "net.eth0.tx_errors": 3,
        "net.eth0.tx_dropped": 4,
    }


def test_in_a_container_every_interface_but_lo_counts() -> None:
    names = {name.rpartition(".")[0] for name in parse_net_dev(NET, lambda _: False)}
    assert names == {"net.eth0", "net.docker0", "net.eth0:1"}


@pytest.fixture
def reader() -> Iterator[HostReader]:
    made = HostReader()
    yield made
    made.close()


def test_every_figure_of_this_machine_is_declared(reader: HostReader) -> None:
    sample = reader.read()
    assert [name for name in sample.names if metric_of(name) is None] == []
    assert len(set(sample.names)) == len(sample.names)
    assert reader.faults == {}


def test_this_machine_has_what_every_machine_has(reader: HostReader) -> None:
    sample = reader.read()
    assert sample.get("mem.total") > sample.get("mem.available") > 0
    assert sample.get("cpu.total.idle") > 0
    assert abs(sample.get("uptime") - time.clock_gettime_ns(time.CLOCK_BOOTTIME)) < 10**9


def test_the_names_are_the_same_object_while_the_set_is_the_same(reader: HostReader) -> None:
    assert reader.read().names is reader.read().names


def test_counters_only_grow(reader: HostReader) -> None:
    before, after = reader.read(), reader.read()
    for name in before.names:
        metric = metric_of(name)
        # iowait is an estimate that the kernel takes back: proc(5).
        if metric is not None and metric.kind == "counter" and not name.endswith(("iowait", "idle")):
            assert after.get(name) >= before.get(name), name


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    for folder in ("net", "pressure"):
        (tmp_path / folder).mkdir()
    (tmp_path / "stat").write_bytes(b"cpu  1 2 3 4\n")
    (tmp_path / "meminfo").write_bytes(b"MemTotal: 10 kB\n")
    return tmp_path


def test_what_this_kernel_lacks_has_not_failed(proc: Path) -> None:
    reader = HostReader(str(proc), str(proc))
    assert reader.read().get("mem.total") == 10240
    assert reader.faults == {}
    reader.close()


def test_one_collector_that_fails_is_counted_and_the_others_go_on(proc: Path) -> None:
    (proc / "meminfo").write_bytes(b"MemTotal: lots\n")
    reader = HostReader(str(proc), str(proc))
    for _ in range(2):
        assert reader.read().get("cpu.total.user") == 10_000_000
    assert reader.faults == {"meminfo": 2}
    reader.close()


def test_a_long_file_is_read_to_its_end(proc: Path) -> None:
    lines = b"".join(b"cpu%d 1 2 3 4 5 6 7 8 9 10\n" % core for core in range(5000))
    (proc / "stat").write_bytes(lines)
    reader = HostReader(str(proc), str(proc))
    assert reader.read().get("cpu.4999.user") == 10_000_000
    reader.close()


def test_the_cache_of_zfs_is_in_bytes(proc: Path) -> None:
    (proc / "spl/kstat/zfs").mkdir(parents=True)
    (proc / "spl/kstat/zfs/arcstats").write_bytes(
        b"13 1 0x01 147 39984 5217093847 94883829\nname type data\nhits 4 35\n"
        b"c_min 4 262144\nc 4 9\nsize 4 1048576\n"
    )
    reader = HostReader(str(proc), str(proc))
    sample = reader.read()
    reader.close()
    assert (sample.get("mem.arc"), sample.get("mem.arc_min")) == (1048576, 262144)


def test_a_counter_that_wrapped_below_zero_is_left_out(proc: Path) -> None:
    (proc / "stat").write_bytes(b"cpu  1 2 3 4 5 6 7 1844674407370955\n")
    reader = HostReader(str(proc), str(proc))
    sample = reader.read()
    reader.close()
    assert (sample.get("cpu.total.user"), sample.get("cpu.total.steal", -1)) == (10_000_000, -1)


def test_without_sysfs_it_is_not_known_which_disks_there_are(proc: Path) -> None:
    (proc / "diskstats").write_bytes(DISKS)
    reader, with_sysfs = HostReader(str(proc), str(proc / "nowhere")), HostReader(str(proc), str(proc))
    assert [name for name in reader.read().names if name.startswith("disk")] == []
    (proc / "block").mkdir()
    assert with_sysfs.read().get("disks", -1) == 0
    reader.close()
    with_sysfs.close()
