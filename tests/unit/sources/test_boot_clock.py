"""One clock for all starts and samples, in whatever time namespace."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.time_namespace import run_in_time_namespace
from tukur.sources import boot_clock
from tukur.sources.boot_clock import Offsets, parse_offsets, read_offsets
from tukur.sources.proc import is_exact, parse_stat, read, read_stat, start_tick

DAY_NS = 86_400 * 10**9
READ = """
import json, os, sys, time
from tukur.agent.clock import now
from tukur.sources import boot_clock
from tukur.sources.host import HostReader
from tukur.sources.proc import is_exact, parse_stat, read, read_stat, start_tick
from tukur.sources.procfs.source import ProcfsSource
pids = [int(word) for word in sys.argv[1:]]
tasks = ProcfsSource(frozenset(pids)).read()
print(json.dumps({
    "shown": [parse_stat(read(f"/proc/{pid}/stat")).start_ticks for pid in pids],
    "starts": [read_stat(pid).start_ns for pid in pids],
    "ticks": [start_tick(read_stat(pid).start_ns) for pid in pids],
    "exact": [is_exact(read_stat(pid).start_ns) for pid in pids],
    "rows": tasks["start_ns"].tolist(),
    "now": [now().boot_ns, HostReader().read().get("uptime")],
    "here": time.clock_gettime_ns(time.CLOCK_BOOTTIME),
    "suspended": boot_clock.suspended_ns(),
}))
"""


def test_the_offsets_of_a_namespace_are_parsed() -> None:
    text = "monotonic           0         0\nboottime       -86401 999999999\n"
    assert parse_offsets(text) == Offsets(0, -86_400 * 10**9 - 1)


@pytest.mark.parametrize("text", ["", "monotonic 0 0\n", "boottime x 0\n", "boottime 1\n"])
def test_what_is_no_file_of_offsets_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|invalid literal|unpack"):
        parse_offsets(text)


def test_a_kernel_without_time_namespaces_has_no_offsets(tmp_path: Path) -> None:
    assert read_offsets(tmp_path) == Offsets()


def test_offsets_are_unknown_where_they_are_only_those_of_the_children(tmp_path: Path) -> None:
    (tmp_path / "ns").mkdir()
    (tmp_path / "ns/time").write_text("")
    (tmp_path / "timens_offsets").write_text("monotonic 0 0\nboottime 5 0\n")
    (tmp_path / "ns/time_for_children").hardlink_to(tmp_path / "ns/time")
    assert read_offsets(tmp_path) == Offsets(0, 5 * 10**9)
    (tmp_path / "ns/time_for_children").unlink()
    (tmp_path / "ns/time_for_children").write_text("")
    assert read_offsets(tmp_path) is None


# The last one: behind by so much that whatever started in the machine's first minutes has a negative start.
@pytest.mark.parametrize("ahead_ns", [0, DAY_NS, DAY_NS + 4_321_000, -1])
def test_in_a_time_namespace_all_times_are_the_machines(ahead_ns: int) -> None:
    own, first = os.getpid(), 1
    before_ns = boot_clock.now_ns()
    if ahead_ns < 0:
        ahead_ns = -before_ns // 2
    pids = [str(first), str(own)]
    found = json.loads(run_in_time_namespace(READ, *pids, boottime_ns=ahead_ns, monotonic_ns=ahead_ns))
    after_ns = boot_clock.now_ns()
    here = [parse_stat(read(f"/proc/{pid}/stat")) for pid in (first, own)]
    if ahead_ns:
        assert found["shown"] != [stat.start_ticks for stat in here]
    for stat, start_ns, row in zip(here, found["starts"], found["rows"], strict=True):
        assert abs(start_ns - stat.start_ns) < 10_000_000
        assert row == start_ns
    assert found["ticks"] == found["shown"]
    assert found["exact"] == [False, False]
    assert all(before_ns <= at_ns <= after_ns for at_ns in found["now"])
    assert before_ns <= found["here"] - ahead_ns <= after_ns
    assert abs(found["suspended"] - boot_clock.suspended_ns()) < 10_000_000


def test_the_namespace_of_who_is_read_about_plays_no_part() -> None:
    if os.geteuid() != 0 or not Path("/proc/self/ns/time").exists():
        pytest.skip("needs root and a kernel with time namespaces")
    before_ns = boot_clock.now_ns()
    command = ["unshare", "--time", "--boottime", "86400", "--fork", "--kill-child"]
    code = ["sh", "-c", "echo $$; cut -d. -f1 /proc/uptime; read end"]
    with subprocess.Popen(
        [*command, *code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as inside:
        assert inside.stdout is not None
        pid, uptime_s = int(inside.stdout.readline()), int(inside.stdout.readline())
        assert uptime_s * 10**9 > before_ns + DAY_NS - 2 * 10**9
        stat = read_stat(pid)
        assert stat is not None
        assert before_ns - 10_000_000 <= stat.start_ns <= boot_clock.now_ns()
        assert inside.stdin is not None
        inside.stdin.close()


def test_a_start_is_exact_or_a_tick() -> None:
    stat = read_stat(os.getpid())
    assert stat is not None
    assert start_tick(stat.start_ns) == start_tick(stat.start_ns + 9_999_999) == stat.start_ticks
    assert (is_exact(stat.start_ns), is_exact(stat.start_ns + 1)) == (False, True)
    assert (
        abs(boot_clock.now_ns() + boot_clock.ahead_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)) < 10**9
    )
