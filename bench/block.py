"""Bytes for one process sample, in blocks of 10 s and of 60 s, on a real mixed load of this machine."""

import sqlite3
import time
from typing import Any

import zstandard

from bench._load import processes
from bench._mixed import mixed
from bench._report import Row
from bench._size import Size
from tukur.agent.clock import SECOND, Ticker, now
from tukur.blocks import BlockBuilder, decode_samples, decode_table, decode_totals
from tukur.records import TASK, Snapshot
from tukur.sources.host import HostReader
from tukur.sources.registry import choose

HOW_TO_READ = (
    "The agent writes ten-second blocks, so that a crash costs no more than that; the hub merges them to "
    "a minute later."
)

PROCESSES = 300


def run(size: Size) -> list[Row]:
    """Samples once, then packs the same snapshots in every way."""
    seconds, (short, long) = size.of((4, (2, 4)), (30, (10, 30)), (120, (10, 60)))
    with processes(PROCESSES, busy=2), mixed():
        snapshots = _sample(seconds)
    return [
        *(_tukur(snapshots, block_s) for block_s in (short, long)),
        *(_zstd_of_records(snapshots, block_s) for block_s in (short, long)),
        _row_a_sample(snapshots),
    ]


def _sample(seconds: int) -> list[Snapshot]:
    source, _ = choose(None)
    host, ticker = HostReader(), Ticker()
    snapshots: list[Snapshot] = []
    time.sleep(2)
    try:
        while len(snapshots) <= seconds:
            time.sleep(ticker.wait_ns(now()) / SECOND)
            at = now()
            ticker.taken(at)
            snapshots.append(Snapshot(at.wall_ns, at.boot_ns, host.read(), source.read().copy()))
    finally:
        source.close()
    return snapshots


def _row(subject: str, block_s: int, samples: int, size: int, encode: float, decode: float) -> dict[str, Any]:
    return {
        "subject": subject,
        "block_s": block_s,
        "process_samples": samples,
        "bytes_per_sample": round(size / samples, 4),
        "encode_ms_per_block": round(encode, 3),
        "decode_ms_per_block": round(decode, 3),
    }


def _tukur(snapshots: list[Snapshot], block_s: int) -> dict[str, Any]:
    builder = BlockBuilder()
    builder.add(snapshots[0])
    builder.finish()
    size = samples = blocks = 0
    encode = decode = table = totals = 0.0
    host_bytes = 0
    for at in range(1, len(snapshots) - block_s + 1, block_s):
        began = time.process_time()
        for snapshot in snapshots[at : at + block_s]:
            builder.add(snapshot)
        encoded = builder.finish()
        encode += time.process_time() - began
        size, samples, blocks = size + len(encoded.tasks), samples + encoded.process_samples, blocks + 1
        host_bytes += len(encoded.host)
        began = time.process_time()
        found = list(decode_samples(encoded.tasks))
        decode += time.process_time() - began
        for snapshot, (_, _, tasks) in zip(snapshots[at : at + block_s], found, strict=True):
            assert tasks.tobytes() == snapshot.tasks.tobytes(), "what was decoded is not what was put in"
        began = time.process_time()
        decode_table(encoded.tasks, encoded.last_wall_ns)
        table += time.process_time() - began
        began = time.process_time()
        decode_totals(encoded.tasks, encoded.first_wall_ns, encoded.last_wall_ns + 1)
        totals += time.process_time() - began
    return {
        **_row("tukur block", block_s, samples, size, encode / blocks * 1e3, decode / blocks * 1e3),
        "host_bytes_per_second": round(host_bytes / blocks / block_s, 1),
        "table_ms": round(table / blocks * 1e3, 3),
        "totals_ms": round(totals / blocks * 1e3, 3),
    }


def _zstd_of_records(snapshots: list[Snapshot], block_s: int) -> dict[str, Any]:
    """The same records one after another, compressed as they are."""
    size = samples = blocks = 0
    encode = decode = 0.0
    for at in range(1, len(snapshots) - block_s + 1, block_s):
        picked = snapshots[at : at + block_s]
        began = time.process_time()
        packed = zstandard.ZstdCompressor(level=3).compress(b"".join(s.tasks.tobytes() for s in picked))
        encode += time.process_time() - began
        began = time.process_time()
        zstandard.ZstdDecompressor().decompress(packed)
        decode += time.process_time() - began
        size, samples, blocks = size + len(packed), samples + sum(len(s.tasks) for s in picked), blocks + 1
    return _row("zstd of raw records", block_s, samples, size, encode / blocks * 1e3, decode / blocks * 1e3)


def _row_a_sample(snapshots: list[Snapshot]) -> dict[str, Any]:
    """One row of SQLite for each process and second, as a plain design has it."""
    names = [name for name in TASK.names or () if name != "pad0"]
    database = sqlite3.connect(":memory:")
    database.execute(f"CREATE TABLE sample (t, {', '.join(names)}, PRIMARY KEY (t, pid)) WITHOUT ROWID")
    began = time.process_time()
    for snapshot in snapshots:
        rows = zip(*(snapshot.tasks[name].tolist() for name in names), strict=True)
        insert = f"INSERT INTO sample VALUES (?, {', '.join('?' * len(names))})"
        database.executemany(insert, ((snapshot.wall_ns, *row) for row in rows))
    database.commit()
    spent = time.process_time() - began
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    (page,) = database.execute("PRAGMA page_size").fetchone()
    samples = sum(len(snapshot.tasks) for snapshot in snapshots)
    database.close()
    return _row("SQLite, a row a sample", 1, samples, pages * page, spent / len(snapshots) * 1e3, 0.0)
