"""The hub hears of CPUs and memory that come and go, and not each second."""

import numpy as np
import pytest

from tukur.agent.clock import SECOND
from tukur.agent.machine import Machine, MachineWatch, machine_of
from tukur.records import HostSample
from tukur.sources.host import parse_stat
from tukur.sources.memory_limit import MemoryLimit

GIB = 1 << 30


def sample(*cores: int, memory: int = 8 * GIB) -> HostSample:
    text = "cpu  1 2 3 4\n" + "".join(f"cpu{core} 1 2 3 4\n" for core in cores)
    values = parse_stat(text.encode()) | ({"mem.total": memory} if memory else {})
    return HostSample(tuple(values), np.array(list(values.values()), dtype=np.int64))


@pytest.fixture
def watch() -> MachineWatch:
    made = MachineWatch(lambda: None)
    assert made.report(sample(0, 1)) == Machine(2, 8 * GIB)
    return made


def test_the_cpus_of_a_machine_are_those_that_are_online() -> None:
    assert machine_of(sample(0, 2, 3)) == Machine(3, 8 * GIB)


def test_a_machine_that_stays_as_it_is_is_not_reported_again(watch: MachineWatch) -> None:
    assert not watch.is_due(sample(0, 1), 100 * SECOND)
    assert not watch.is_due(sample(0, 2), 100 * SECOND)
    assert not watch.is_due(sample(0, 1, memory=8 * GIB - 4096), 100 * SECOND)


def test_a_cpu_that_goes_offline_and_memory_that_is_plugged_in_are_reported_at_once(
    watch: MachineWatch,
) -> None:
    assert watch.is_due(sample(0), 100 * SECOND)
    assert not watch.is_due(sample(0), 101 * SECOND)
    assert watch.is_due(sample(0, memory=16 * GIB), 110 * SECOND)


def test_a_sample_without_the_memory_says_nothing_of_it(watch: MachineWatch) -> None:
    assert not watch.is_due(sample(0, 1, memory=0), 100 * SECOND)


def test_a_core_that_is_switched_each_second_is_reported_ever_more_rarely(watch: MachineWatch) -> None:
    due = [
        second for second in range(100, 700) if watch.is_due(sample(*range(1 + second % 2)), second * SECOND)
    ]
    assert due[0] == 100
    assert len(due) <= 10


def test_a_limit_that_is_set_while_it_runs_is_reported_within_a_minute() -> None:
    limits: list[MemoryLimit | None] = [None]
    watch = MachineWatch(lambda: limits[-1])
    watch.report(sample(0, 1))
    assert not watch.is_due(sample(0, 1), 100 * SECOND)
    limits.append(MemoryLimit(GIB, "/docker/abc"))
    assert [second for second in range(101, 170) if watch.is_due(sample(0, 1), second * SECOND)] == [160]
    assert watch.report(sample(0, 1)).limit == limits[-1]


def test_a_limit_beyond_the_machines_memory_is_none() -> None:
    assert machine_of(sample(0), MemoryLimit(8 * GIB, "/")).limit is None
