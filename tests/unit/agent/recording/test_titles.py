"""Titles that processes write over their arguments: found within a budget, recorded at a bounded rate."""

import itertools
from typing import Any

from tests.support.waiting import eventually
from tukur.agent.recording import titles as module
from tukur.agent.recording.titles import Pace, Titles
from tukur.protocol.messages import Image


class Machine:
    """Processes whose arguments are what a test says."""

    def __init__(self, count: int) -> None:
        self.arguments = dict.fromkeys(range(1, count + 1), b"server\x00--port\x001\x00")
        self.read: list[int] = []
        self.titles = Titles(self._read)
        self.now_s = 0.0
        for pid in self.arguments:
            self.titles.known(pid, 100, [b"server", b"--port", b"1"], 0)

    def _read(self, pid: int) -> bytes:
        self.read.append(pid)
        return self.arguments.get(pid, b"")

    def second(self, *ran: int) -> list[tuple[int, list[bytes]]]:
        """One second later: what changed of what was read then; these ran."""
        self.now_s += 1
        asked = len(self.read)
        self.titles.look(ran, self.now_s)
        eventually(lambda: self.titles.slow(0) == 0 and not self._asking(), 5, "all is read")
        del self.read[:asked]
        return self.titles.changed(self.now_s)

    def _asking(self) -> bool:
        return any(self.titles._lookups.asking((pid, 100)) for pid in self.arguments)


def test_a_title_is_found_when_its_process_ran_and_each_only_once() -> None:
    machine = Machine(3)
    machine.arguments[2] = b"srv: job 1 idle\0\0\0\0"
    assert machine.second(1, 2, 3) == [(2, [b"srv: job 1 idle"])]
    assert machine.second(1, 2, 3) == []


def test_what_does_not_run_is_not_read_and_what_stays_the_same_less_and_less() -> None:
    machine = Machine(3)
    for _ in range(20):
        machine.second(1)
        assert set(machine.read) <= {1}
    reads = 0
    for _ in range(60):
        machine.second(1)
        reads += len(machine.read)
    assert reads == 15


def test_the_more_processes_run_the_longer_it_takes_until_each_is_read_again() -> None:
    machine = Machine(300)
    everybody = list(machine.arguments)
    for _ in range(100):
        machine.second(*everybody)
    reads = 0
    for _ in range(30):
        machine.second(*everybody)
        reads += len(machine.read)
    assert 8 * 30 < reads < 12 * 30


def test_a_title_written_just_before_a_process_slept_is_found_when_it_is_due() -> None:
    machine = Machine(1)
    for _ in range(20):
        machine.second(1)
    machine.arguments[1] = b"srv: idle\0"
    machine.second(1)
    found = [changed for _ in range(10) for changed in machine.second()]
    assert found == [(1, [b"srv: idle"])]


def test_one_that_rewrites_is_read_every_two_seconds() -> None:
    machine = Machine(1)
    found = 0
    for second in range(60):
        machine.arguments[1] = b"srv: job %d\0" % second
        found += len(machine.second(1))
    assert found >= 28


def test_a_second_reads_no_more_than_its_budget_and_in_the_end_everybody() -> None:
    machine = Machine(200)
    everybody = list(machine.arguments)
    seen: set[int] = set()
    for _ in range(5):
        machine.second(*everybody)
        assert len(machine.read) <= module.READS
        seen |= set(machine.read)
    assert seen == set(everybody)


def test_one_that_has_ended_or_is_another_by_now_has_no_new_title() -> None:
    machine = Machine(2)
    machine.titles.look([1, 2], 1)
    machine.titles.forget([1])
    machine.titles.known(2, 200, [b"another"], 1)
    machine.arguments.clear()
    assert machine.second() == []


def image(pid: int, cmdline: str) -> Image:
    texts: dict[str, Any] = dict.fromkeys(("user", "name", "exe", "cgroup", "unit", "container"), "")
    return Image(pid=pid, start_ns=1, since_ns=1, since_wall_ns=1, ppid=1, uid=0, cmdline=cmdline, **texts)


def recorded(pace: Pace, seconds: int) -> list[int]:
    """When a process that has a new title each second is recorded."""
    found = []
    for second in range(seconds):
        pace.hold(image(7, f"job {second}"))
        found += [second for due in pace.due(second) if due.cmdline == f"job {second}"]
    return found


def test_a_life_is_recorded_soon_at_first_and_seldom_when_it_goes_on_like_that() -> None:
    times = recorded(Pace(), 86_400)
    assert times[:5] == [0, 10, 20, 80, 140]
    assert len(times) < 170
    assert min(later - before for before, later in itertools.pairwise(times[20:])) == 600


def test_the_newest_title_is_recorded_in_the_end_though_none_comes_after_it() -> None:
    pace = Pace()
    recorded(pace, 5)
    assert [due.cmdline for second in range(5, 30) for due in pace.due(second)] == ["job 4"]


def test_a_life_that_ends_has_its_last_title_on_record_and_one_that_was_recorded_has_nothing_left() -> None:
    pace = Pace()
    recorded(pace, 5)
    last = pace.ended(7)
    assert last is not None
    assert last.cmdline == "job 4"
    assert pace.ended(7) is None
    pace.hold(image(8, "a"))
    pace.superseded(8)
    assert pace.due(100) == []
    assert pace.ended(8) is None
