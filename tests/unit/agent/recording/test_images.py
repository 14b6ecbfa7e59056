"""Images are read once in a life, and again when they changed."""

from collections import Counter
from typing import Any

import numpy as np

from tukur.agent.recording.images import Images
from tukur.agent.recording.scrub import Scrubber
from tukur.records import KTHREAD, TASK, Departed, HostSample, Snapshot, compare
from tukur.sources.identity import Identity

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
    fresh: list[Any] = []
    previous = np.empty(0, dtype=TASK)
    for current in snapshots:
        fresh = images.add(current, compare(current.tasks, previous), previous, Departed())
        previous = current.tasks
    return fresh


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
