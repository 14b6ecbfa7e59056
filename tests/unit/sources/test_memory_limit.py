"""The lowest limit from this process's cgroup upwards, in both versions of cgroups."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tukur.sources.cgroups import cgroup2_mount, cgroup_mounts
from tukur.sources.memory_limit import MemoryLimit, memory_limit
from tukur.sources.probe import describe_memory

GIB = 1 << 30


@pytest.fixture
def process(tmp_path: Path) -> Path:
    """A directory as /proc/self with all mounts below the test's own folder."""
    (tmp_path / "self").mkdir()
    return tmp_path / "self"


def mounted(process: Path, kind: str, root: str, options: str = "rw") -> Path:
    point = process.parent / kind
    point.mkdir()
    line = f"31 23 0:27 {root} {point} rw,nosuid - {kind} {kind} {options}\n"
    (process / "mountinfo").write_text(f"23 1 8:1 / / rw - ext4 /dev/vda1 rw\n{line}")
    return point


def limit(folder: Path, file: str, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(text + "\n")


def test_the_lowest_limit_of_the_cgroups_above_counts(process: Path) -> None:
    point = mounted(process, "cgroup2", "/")
    (process / "cgroup").write_text("0::/kubepods/pod7/agent\n")
    limit(point / "kubepods", "memory.max", str(8 * GIB))
    limit(point / "kubepods/pod7", "memory.max", str(2 * GIB))
    limit(point / "kubepods/pod7/agent", "memory.max", "max")
    assert memory_limit(process) == MemoryLimit(2 * GIB, "/kubepods/pod7")


def test_a_container_with_a_namespace_of_its_own_finds_the_limit_at_its_root(process: Path) -> None:
    point = mounted(process, "cgroup2", "/")
    (process / "cgroup").write_text("0::/\n")
    limit(point, "memory.max", str(GIB))
    assert memory_limit(process) == MemoryLimit(GIB, "/")


def test_version_1_is_read_where_the_memory_controller_is_mounted(process: Path) -> None:
    # The container sees its own part of the tree, and its path in the whole one.
    point = mounted(process, "cgroup", "/docker/abc", "rw,memory")
    (process / "cgroup").write_text("5:cpu,cpuacct:/x\n4:memory:/docker/abc\n0::/\n")
    limit(point, "memory.limit_in_bytes", str(GIB))
    assert memory_limit(process) == MemoryLimit(GIB, "/docker/abc")
    limit(point, "memory.limit_in_bytes", "9223372036854771712")
    assert memory_limit(process) is None


def test_a_process_outside_of_what_is_mounted_has_the_limit_of_the_mount(process: Path) -> None:
    point = mounted(process, "cgroup2", "/")
    (process / "cgroup").write_text("0::/../other\n")
    limit(point, "memory.max", str(GIB))
    assert memory_limit(process) == MemoryLimit(GIB, "/")


def test_what_cannot_be_read_is_no_limit(process: Path) -> None:
    assert memory_limit(process) is None
    point = mounted(process, "cgroup2", "/")
    (process / "cgroup").write_text("0::/a\nodd\n")
    limit(point / "a", "memory.max", "lots")
    assert memory_limit(process) is None


def test_this_machine_answers() -> None:
    found = memory_limit()
    assert found is None or found.size > 0


@pytest.fixture
def limited_cgroup() -> Iterator[Path]:
    """A cgroup with a limit of 1 GiB, below this process's own."""
    by_controller = {
        controller: path
        for line in Path("/proc/self/cgroup").read_text().splitlines()
        for controller, path in [line.split(":", 2)[1:]]
    }
    mountinfo = Path("/proc/self/mountinfo").read_text()
    version_1 = cgroup_mounts(mountinfo).get("memory")
    mount = version_1 or cgroup2_mount(mountinfo)
    if mount is None:
        pytest.skip("no cgroups here")
    own = by_controller["memory" if version_1 else ""].lstrip("/")
    folder = Path(mount.point, own, f"tukur-test-{os.getpid()}")
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no cgroup can be made here: {error}")
    try:
        (folder / ("memory.limit_in_bytes" if version_1 else "memory.max")).write_text(str(GIB))
    except OSError as error:
        folder.rmdir()
        pytest.skip(f"no limit can be set here: {error}")
    yield folder
    folder.rmdir()


def test_doctor_names_the_limit_of_the_cgroup_that_it_runs_in(limited_cgroup: Path) -> None:
    command = 'echo $$ > "$0/cgroup.procs" && exec "$1" -m tukur doctor'
    found = subprocess.run(
        ["sh", "-c", command, limited_cgroup, sys.executable], capture_output=True, text=True, check=False
    )
    assert re.search(
        rf"of which cgroup \S*/{limited_cgroup.name} leaves 1\.0 GiB to this process", found.stdout
    )


def test_memory_that_is_estimated_is_said_to_be() -> None:
    assert describe_memory({"mem.total": 8 * GIB, "mem.available": GIB}, None) == "8.0 GiB"
    assert "no MemAvailable" in describe_memory({"mem.total": 8 * GIB}, MemoryLimit(GIB, "/a"))
