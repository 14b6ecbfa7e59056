"""Bytes of disk for one process sample, all told: blocks, minutes, hours, lives, names and indexes."""

import asyncio
import contextlib
import shutil
import sqlite3
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from bench._hub import await_answer
from bench._recorded import moved, recorded
from bench._report import Row
from bench._size import Size
from tukur.blocks import decode_samples
from tukur.hub.store.backends.sqlite import DATABASE
from tukur.hub.store.record.rollups import HOUR_MS
from tukur.hub.store.store import Store
from tukur.protocol.messages import Block
from tukur.records import ENDED, comm_text, rss_of

HOW_TO_READ = (
    "Prometheus and VictoriaMetrics are given 8 of the 36 fields. The agents report several boots one "
    "after another, and each boot reports all its processes again: a host that keeps running needs less."
)

PROCESSES = 300
FACTS = ("cpu_ns", "rss", "read_bytes", "write_bytes", "threads", "vsz", "minflt", "majflt")
"""What the peers are given of each process at each second; the record has 36 fields of it."""
CALM_S = 10.0
"""Then one program begins every two seconds, as on an ordinary server; in the busy load seven each second."""
SECOND = 1_000_000_000


def run(size: Size) -> list[Row]:
    """Records once, then keeps it as twenty hosts for an hour (the quick run: as two for a minute)."""
    seconds, hosts, times = size.of((0, 1, 1), (32, 2, 2), (312, 20, 12))
    with tempfile.TemporaryDirectory(prefix="tukur-store-") as name:
        folder = Path(name)
        with _atop(folder / "atop.raw") as atop:
            blocks = recorded(PROCESSES, seconds)
        samples = sum(_living(block) for block in blocks)
        (folder / "hub").mkdir()
        rows = asyncio.run(_tukur(folder / "hub", blocks, hosts, times, "busy"))
        written = (folder / "atop.raw").stat().st_size if atop else 0
        # atop ran twelve seconds longer than the whole blocks last.
        share = len(blocks) * 10 / (len(blocks) * 10 + 12)
        rows.append(
            _row("atop -w, 1 s", samples, written * share)
            if atop
            else {"subject": "atop -w, 1 s", "skipped": "atop is not installed"}
        )
        text = folder / "facts.txt"
        _write_facts(text, blocks)
        facts = samples * len(FACTS)
        rows.append(_prometheus(folder, text, samples, facts))
        rows.append(_victoria(folder, blocks, samples, facts))
        if size is Size.SMALLEST:
            return rows
        blocks = recorded(PROCESSES, seconds, CALM_S)
        (folder / "calm hub").mkdir()
        rows += asyncio.run(_tukur(folder / "calm hub", blocks, hosts, times, "calm"))
        return rows


def _row(subject: str, samples: int, size: float, **more: Any) -> dict[str, Any]:
    return {
        "subject": subject,
        "process_samples": samples,
        "bytes_per_sample": round(size / samples, 3),
        "mib": round(size / 2**20, 2),
        **more,
    }


def _living(block: Block) -> int:
    return sum(int(((tasks["flags"] & ENDED) == 0).sum()) for _, _, tasks in decode_samples(block.tasks))


async def _tukur(data: Path, blocks: list[Block], hosts: int, times: int, name: str) -> list[dict[str, Any]]:
    store = await Store.open(data)
    length_ns = (blocks[-1].last_ns - blocks[0].first_ns) // SECOND * SECOND + 10 * SECOND
    for number in range(hosts):
        host_id = str(uuid.UUID(int=number + 1))
        await store.control.enrolments.enrol(host_id, bytes(32), f"host-{number}", time.time_ns())
        for again in range(times):
            # Each time it is another boot: more is told anew than a host would that ran on.
            boot_id, shift = str(uuid.uuid4()), -(times - again) * length_ns
            told = [moved(block, boot_id, shift, f" #{number}") for block in blocks]
            for at in range(0, len(told), 20):
                results = await store.facts.blocks.put([(host_id, block) for block in told[at : at + 20]])
                assert not any(results), results
    samples = sum(_living(block) for block in blocks) * hosts * times
    space = store.space
    lives = sum(len(block.ended) for block in blocks) / (len(blocks) * 10)
    which = {"load": name, "lives_per_second": round(lives, 2)}
    rows = [_row("tukur, as it came", samples, await space.used(), **which)]
    later = time.time_ns() // 1_000_000 + 2 * HOUR_MS
    while await store.facts.rollups.add_up(later, 100):
        pass
    merging, spent = store.merging, time.process_time()
    for boot in await merging.boots():
        while await merging.merge(boot, later):
            pass
    spent = time.process_time() - spent
    minutes = hosts * times * len(blocks) / 6
    rows.append(
        _row(
            "tukur, an hour later",
            samples,
            await space.used(),
            **which,
            merge_ms_per_host_minute=round(spent * 1000 / minutes, 1),
            **_by_table(data / DATABASE, samples),
        )
    )
    await store.close()
    return rows


