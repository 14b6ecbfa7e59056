"""bpf and procfs, side by side, about a process whose main thread has ended while another lives."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cgroups import cgroups
from tests.support.mainless import change_user, live_tid, mainless
from tests.support.waiting import eventually
from tukur.sources.bpf.libbpf import KERNEL_BTF
from tukur.sources.bpf.source import BpfSource
from tukur.sources.crosscheck import compare_readings, take
from tukur.sources.procfs.source import ProcfsSource

MIB = 1 << 20


@pytest.fixture
def sources() -> Iterator[tuple[BpfSource, ProcfsSource]]:
    if os.geteuid():
        pytest.skip("only root can load eBPF programs")
    if not KERNEL_BTF.exists():
        pytest.skip(f"this kernel has no {KERNEL_BTF}")
    made = BpfSource(), ProcfsSource()
    yield made
    for source in made:
        source.close()


def test_both_say_of_it_what_its_live_thread_is(
    sources: tuple[BpfSource, ProcfsSource], tmp_path: Path
) -> None:
    with cgroups() as made, mainless(tmp_path, mib=64) as process:

        def rows() -> list[Any]:
            tables = [source.read() for source in sources]
            return [table[table["pid"] == process.pid][0] for table in tables]

        def agreed(**wanted: Any) -> None:
            # What is done to a process from outside shows within ten readings.
            def shown() -> bool:
                return all(int(row[name]) == value for row in rows() for name, value in wanted.items())

            eventually(shown, what=str(wanted))

        agreed(state=ord("S"), threads=1, uid=0, ppid=os.getpid(), ns_pid=process.pid)
        os.setpriority(os.PRIO_PROCESS, live_tid(process), 17)
        made.place("tukur-test-mainless", process.pid)
        cgroup_id = (made.root / "tukur-test-mainless").stat().st_ino
        agreed(nice=17, uid=change_user(process), cgroup_id=cgroup_id)
        for row in rows():
            assert bytes(row["comm"]) == b"worker"
            assert int(row["rss_anon"]) == pytest.approx(64 * MIB, abs=4 * MIB)
            assert int(row["vsz"]) > 64 * MIB
        process.send_signal(signal.SIGSTOP)
        agreed(state=ord("T"), threads=1)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        agreed(state=ord("Z"), rss_anon=0, vsz=0)


def test_the_cross_check_finds_no_difference(sources: tuple[BpfSource, ProcfsSource], tmp_path: Path) -> None:
    with mainless(tmp_path, mib=64) as process:
        ours, theirs = (
            [table[table["pid"] == process.pid] for table in tables] for tables in take(sources, 0, 0.02)
        )
        found = compare_readings("bpf", "procfs", ours, theirs, os.cpu_count() or 1)
        assert [field for field in found.fields if not field.agrees] == []
