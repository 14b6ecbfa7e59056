"""Images are read once in a life, and again when they changed."""

import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.waiting import eventually
from tukur.agent.recording.images import Fresh, Images
from tukur.agent.recording.scrub import Scrubber
from tukur.agent.recording.titles import Titles
from tukur.records import KTHREAD, TASK, Departed, HostSample, Snapshot, compare
from tukur.sources.identity import Identity
from tukur.sources.users import Users

HOST = HostSample((), np.zeros(0, dtype=np.int64))


def snapshot(second: int, *rows: dict[str, Any]) -> Snapshot:
    tasks: Any = np.zeros(len(rows), dtype=TASK)
    for at, row in enumerate(rows):
        for name, value in row.items():
            tasks[name][at] = value
    return Snapshot(second * 10**9, second * 10**9, HOST, tasks)


class Machine:
    """Counts who was asked for."""

    def __init__(self) -> None:
        self.asked: Counter[int] = Counter()
        self.argv = [b"postgres", b"--password=hunter2"]

    def read(self, pid: int) -> Identity | None:
        self.asked[pid] += 1
        if pid == 404:
            return None
        return Identity(argv=self.argv, exe="/usr/bin/postgres", cgroup="/system.slice/postgresql.service")


def run(images: Images, *snapshots: Snapshot) -> list[Any]:
    fresh = Fresh([], [])
    previous = np.empty(0, dtype=TASK)
    for current in snapshots:
        fresh = images.add(current, compare(current.tasks, previous), previous, Departed())
        previous = current.tasks
    return fresh.recorded


def test_an_image_is_read_once_while_nothing_changes() -> None:
    machine = Machine()
    images = Images(Scrubber(), machine.read)
    run(images, *(snapshot(second, {"pid": 7, "comm": b"postgres"}) for second in range(5)))
    assert machine.asked == {7: 1}
    image = images.get(7)
    assert image is not None
    assert image.unit == "postgresql.service"
    assert "hunter2" not in image.cmdline


def test_exec_and_change_of_user_or_cgroup_or_name_make_a_new_image() -> None:
    for change in ({"exec_id": 1}, {"uid": 33}, {"cgroup_id": 5}, {"comm": b"other"}):
        machine = Machine()
        before = {"pid": 7, "comm": b"postgres"}
        fresh = run(Images(Scrubber(), machine.read), snapshot(1, before), snapshot(2, {**before, **change}))
        assert [image.since_ns for image in fresh] == [2 * 10**9], change
        assert machine.asked == {7: 2}


def test_a_reused_pid_gets_an_image_of_its_own() -> None:
    images = Images(Scrubber(), Machine().read)
    fresh = run(images, snapshot(1, {"pid": 7, "start_ns": 1}), snapshot(2, {"pid": 7, "start_ns": 2}))
    assert [image.start_ns for image in fresh] == [2]
    assert len(list(images.all())) == 1


def test_what_ended_is_forgotten() -> None:
    images = Images(Scrubber(), Machine().read)
    run(images, snapshot(1, {"pid": 7}, {"pid": 8}), snapshot(2, {"pid": 8}))
    assert [image.pid for image in images.all()] == [8]


def test_a_kernel_thread_is_not_read_and_may_rename_itself() -> None:
    machine = Machine()
    row = {"pid": 9, "flags": KTHREAD, "comm": b"kworker/0:1"}
    fresh = run(
        Images(Scrubber(), machine.read), snapshot(1, row), snapshot(2, {**row, "comm": b"kworker/0:1-mm"})
    )
    assert fresh == []
    assert machine.asked == {}


def test_a_process_that_is_gone_before_it_could_be_read_keeps_its_name() -> None:
    images = Images(Scrubber(), Machine().read)
    run(images, snapshot(1, {"pid": 404, "comm": b"brief"}))
    image = images.get(404)
    assert image is not None
    assert (image.name, image.cmdline) == ("brief", "")