def _by_table(path: Path, samples: int) -> dict[str, float]:
    """Bytes for one sample by table, its indexes with it; nothing where SQLite was built without the tool."""
    wanted = (
        "select m.tbl_name, sum(s.pgsize) from dbstat s join sqlite_master m on m.name = s.name "
        "where s.aggregate=true group by 1 order by 2 desc"
    )
    with contextlib.closing(sqlite3.connect(path)) as database, contextlib.suppress(sqlite3.OperationalError):
        found = database.execute(wanted).fetchall()
        return {f"{table}_bytes_per_sample": round(size / samples, 3) for table, size in found[:6]}
    return {}


@contextlib.contextmanager
def _atop(path: Path) -> Iterator[bool]:
    if shutil.which("atop") is None:
        yield False
        return
    with subprocess.Popen(["atop", "-w", str(path), "1"], stdout=subprocess.DEVNULL) as process:
        try:
            yield True
        finally:
            process.terminate()


def _facts(blocks: list[Block]) -> Iterator[tuple[int, str, list[int]]]:
    """(wall ns, labels, FACTS) of each process at each second."""
    names = {(image.start_ns, image.pid): image for block in blocks for image in block.images}
    for block in blocks:
        for wall_ns, _, tasks in decode_samples(block.tasks):
            columns = [rss_of(tasks) if name == "rss" else tasks[name] for name in FACTS]
            for pid, start_ns, comm, *values in zip(
                *(tasks[name].tolist() for name in ("pid", "start_ns", "comm")),
                *(column.tolist() for column in columns),
                strict=True,
            ):
                image = names.get((start_ns, pid))
                unit = image.unit if image else ""
                labels = (
                    f'pid="{pid}",start="{start_ns}",name="{_quoted(comm_text(comm))}",unit="{_quoted(unit)}"'
                )
                yield wall_ns, labels, values


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")


def _write_facts(path: Path, blocks: list[Block]) -> None:
    """OpenMetrics: each fact's samples together, as the format asks."""
    parts = [path.with_suffix(f".{name}") for name in FACTS]
    files = [part.open("w") for part in parts]
    try:
        for wall_ns, labels, values in _facts(blocks):
            for file, name, value in zip(files, FACTS, values, strict=True):
                file.write(f"process_{name}{{{labels}}} {value} {wall_ns / 1e9:.3f}\n")
    finally:
        for file in files:
            file.close()
    with path.open("wb") as whole:
        for name, part in zip(FACTS, parts, strict=True):
            whole.write(f"# TYPE process_{name} gauge\n".encode())
            with part.open("rb") as content:
                shutil.copyfileobj(content, whole)
            part.unlink()
        whole.write(b"# EOF\n")


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _prometheus(folder: Path, text: Path, samples: int, facts: int) -> dict[str, Any]:
    subject = "prometheus, its blocks"
    if shutil.which("promtool") is None:
        return {"subject": subject, "skipped": "prometheus is not installed"}
    into = folder / "prometheus"
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(text), str(into)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"subject": subject, "skipped": done.stderr.strip()[-200:]}
    return _row(subject, samples, _size(into), facts=facts)


def _victoria(folder: Path, blocks: list[Block], samples: int, facts: int) -> dict[str, Any]:
    subject = "VictoriaMetrics"
    program = shutil.which("victoria-metrics")
    if program is None:
        return {"subject": subject, "skipped": "victoria-metrics is not installed"}
    into, url = folder / "victoria", "http://127.0.0.1:18428"
    command = [
        program,
        f"-storageDataPath={into}",
        "-httpListenAddr=127.0.0.1:18428",
        "-retentionPeriod=100y",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            await_answer(f"{url}/health")
            for lines in _batches(blocks):
                httpx.post(f"{url}/api/v1/import/prometheus", content=lines, timeout=60).raise_for_status()
            httpx.get(f"{url}/internal/force_flush", timeout=60)
            httpx.get(f"{url}/internal/force_merge", timeout=60)
            time.sleep(10)
        finally:
            server.terminate()
            server.wait(60)
    return _row(subject, samples, _size(into), facts=facts)


def _batches(blocks: list[Block]) -> Iterator[str]:
    lines: list[str] = []
    for wall_ns, labels, values in _facts(blocks):
        lines += [
            f"process_{name}{{{labels}}} {value} {wall_ns // 1_000_000}"
            for name, value in zip(FACTS, values, strict=True)
        ]
        if len(lines) > 50_000:
            yield "\n".join(lines)
            lines = []
    yield "\n".join(lines)
