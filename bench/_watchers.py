"""Those who watch a storm of short lives, ours and the peers: what each says every PID used.

``python -m bench._watchers NAME`` watches at 1 Hz until its standard input ends, then prints one JSON object:
``lives`` (PID to seconds of CPU time), ``named_s`` (CPU time of all processes that it names, since its first
sample), ``busy_s`` (of the whole machine, between the same samples).
"""

import json
import os
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Report = dict[str, Any]
HERTZ = os.sysconf("SC_CLK_TCK")


def machine_busy_s() -> float:
    """CPU time of the machine so far, seconds: all that was not idle."""
    idle = sum(map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[4:6])) / HERTZ
    return (os.cpu_count() or 1) * time.clock_gettime(time.CLOCK_BOOTTIME) - idle


def seconds() -> Iterator[None]:
    """Whole seconds, until standard input ends."""
    while True:
        wait = 1 - time.time() % 1
        if select.select([sys.stdin], [], [], wait)[0] and not os.read(sys.stdin.fileno(), 1):
            return
        yield


class Sums:
    """CPU time by life, counted from each one's first sample unless it began after ours."""

    def __init__(self) -> None:
        self._base: dict[Any, float] = {}
        self._last: dict[Any, float] = {}

    def see(self, life: Any, cpu_s: float, *, old: bool) -> None:
        self._base.setdefault(life, cpu_s if old else 0.0)
        self._last[life] = cpu_s

    def report(self, pid_of: Callable[[Any], int]) -> Report:
        lives: dict[int, float] = {}
        for life, last in self._last.items():
            pid = pid_of(life)
            lives[pid] = max(lives.get(pid, 0.0), last)
        named = sum(last - self._base[life] for life, last in self._last.items())
        return {"lives": lives, "named_s": named}


def _ours(name: str) -> Report:
    """The agent's own recorder over one source; the CPU time of groups has a name, but no PID."""
    from tukur.agent.facts import boot_id  # noqa: PLC0415
    from tukur.agent.recording.block_recorder import BlockRecorder  # noqa: PLC0415
    from tukur.agent.recording.images import Images  # noqa: PLC0415
    from tukur.agent.recording.scrub import Scrubber  # noqa: PLC0415
    from tukur.records import Snapshot  # noqa: PLC0415
    from tukur.sources.host import HostReader  # noqa: PLC0415
    from tukur.sources.registry import choose  # noqa: PLC0415

    source, _ = choose(name)
    host, recorder, sums = HostReader(), BlockRecorder(boot_id(), Images(Scrubber())), Sums()
    names: dict[int, str] = {}
    grouped_s = lost = 0.0
    first_busy = busy = 0.0
    first = True
    for _ in seconds():
        busy = machine_busy_s()
        wall, boot = time.time_ns(), time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        tasks = source.read()
        departed = source.departed(tasks)
        sampled = recorder.add(Snapshot(wall, boot, host.read(), tasks), 0, departed)
        seen = sampled.snapshot.tasks
        for table in (departed.tasks, seen):
            columns = (table[name].tolist() for name in ("pid", "start_ns", "cpu_ns"))
            for pid, start, cpu in zip(*columns, strict=True):
                sums.see((pid, start), cpu / 1e9, old=first)
        names.update((image.pid, image.name) for image in sampled.fresh)
        if first:
            first_busy = busy
        else:
            grouped_s += float(departed.groups["cpu_ns"].sum()) / 1e9
            lost += departed.lost.lives
        first = False
        if recorder.due():
            recorder.flush()
    source.close()
    report = sums.report(lambda life: life[0])
    report["named_s"] += grouped_s
    return {**report, "busy_s": busy - first_busy, "grouped_s": grouped_s, "lost": lost, "names": names}


def _psutil() -> Report:
    import psutil  # noqa: PLC0415

    sums = Sums()
    first_busy = busy = 0.0
    first = True
    for _ in seconds():
        busy = machine_busy_s()
        for process in psutil.process_iter(["pid", "create_time", "cpu_times"]):
            times = process.info["cpu_times"]
            if times:
                life = (process.info["pid"], process.info["create_time"])
                sums.see(life, times.user + times.system, old=first)
        if first:
            first_busy = busy
        first = False
    return {**sums.report(lambda life: life[0]), "busy_s": busy - first_busy}


