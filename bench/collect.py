"""CPU time of one snapshot of all processes at 1 Hz, ours and the peers' with the same fields."""

import os
import resource
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib import util
from pathlib import Path
from typing import Any

from bench._load import processes
from bench._report import Row
from bench._size import Size
from tukur.sources.base import Source, SourceUnavailableError
from tukur.sources.bpf.source import BpfSource
from tukur.sources.module.source import ModuleSource
from tukur.sources.procfs.source import ProcfsSource

HOW_TO_READ = (
    "Each reading is made once a second, so that caches are as cold as in an agent; the figure is the "
    "median. Goals with bpf: under 0.8 ms with 1,000 processes, 140 times less than psutil and 55 times "
    "less than top, and under 5 ms with 10,000."
)

BUSY = 5
SUBJECTS: dict[str, Callable[[], Source]] = {
    "module": ModuleSource,
    "bpf": BpfSource,
    "bpf iter/task": partial(BpfSource, "iterator"),
    "procfs": ProcfsSource,
}
"""`bpf` is the form that the kernel takes, which is the iterator's too before Linux 6.7."""
PSUTIL_FIELDS = (
    *("pid", "ppid", "name", "uids", "gids", "status", "nice", "num_threads", "create_time"),
    *("cpu_times", "memory_info", "io_counters", "num_ctx_switches"),
)
PS_FIELDS = "pid,ppid,comm,euid,egid,stat,ni,nlwp,lstart,cputimes,rss,vsz,min_flt,maj_flt,cls,cgroup,pidns"
PEERS = {"ps": ["ps", "-eo", PS_FIELDS], "top -b": ["top", "-b", "-n", "1"]}


def run(size: Size) -> list[Row]:
    """Rows by size of the machine's load; the quick run leaves the largest out and samples less."""
    rows: list[dict[str, Any]] = []
    steps = size.of(((100, 1),), ((300, 4), (1000, 4)), ((300, 20), (1000, 20), (10_000, 10)))
    for count, samples in steps:
        have = sum(name.isdecimal() for name in os.listdir("/proc"))  # noqa: PTH208
        with processes(max(count - have, BUSY), busy=BUSY):
            found = _with_ratios(list(_measure(count, samples)))
        # Something else on the machine started or ended many processes: these are no figures for this size.
        strayed = [row["seen"] for row in found if abs(row.get("seen", count) - count) > count // 10]
        if strayed and size is not Size.SMALLEST:
            why = f"{strayed[0]} processes were there instead of {count}"
            found = [{"subject": row["subject"], "processes": count, "skipped": why} for row in found]
        rows += found
    return rows


def _measure(size: int, samples: int) -> Iterator[dict[str, Any]]:
    for subject, make in SUBJECTS.items():
        row: dict[str, Any] = {"subject": subject, "processes": size}
        try:
            source = make()
        except SourceUnavailableError as error:
            yield row | {"skipped": str(error)}
            continue
        # A first reading of all is not what an agent does each second.
        warm = [source.read() for _ in range(11)]
        cpu_ms = _sampled(source.read, samples)
        yield row | {"cpu_ms": round(cpu_ms, 3), "samples": samples, "seen": len(warm[-1])}
        source.close()
    yield {"subject": "psutil", "processes": size} | _psutil(samples)
    for subject, command in PEERS.items():
        row = {"subject": subject, "processes": size}
        found = shutil.which(command[0])
        if not found or Path(found).resolve().name == "busybox":
            yield row | {"skipped": f"{command[0]} is not installed"}
            continue
        cpu_ms = _sampled(partial(_run, command), samples, resource.RUSAGE_CHILDREN)
        yield row | {"cpu_ms": round(cpu_ms, 3), "samples": samples}


def _psutil(samples: int) -> dict[str, Any]:
    if util.find_spec("psutil") is None:
        return {"skipped": "psutil is not installed"}
    import psutil  # noqa: PLC0415

    def read() -> int:
        return len([process.info for process in psutil.process_iter(PSUTIL_FIELDS)])

    seen = read()
    return {"cpu_ms": round(_sampled(read, samples), 3), "samples": samples, "seen": seen}


def _run(command: list[str]) -> None:
    # top asks for the size of a terminal even in batch mode.
    environment = {**os.environ, "TERM": "dumb", "COLUMNS": "512"}
    subprocess.run(command, stdout=subprocess.DEVNULL, env=environment, check=True)


def _sampled(work: Callable[[], object], samples: int, who: int = resource.RUSAGE_SELF) -> float:
    """Median CPU ms of one call, called once a second so that its caches are as cold as an agent's.

    The median, since the kernel charges to whoever runs what it does meanwhile for others.
    """
    spent = []
    for _ in range(samples):
        time.sleep(1 - time.time() % 1)
        before = _cpu_s(who)
        work()
        spent.append(_cpu_s(who) - before)
    return 1e3 * statistics.median(spent)


def _cpu_s(who: int) -> float:
    if who == resource.RUSAGE_SELF:
        # The same as getrusage, without its rounding of user and system time.
        return time.process_time()
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def _with_ratios(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """With what each costs as a multiple of bpf's reading, and as a share of psutil's."""
    spent = {row["subject"]: row["cpu_ms"] for row in rows if row.get("cpu_ms")}
    for row in rows:
        if "cpu_ms" in row and "bpf" in spent:
            row["ratio_to_bpf"] = round(row["cpu_ms"] / spent["bpf"], 2)
        if "cpu_ms" in row and "psutil" in spent:
            row["share_of_psutil"] = round(row["cpu_ms"] / spent["psutil"], 4)
    return rows
