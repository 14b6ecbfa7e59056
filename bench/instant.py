"""How long "the process table at second T" takes over HTTP, on a store of a million process samples."""

import asyncio
import contextlib
import random
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from bench._hub import PORT, running_hub
from bench._report import Row
from bench._size import Size
from tukur.agent.recording.accounts import Accounts
from tukur.blocks import BlockBuilder, HostRollup
from tukur.hub.auth.identity import Rights, Role
from tukur.hub.console.tokens import TokenConsole
from tukur.hub.store.store import Store
from tukur.protocol.messages import Block, HostMinute, Image, MinMaxMean
from tukur.records import TASK, Departed, HostSample, Snapshot, compare, host_rates

HOW_TO_READ = "Over HTTP, with random seconds. The plain table of SQLite is asked without HTTP."

PROCESSES = 1000
SAMPLES = 1_000_000
SECOND = 1_000_000_000
HOST = "11111111-2222-3333-4444-555555555555"
BOOT = "99999999-2222-3333-4444-555555555555"
_NAMES = ("cpu.total.user", "cpu.total.idle", "mem.total", "mem.available", "uptime")


def run(size: Size) -> list[Row]:
    """The hub in both its forms, then the peers."""
    samples = size.of(20_000, SAMPLES // 5, SAMPLES)
    asked = size.of(3, 100, 400)
    with tempfile.TemporaryDirectory(prefix="tukur-instant-") as folder:
        data = Path(folder)
        began = time.time_ns() // SECOND * SECOND - (samples // PROCESSES + 60) * SECOND
        snapshots = list(history(samples // PROCESSES, began))
        asyncio.run(_fill(data, snapshots))
        walls = [snapshot.wall_ns // 1_000_000 for snapshot in snapshots]
        with hub_with_token(data) as (url, token):
            rows = [
                _ask("tukur hub, JSON", url, token, "application/json", walls, asked, data),
                _ask("tukur hub, frame", url, token, "application/vnd.tukur.frame", walls, asked, data),
            ]
        rows.append(_row_a_sample(data, snapshots, asked))
        rows.append(_atop(size.of(2, 12, 12)))
        return rows


def history(seconds: int, began: int, processes: int = PROCESSES) -> Iterator[Snapshot]:
    """A machine of so many processes, a third of which do something each second; some come and go."""
    dice = np.random.default_rng(7)
    tasks = np.zeros(processes, dtype=TASK)
    tasks["pid"] = np.sort(dice.choice(np.arange(2, 30_000), processes, replace=False))
    tasks["start_ns"] = np.sort(dice.integers(0, 900 * SECOND, processes))
    tasks["comm"], tasks["state"], tasks["threads"] = b"worker", ord("S"), 1
    tasks["rss_anon"] = dice.integers(100, 100_000, processes) * 4096
    user = idle = 0
    for second in range(seconds):
        tasks = tasks.copy()
        active = dice.random(processes) < 1 / 3
        spent = (dice.exponential(2_000_000, processes) * active).astype(np.uint64)
        tasks["cpu_ns"] += spent
        tasks["utime_ns"] += spent // 2
        tasks["stime_ns"] = tasks["cpu_ns"] - tasks["utime_ns"]
        tasks["nvcsw"] += (dice.integers(0, 20, processes) * active).astype(np.uint64)
        boot_ns = (1000 + second) * SECOND
        if second % 5 == 4:
            replaced = dice.integers(0, processes)
            tasks["start_ns"][replaced] = boot_ns - SECOND // 2
            tasks["cpu_ns"][replaced] = tasks["utime_ns"][replaced] = tasks["stime_ns"][replaced] = 0
        user, idle = user + int(spent.sum()), idle + 2 * SECOND - int(spent.sum())
        values = np.array([user, idle, 16 << 30, 8 << 30, boot_ns], dtype=np.int64)
        yield Snapshot(began + second * SECOND, boot_ns, HostSample(_NAMES, values), tasks)


async def _fill(data: Path, snapshots: list[Snapshot]) -> None:
    store = await Store.open(data)
    await store.control.enrolments.enrol(HOST, bytes(32), "bench", snapshots[0].wall_ns)
    builder, accounts, rollup = BlockBuilder(), Accounts(), HostRollup()
    before: Snapshot | None = None
    fresh: list[Image] = []
    for at, snapshot in enumerate(snapshots, 1):
        change = compare(snapshot.tasks, before.tasks if before else snapshot.tasks[:0])
        accounts.add(snapshot, change, Departed())
        builder.add(snapshot, change)
        last = before or snapshot
        rollup.add(host_rates(snapshot.host, last.host, 1.0, len(snapshot.tasks)))
        fresh += [_image(snapshot, row) for row in change.new]
        before = snapshot
        if at % 10 == 0 or at == len(snapshots):
            samples, encoded = rollup.samples, builder.finish()
            ended, minutes = accounts.flush()
            figures = {name: MinMaxMean(*values) for name, values in rollup.finish().items()}
            content = Block(
                boot_id=BOOT,
                first_ns=encoded.first_ns,
                last_ns=encoded.last_ns,
                first_wall_ns=encoded.first_wall_ns,
                last_wall_ns=encoded.last_wall_ns,
                samples=encoded.samples,
                lives=encoded.lives,
                missed=0,
                tasks=encoded.tasks,
                host=encoded.host,
                images=fresh,
                ended=ended,
                host_minute=HostMinute(samples=samples, figures=figures),
                process_minutes=minutes,
            )
            fresh = []
            results = await store.facts.blocks.put([(HOST, content)])
            assert results == [None], results
    await store.close()


def _image(snapshot: Snapshot, row: int) -> Image:
    task = snapshot.tasks[row]
    pid = int(task["pid"])
    return Image(
        pid=pid,
        start_ns=int(task["start_ns"]),
        since_ns=snapshot.boot_ns,
        since_wall_ns=snapshot.wall_ns,
        ppid=1,
        uid=1000,
        user="bench",
        name="worker",
        exe="/usr/lib/bench/worker",
        cmdline=f"/usr/lib/bench/worker --number {pid} --config /etc/bench/{pid % 17}.conf",
        cgroup="/system.slice/bench.service",
        unit="bench.service",
    )


@contextlib.contextmanager
def hub_with_token(data: Path) -> Iterator[tuple[str, str]]:
    """A hub on this data: its address, a viewer's token."""
    token = asyncio.run(TokenConsole(data).create(f"bench-{time.time_ns()}", Rights(Role.VIEWER), 1))
    with running_hub(data, None):
        yield f"http://127.0.0.1:{PORT}", token


def _ask(
    subject: str, url: str, token: str, accept: str, walls: list[int], asked: int, data: Path
) -> dict[str, Any]:
    dice = random.Random(3)
    headers = {"Authorization": f"Bearer {token}", "Accept": accept}
    spent, size = [], 0
    with httpx.Client(base_url=url, headers=headers, timeout=30) as client:
        client.get("/api/hosts").raise_for_status()
        for _ in range(asked):
            at = dice.choice(walls)
            began = time.perf_counter()
            answer = client.get(f"/api/hosts/{HOST}/processes", params={"at": at})
            spent.append((time.perf_counter() - began) * 1000)
            answer.raise_for_status()
            size = len(answer.content)
    store = sum(file.stat().st_size for file in data.glob("tukur.db*"))
    return _row(subject, len(walls) * PROCESSES, spent, size, store)


def _row(subject: str, samples: int, spent: list[float], size: int, store: int) -> dict[str, Any]:
    return {
        "subject": subject,
        "process_samples": samples,
        "processes": PROCESSES,
        "asked": len(spent),
        "p50_ms": round(float(np.percentile(spent, 50)), 2),
        "p99_ms": round(float(np.percentile(spent, 99)), 2),
        "answer_kib": round(size / 1024, 1),
        "store_mib": round(store / 2**20, 1),
    }


def _row_a_sample(data: Path, snapshots: list[Snapshot], asked: int) -> dict[str, Any]:
    """A plain design: a row for each process and second; the query alone, without HTTP or JSON."""
    names = [name for name in TASK.names or () if name != "pad0"]
    path = data / "plain.db"
    database = sqlite3.connect(path)
    database.execute(f"CREATE TABLE sample (t, {', '.join(names)}, PRIMARY KEY (t, pid)) WITHOUT ROWID")
    insert = f"INSERT INTO sample VALUES (?, {', '.join('?' * len(names))})"
    for snapshot in snapshots:
        rows = zip(*(snapshot.tasks[name].tolist() for name in names), strict=True)
        database.executemany(insert, ((snapshot.wall_ns, *row) for row in rows))
    database.commit()
    dice, spent = random.Random(3), []
    for _ in range(asked):
        at = dice.choice(snapshots).wall_ns
        began = time.perf_counter()
        database.execute("SELECT * FROM sample WHERE t = ?", (at,)).fetchall()
        spent.append((time.perf_counter() - began) * 1000)
    database.close()
    samples = len(snapshots) * PROCESSES
    return _row("SQLite, a row a sample: query only", samples, spent, 0, path.stat().st_size)


def _atop(seconds: int) -> dict[str, Any]:
    subject = "atop -r"
    if shutil.which("atop") is None:
        return {"subject": subject, "skipped": "atop is not installed"}
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw"
        subprocess.run(["atop", "-w", str(raw), "1", str(seconds)], check=True, capture_output=True)
        spent = []
        for _ in range(5):
            began = time.perf_counter()
            command = ["atop", "-r", str(raw), "-P", "PRC,PRM,PRD", "-b", time.strftime("%H:%M:%S")]
            subprocess.run(command, check=False, capture_output=True)
            spent.append((time.perf_counter() - began) * 1000)
        return {**_row(subject, 0, spent, 0, raw.stat().st_size), "processes": 0}