@contextmanager
def _running(command: list[str], **options: Any) -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, **options) as child:
        try:
            yield child
        finally:
            child.terminate()


def _top() -> Report:
    """``top -b``: PID and TIME+, in hundredths of a second."""
    sums = Sums()
    environment = {**os.environ, "TERM": "dumb", "COLUMNS": "512"}
    before = machine_busy_s()
    with tempfile.TemporaryFile() as out:
        with _running(["top", "-b", "-d", "1"], stdout=out, env=environment):
            for _ in seconds():
                pass
            busy = machine_busy_s() - before
        out.seek(0)
        sample = -1
        for line in out.read().decode(errors="replace").splitlines():
            if line.startswith("top - "):
                sample += 1
            fields = line.split()
            if len(fields) >= 12 and fields[0].isdecimal():
                minutes, _, rest = fields[10].partition(":")
                sums.see(int(fields[0]), int(minutes) * 60 + float(rest), old=sample == 0)
    return {**sums.report(int), "busy_s": busy}


_PRC = re.compile(r"^PRC \S+ \d+ \S+ \S+ \d+ (\d+) \(.*\) (\S) \d+ (\d+) (\d+) ")


def _atop(accounting: bool) -> Report:
    """``atop -P PRC``: what each process used in each second, those that ended included with accounting."""
    environment = dict(os.environ)
    if not accounting:
        environment["ATOPACCT"] = ""
    lives: dict[int, float] = {}
    named, sample = 0.0, 0
    before = machine_busy_s()
    with tempfile.TemporaryFile() as out:
        with _running(["atop", "-P", "PRC", "1"], stdout=out, env=environment):
            for _ in seconds():
                pass
            busy = machine_busy_s() - before
        out.seek(0)
        for line in out.read().decode(errors="replace").splitlines():
            if line == "SEP":
                sample += 1
            found = _PRC.match(line)
            if found and sample:
                # The first sample tells what each one used since the boot.
                used = (int(found[3]) + int(found[4])) / HERTZ
                lives[int(found[1])] = lives.get(int(found[1]), 0.0) + used
                named += used
    return {"lives": lives, "named_s": named, "busy_s": busy}


_GROUP = re.compile(
    r'^namedprocess_namegroup_cpu_seconds_total\{groupname="[^"]*:(\d+)",mode="\w+"\} (\S+)', re.MULTILINE
)


_EXPORTED = """
process_names:
  - name: '{{.Comm}}:{{.PID}}'
    cmdline: ['.*']
  - name: '{{.Comm}}:{{.PID}}'
    comm: ['.*']
"""


def _exporter() -> Report:
    """prometheus-process-exporter, a group for each PID, scraped each second."""
    port = 9256
    sums: dict[int, float] = {}
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as config:
        config.write(_EXPORTED)
        config.flush()
        command = ["prometheus-process-exporter", "-config.path", config.name]
        command += ["-web.listen-address", f"127.0.0.1:{port}", "-children=false", "-threads=false"]
        before = machine_busy_s()
        with _running(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
            for _ in seconds():
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                        text = answer.read().decode()
                except OSError:
                    continue
                now: dict[int, float] = {}
                for pid, used in _GROUP.findall(text):
                    now[int(pid)] = now.get(int(pid), 0.0) + float(used)
                sums.update(now)
            busy = machine_busy_s() - before
    return {"lives": sums, "named_s": sum(sums.values()), "busy_s": busy}


WATCHERS: dict[str, tuple[str | None, Callable[[], Report]]] = {
    "module": (None, lambda: _ours("module")),
    "bpf": (None, lambda: _ours("bpf")),
    "procfs": (None, lambda: _ours("procfs")),
    "psutil": (None, _psutil),
    "top -b": ("top", _top),
    "atop": ("atop", lambda: _atop(accounting=False)),
    "atop with accounting": ("atop", lambda: _atop(accounting=True)),
    "process-exporter": ("prometheus-process-exporter", _exporter),
}
"""Name to the program that it needs, and the watch."""


def main() -> int:
    program, watch = WATCHERS[sys.argv[1]]
    if program is not None and shutil.which(program) is None:
        print(json.dumps({"skipped": f"{program} is not installed"}))
        return 0
    try:
        report = watch()
    except Exception as error:
        report = {"skipped": f"{type(error).__name__}: {error}"}
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
