"""What seeing every life costs: a fork-exec-exit loop with and without the programs of lives.bpf.c."""

import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench._load import compile_static
from bench._report import Row
from bench._size import Size
from tukur.agent.facts import boot_id
from tukur.agent.recording.block_recorder import BlockRecorder
from tukur.agent.recording.images import Images
from tukur.agent.recording.scrub import Scrubber
from tukur.records import TASK, Departed, HostSample, Snapshot
from tukur.sources.base import SourceUnavailableError
from tukur.sources.bpf.lives import LifeEvents
from tukur.sources.lives.events import parse_events
from tukur.sources.lives.tracker import LifeTracker

HOW_TO_READ = (
    "The CPU time of one fork, exec, exit and wait. The extra share is measured from the outside, "
    "alternating with and without, and can be smaller than the noise; the programs' own time is what the "
    "kernel's statistics say. Goal of the agent: 15 µs for each life."
)

BPF_STATS = Path("/proc/sys/kernel/bpf_stats_enabled")
_NOBODY = np.empty(0, dtype=TASK)


def run(size: Size) -> list[Row]:
    """CPU time of one life, the loop's own included, with and without the programs by turns.

    An empty static program is the hardest case: nothing is cheaper to run. /bin/true is what a shell starts.
    """
    lives, rounds = size.of((50, 1), (400, 5), (1000, 24))
    try:
        LifeEvents(12).close()
    except SourceUnavailableError as error:
        return [{"subject": "with", "skipped": str(error)}]
    with tempfile.TemporaryDirectory(prefix="tukur-storm-") as folder:
        storm = str(compile_static(Path(__file__).with_name("_storm.c"), Path(folder) / "storm"))
        loop = [storm, "run", "/dev/null", str(lives), "0", "1"]
        return _compared("static", loop, lives, rounds) + _compared(
            "/bin/true", [*loop, "/bin/true"], lives, rounds
        )


def _compared(program: str, command: list[str], lives: int, rounds: int) -> list[dict[str, Any]]:
    def loop() -> float:
        return _children_cpu_s(command) / lives * 1e6

    loop()
    without, with_, reading = [], [], []
    for _ in range(rounds):
        without.append(loop())
        hooked, read = _hooked(loop)
        with_.append(hooked)
        reading.append(read / lives * 1e6)
    kernel_ns = _programs_ns(loop, lives)
    before, after = statistics.median(without), statistics.median(with_)
    pairs = [hooked / bare - 1 for bare, hooked in zip(without, with_, strict=True)]
    row = {"program": program, "lives": lives * rounds}
    return [
        row | {"subject": "without", "cpu_us_per_life": round(before, 2)},
        row
        | {
            "subject": "with",
            "cpu_us_per_life": round(after, 2),
            "extra_share": round(statistics.median(pairs), 4),
            "programs_ns_per_life": kernel_ns,
            "programs_share": round(kernel_ns / 1e3 / before, 4),
            "agent_us_per_life": round(statistics.median(reading), 2),
        },
    ]


def _children_cpu_s(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _hooked(loop: Callable[[], float]) -> tuple[float, float]:
    """The loop's figure while the programs are loaded; CPU seconds that the agent needs for its lives."""
    events, tracker = LifeEvents(12), LifeTracker()
    recorder = BlockRecorder(boot_id(), Images(Scrubber()))
    recorder.add(_snapshot(), 0)
    try:
        found = loop()
        # The last reapings come a grace period later.
        time.sleep(0.2)
        begin = time.process_time()
        tracker.feed(parse_events(events.read()))
        departed: Departed = tracker.departed(_NOBODY)
        recorder.add(_snapshot(), 0, departed)
        recorder.flush()
        return found, time.process_time() - begin
    finally:
        events.close()


def _snapshot() -> Snapshot:
    nothing = HostSample((), np.empty(0, dtype=np.int64))
    return Snapshot(time.time_ns(), time.clock_gettime_ns(time.CLOCK_BOOTTIME), nothing, _NOBODY)


def _programs_ns(loop: Callable[[], float], lives: int) -> int:
    """Time in the programs by the kernel's own account, which itself costs some; 0 where it keeps none."""
    before = BPF_STATS.read_text()
    events = LifeEvents(12)
    try:
        BPF_STATS.write_text("1")
        begin = events.spent_ns()
        loop()
        time.sleep(0.2)
        return (events.spent_ns() - begin) // lives
    finally:
        BPF_STATS.write_text(before)
        events.close()
