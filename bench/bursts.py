"""What bursts of processes leave in agent and hub: resident memory before and after many of them."""

import subprocess
import tempfile
import time
from pathlib import Path

from bench._hub import anonymous, rss
from bench._load import compile_static, processes
from bench._report import Row
from bench._size import Size
from tests.support.running import running

HOW_TO_READ = "Goal: the agent stays below 70 MiB after the bursts of an hour."
MIB = 1 << 20
BURST, LIVES = 10_000, 20_000
_PAST_TRIM_S = 65
"""tukur gives back its heap once a minute."""


def run(size: Size) -> list[Row]:
    """A row for agent and hub each: RSS before, at most meanwhile, and after all bursts.

    A burst is ten thousand processes that live for some seconds and twenty thousand that live for a
    millisecond, one after the other.
    """
    bursts, count, lives = size.of((1, 50, 50), (2, 1000, 1000), (10, BURST, LIVES))
    warm, settle = size.of((1, 1), (12, 5), (12, _PAST_TRIM_S))
    with tempfile.TemporaryDirectory(prefix="tukur-bursts-") as folder, running(Path(folder) / "data") as up:
        pids = {name: up.child(name) for name in ("agent", "hub")}
        storm = compile_static(Path(__file__).with_name("_storm.c"), Path(folder) / "storm")
        time.sleep(warm)
        before = {name: rss(pid) for name, pid in pids.items()}
        peaks, began = dict(before), time.monotonic()
        for _ in range(bursts):
            _burst(storm, count, lives)
            peaks = {name: max(peaks[name], rss(pid)) for name, pid in pids.items()}
        time.sleep(settle)
        return [
            {
                "subject": name,
                "bursts": bursts,
                "processes_each": count,
                "lives_each": lives,
                "seconds": round(time.monotonic() - began),
                "rss_before_mib": round(before[name] / MIB, 1),
                "rss_peak_mib": round(peaks[name] / MIB, 1),
                "rss_after_mib": round(rss(pid) / MIB, 1),
                "anonymous_after_mib": round(anonymous(pid) / MIB, 1),
            }
            for name, pid in pids.items()
        ]


def _burst(storm: Path, count: int, lives: int) -> None:
    with processes(count):
        subprocess.run([str(storm), "run", "/dev/null", str(lives), "0", "1"], check=True)
        time.sleep(2)
    time.sleep(2)
