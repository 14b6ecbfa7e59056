"""Images of lives that no sample could read."""

from collections import Counter
from typing import Any

import msgspec
import numpy as np

from tukur.agent.recording.ended_images import EndedImages
from tukur.agent.recording.scrub import Scrubber
from tukur.protocol.messages import Image
from tukur.records import ENDED, KTHREAD, TASK, Departed, HostSample, Snapshot

SECOND = 10**9
AFTER = Snapshot(200 * SECOND, 100 * SECOND, HostSample((), np.zeros(0, dtype=np.int64)), np.empty(0, TASK))


class CountingScrubber(Scrubber):
    def __init__(self) -> None:
        super().__init__()
        self.scrubbed: Counter[bytes] = Counter()

    def scrub(self, argv: list[bytes]) -> str:
        self.scrubbed[argv[0]] += 1
        return super().scrub(argv)


def image(pid: int, **fields: Any) -> Image:
    numbers = dict.fromkeys(("start_ns", "since_ns", "since_wall_ns", "ppid", "uid"), 1)
    return msgspec.convert({"pid": pid, "user": "root", "name": "make", **numbers, **fields}, Image)


def departed(*lives: dict[str, Any]) -> Departed:
    """Each with `args` and fields of its last record."""
    tasks: Any = np.zeros(len(lives), dtype=TASK)
    for at, life in enumerate(lives):
        for name, value in ({"flags": ENDED, "comm": b"cc1", "start_ns": 99 * SECOND} | life).items():
            if name != "args":
                tasks[name][at] = value
    return Departed(tasks, args=[life.get("args", b"") for life in lives])


def made(end: Departed, *living: Image, scrubber: Scrubber | None = None) -> list[Image]:
    images = EndedImages(
        scrubber or Scrubber(), {7: "/system.slice/ci.service"}.get, lambda uid: f"user{uid}"
    )
    return images.make(end, {known.pid: known for known in living}, AFTER)


def test_a_life_has_what_the_kernel_reported_of_it() -> None:
    (found,) = made(departed({"pid": 5, "ppid": 2, "uid": 9, "cgroup_id": 7, "args": b"cc1\0--token=x\0"}))
    assert (found.pid, found.ppid, found.name, found.user) == (5, 2, "cc1", "user9")
    assert (found.cmdline, found.unit, found.slice) == ("cc1 '--token=***'", "ci.service", "system.slice")
    assert (found.since_ns, found.since_wall_ns) == (99 * SECOND, 199 * SECOND)


def test_lives_of_one_kind_share_the_work_and_keep_their_own_numbers() -> None:
    scrubber = CountingScrubber()
    lives = [
        {"pid": pid, "ppid": 2, "start_ns": 90 * SECOND + pid, "args": b"cc1\0-c\0"} for pid in range(5, 105)
    ]
    found = made(departed(*lives), scrubber=scrubber)
    assert [(life.pid, life.start_ns) for life in found] == [
        (pid, 90 * SECOND + pid) for pid in range(5, 105)
    ]
    assert {life.cmdline for life in found} == {"cc1 -c"}
    assert scrubber.scrubbed == {b"cc1": 1}


def test_a_fork_without_exec_has_its_parents_program_whether_that_lives_or_ended_too() -> None:
    parent = image(2, exe="/usr/bin/make", cmdline="make -j")
    child, grandchild, stranger = made(
        departed({"pid": 5, "ppid": 2}, {"pid": 6, "ppid": 5}, {"pid": 7, "ppid": 3}), parent
    )
    assert (child.exe, child.cmdline) == (grandchild.exe, grandchild.cmdline) == ("/usr/bin/make", "make -j")
    assert (stranger.exe, stranger.cmdline) == ("", "")


def test_a_kernel_thread_has_no_program() -> None:
    (found,) = made(departed({"pid": 5, "ppid": 2, "flags": ENDED | KTHREAD}), image(2, cmdline="make -j"))
    assert (found.kthread, found.cmdline) == (True, "")


def test_a_life_that_a_sample_saw_gets_a_new_image_only_if_it_became_another_program() -> None:
    known = image(5, start_ns=99 * SECOND, name="cc1", cmdline="cc1")
    assert made(departed({"pid": 5}), known) == []
    (renewed,) = made(departed({"pid": 5, "args": b"ld\0", "comm": b"ld"}), known)
    assert (renewed.name, renewed.cmdline, renewed.since_ns) == ("ld", "ld", AFTER.boot_ns)
    (other,) = made(departed({"pid": 5, "start_ns": 98 * SECOND}), known)
    assert other.start_ns == 98 * SECOND