def test_a_process_that_renames_itself_all_the_time_is_read_and_recorded_at_a_bounded_rate() -> None:
    machine = Machine()
    images = Images(Scrubber(), machine.read, titles=Titles(lambda _: b""))
    row = {"pid": 7, "start_ns": 5}
    previous: Any = np.empty(0, dtype=TASK)
    recorded = shown = 0
    for second in range(600):
        current = snapshot(second, {**row, "comm": b"job %d" % second})
        fresh = images.add(current, compare(current.tasks, previous), previous, Departed())
        previous = current.tasks
        recorded += len(fresh.recorded)
        shown += len(fresh.shown)
    assert machine.asked[7] <= 5
    assert recorded < 25
    assert shown == 600
    image = images.get(7)
    assert image is not None
    assert image.name == "job 599"
    current = snapshot(600)
    ended = images.add(current, compare(current.tasks, previous), previous, Departed()).recorded
    assert [image.name for image in ended] == ["job 599"]


def test_a_process_whose_files_hang_delays_a_sample_once_and_is_told_when_they_do_not() -> None:
    ends = os.pipe()

    def read(pid: int) -> Identity:
        if pid == 7:
            os.read(ends[0], 1)
        return Identity([b"work", b"%d" % pid], "/bin/work", "/app.slice/app.service")

    images = Images(Scrubber(), read)
    stuck, other = {"pid": 7, "start_ns": 5, "comm": b"stuck"}, {"pid": 8, "comm": b"other"}
    first = snapshot(1, stuck, other)
    began = time.monotonic()
    fresh = images.add(first, compare(first.tasks, first.tasks[:0]), first.tasks[:0], Departed()).recorded
    assert time.monotonic() - began < 3
    assert [(image.name, image.cmdline) for image in fresh] == [("stuck", ""), ("other", "work 8")]
    second = snapshot(2, {**stuck, "uid": 1}, other, {"pid": 9})
    began = time.monotonic()
    fresh = images.add(second, compare(second.tasks, first.tasks), first.tasks, Departed()).recorded
    assert time.monotonic() - began < 0.2
    assert [(image.pid, image.cmdline) for image in fresh] == [(7, ""), (9, "work 9")]
    eventually(lambda: images.faults() == {"processes.unreadable": 1}, 5, "it is a fault")
    os.write(ends[1], b"x")

    def reported() -> list[Any]:
        third = snapshot(3, *({**stuck, "uid": 1}, other, {"pid": 9}))
        return images.add(third, compare(third.tasks, second.tasks), second.tasks, Departed()).recorded

    image = eventually(reported, 5, "it is reported")[0]
    assert (image.pid, image.cmdline, image.unit) == (7, "work 7", "app.service")
    assert images.faults() == {}
    for end in ends:
        os.close(end)


def test_an_image_with_a_number_is_told_again_with_the_name_and_settled_where_it_was_not_sent(
    tmp_path: Path,
) -> None:
    answers, answer = os.pipe()
    users = Users(tmp_path / "none", lambda _: os.read(answers, 100).decode())
    images = Images(Scrubber(), Machine().read, users=users)
    first = snapshot(1, {"pid": 7, "uid": 70020}, {"pid": 8, "uid": 70020})
    before = images.add(first, compare(first.tasks, first.tasks[:0]), first.tasks[:0], Departed()).recorded
    assert {image.user for image in before} == {"70020"}
    os.write(answer, b"ana")

    def reported() -> list[Any]:
        second = snapshot(2, {"pid": 7, "uid": 70020}, {"pid": 8, "uid": 70020})
        return images.add(second, compare(second.tasks, first.tasks), first.tasks, Departed()).recorded

    assert [(image.pid, image.user) for image in eventually(reported, 5)] == [(7, "ana"), (8, "ana")]
    assert {image.user for image in images.settled(before)} == {"ana"}
    os.close(answers)
    os.close(answer)
