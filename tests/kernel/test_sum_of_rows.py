"""The CPU column of the table adds up to what the host says, whoever else is busy on this machine."""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from tukur.agent.clock import SECOND, Ticker, now
from tukur.agent.facts import boot_id
from tukur.agent.recording.block_recorder import BlockRecorder, Sampled
from tukur.agent.recording.images import Images
from tukur.agent.recording.scrub import Scrubber
from tukur.records import Snapshot
from tukur.sources.bpf.libbpf import KERNEL_BTF
from tukur.sources.bpf.source import BpfSource
from tukur.sources.host import HostReader

SAMPLES = 9
NAME = f"chain-{os.getpid()}"
CHAIN = f"""
import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
open("/proc/self/comm", "w").write("{NAME}")
while True:
    while time.process_time() < 0.03:
        pass
    if os.fork():
        time.sleep(2)
        os._exit(0)
"""
"""Strictly one after the other: each works 30 ms of its own and begins the next. One core at most."""


@pytest.fixture(scope="module", autouse=True)
def _can_load() -> None:
    if os.geteuid():
        pytest.skip("only root can load eBPF programs")
    if not KERNEL_BTF.exists():
        pytest.skip(f"this kernel has no {KERNEL_BTF}")


@dataclass
class Watched:
    """Some seconds of this machine, in seconds of CPU time."""

    rows_s: float
    """Of all rows: each share times its interval."""
    groups_s: float
    """Of lives that were too many for a row each."""
    host: dict[str, float]
    """By mode, between the same samples."""
    chain: list[float]
    """The share of the chain's processes in each sample."""

    @property
    def tasks_s(self) -> float:
        return sum(self.host[mode] for mode in ("user", "nice", "system"))

    @property
    def interrupts_s(self) -> float:
        return sum(self.host[mode] for mode in ("irq", "softirq"))


@pytest.fixture(scope="module")
def busy() -> Iterator[None]:
    """A chain of processes and one that always runs."""
    programs = [CHAIN, "while True: pass"]
    children = [
        subprocess.Popen([sys.executable, "-c", program], start_new_session=True) for program in programs
    ]
    try:
        yield
    finally:
        for child in children:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


@pytest.fixture(scope="module")
def watched(busy: None) -> Watched:
    """What the agent's own recorder makes of it."""
    source, host, ticker = BpfSource(), HostReader(), Ticker()
    recorder = BlockRecorder(boot_id(), Images(Scrubber()))
    samples: list[Sampled] = []
    groups_ns = 0
    try:
        while len(samples) <= SAMPLES:
            if wait := ticker.wait_ns(now()):
                # Between two samples the ring is emptied, as the agent does.
                time.sleep(min(wait / SECOND, 0.25))
                source.collect()
                continue
            at = now()
            ticker.taken(at)
            snapshot = Snapshot(at.wall_ns, at.boot_ns, host.read(), source.read())
            departed = source.departed(snapshot.tasks)
            if samples:
                groups_ns += int(departed.groups["cpu_ns"].sum())
            samples.append(recorder.add(snapshot, 0, departed))
    finally:
        source.close()
        host.close()
    return _sums(samples, groups_ns)


def _sums(samples: list[Sampled], groups_ns: int) -> Watched:
    rows_s, chain = 0.0, []
    for before, after in itertools.pairwise(samples):
        cpu = np.nan_to_num(after.rows["cpu"].astype(np.float64))
        rows_s += cpu.sum() * (after.snapshot.boot_ns - before.snapshot.boot_ns) / SECOND
        chain.append(float(cpu[after.snapshot.tasks["comm"] == NAME.encode()].sum()))
    first, last = samples[0].snapshot.host, samples[-1].snapshot.host
    modes = ("user", "nice", "system", "irq", "softirq")
    grown = {mode: last.get(f"cpu.total.{mode}") - first.get(f"cpu.total.{mode}") for mode in modes}
    return Watched(rows_s, groups_ns / SECOND, {mode: ns / SECOND for mode, ns in grown.items()}, chain)


def test_the_rows_add_up_to_what_the_host_did(watched: Watched) -> None:
    # Where the kernel accounts interrupts by themselves, no process has their time.
    found = watched.rows_s + watched.groups_s
    assert 0.98 * watched.tasks_s <= found <= 1.02 * (watched.tasks_s + watched.interrupts_s)


def test_a_chain_of_processes_is_never_more_than_the_one_core_that_it_runs_on(watched: Watched) -> None:
    assert min(watched.chain) > 0
    # One that has begun the next does a little beside it.
    assert max(watched.chain) <= 1.1
