"""What each life did, within a block and over all."""

from typing import Any

import numpy as np

from tukur.agent.recording.accounts import Accounts
from tukur.records import ENDED, PEAK_UNKNOWN, TASK, Departed, HostSample, Snapshot, compare

SECOND = 10**9
HOST = HostSample((), np.zeros(0, dtype=np.int64))


def snapshot(second: int, *rows: tuple[int, int, int, int]) -> Snapshot:
    tasks: Any = np.zeros(len(rows), dtype=TASK)
    for at, (pid, start_ns, cpu_ms, rss) in enumerate(rows):
        tasks["pid"][at], tasks["start_ns"][at] = pid, start_ns
        tasks["cpu_ns"][at], tasks["rss_anon"][at] = cpu_ms * 10**6, rss
    return Snapshot(second * SECOND, second * SECOND, HOST, tasks)


class Followed(Accounts):
    """Accounts that work the change out themselves."""

    def see(self, current: Snapshot) -> None:
        before = self._last.tasks if self._last is not None else np.empty(0, dtype=TASK)
        self.add(current, compare(current.tasks, before), Departed())


def test_a_block_counts_only_what_was_done_in_it() -> None:
    accounts = Followed()
    accounts.see(snapshot(100, (7, 1, 5000, 10)))
    accounts.flush()
    accounts.see(snapshot(101, (7, 1, 5030, 30)))
    accounts.see(snapshot(102, (7, 1, 5050, 20)))
    ended, rows = accounts.flush()
    assert ended == []
    assert [(row.pid, row.cpu_ns, row.rss_peak) for row in rows] == [(7, 50 * 10**6, 30)]
    assert accounts.flush()[1] == []


def test_an_idle_life_gets_no_row() -> None:
    accounts = Followed()
    for second in range(3):
        accounts.see(snapshot(100 + second, (7, 1, 5000, 10)))
    assert accounts.flush() == ([], [])


def test_a_life_that_began_between_samples_counts_from_its_start() -> None:
    accounts = Followed()
    accounts.see(snapshot(100))
    accounts.see(snapshot(101, (7, 100 * SECOND + 5, 40, 10)))
    assert accounts.flush()[1][0].cpu_ns == 40 * 10**6


def test_a_life_that_no_sample_saw_counts_whole_though_its_end_is_told_late() -> None:
    accounts = Followed()
    accounts.see(snapshot(100))
    late = snapshot(101, (7, 90 * SECOND, 40, 10))
    late.tasks["flags"] = ENDED
    accounts.see(late)
    assert accounts.flush()[1][0].cpu_ns == 40 * 10**6


def test_an_ended_life_is_told_with_its_totals_and_its_share_of_the_block() -> None:
    accounts = Followed()
    accounts.see(snapshot(100, (7, 1, 10, 900), (8, 1, 0, 0)))
    accounts.flush()
    accounts.see(snapshot(101, (7, 1, 15, 50), (8, 1, 0, 0)))
    accounts.see(snapshot(102, (8, 1, 0, 0)))
    ended, rows = accounts.flush()
    assert [(e.pid, e.cpu_ns, e.rss_peak, e.last_ns) for e in ended] == [(7, 15 * 10**6, 900, 101 * SECOND)]
    assert [(row.pid, row.cpu_ns) for row in rows] == [(7, 5 * 10**6)]


def test_a_reused_pid_is_two_lives() -> None:
    accounts = Followed()
    accounts.see(snapshot(100, (7, 1, 10, 1)))
    accounts.see(snapshot(101, (7, 100 * SECOND + 1, 3, 2)))
    ended, rows = accounts.flush()
    assert [e.start_ns for e in ended] == [1]
    assert [(row.start_ns, row.cpu_ns) for row in rows] == [(100 * SECOND + 1, 3 * 10**6)]


def departed(pid: int, peak: int | None, args: bytes = b"") -> Departed:
    """One life that the kernel reported; `args`: of an exec that it was seen to call."""
    tasks: Any = np.zeros(1, dtype=TASK)
    tasks["pid"], tasks["start_ns"], tasks["rss_anon"] = pid, 1, peak or 0
    tasks["flags"] = ENDED if peak is not None else ENDED | PEAK_UNKNOWN
    return Departed(tasks, np.ones(1, dtype=np.uint64), np.zeros(1, dtype=np.int64), [args])


def peak_of(end: Departed, *samples: Snapshot) -> int | None:
    accounts, previous = Accounts(), np.empty(0, dtype=TASK)
    for sample in samples:
        accounts.add(sample, compare(sample.tasks, previous), Departed())
        previous = sample.tasks
    last = snapshot(110)
    accounts.add(last, compare(last.tasks, previous), end)
    (ended,), _ = accounts.flush()
    return ended.rss_peak


def test_a_peak_is_the_kernels_or_that_of_a_sample_and_else_unknown() -> None:
    assert peak_of(departed(7, 500)) == 500
    assert peak_of(departed(7, None)) is None
    assert peak_of(departed(7, None), snapshot(100, (7, 1, 0, 300))) == 300
    assert peak_of(departed(7, 500), snapshot(100, (7, 1, 0, 900))) == 900


def test_a_peak_is_of_the_program_that_it_ended_as() -> None:
    before, after = snapshot(100, (7, 1, 0, 900)), snapshot(101, (7, 1, 0, 30))
    after.tasks["exec_id"] = 2
    assert peak_of(departed(7, 20), before, after) == 30
    # The exec came after the last sample.
    assert peak_of(departed(7, 20, b"sleep\0"), before) == 20
    assert peak_of(departed(7, None, b"sleep\0"), before) is None


def test_of_a_zombie_that_was_never_seen_alive_no_peak_is_known() -> None:
    accounts = Followed()
    accounts.see(snapshot(100, (7, 1, 0, 0)))
    accounts.see(snapshot(101))
    (ended,), _ = accounts.flush()
    assert ended.rss_peak is None
