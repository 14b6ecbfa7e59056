"""The record, checked, repaired, compacted and copied from the command line."""

import contextlib
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tukur.hub.console.console import Console
from tukur.hub.maintenance.maintenance import SETTLED_MS, Maintenance, Outlook
from tukur.hub.store.backends.address import ServerAddress
from tukur.hub.store.backends.sqlite import DATABASE, SqliteFile
from tukur.hub.store.errors import DamagedError, NotWritableError
from tukur.hub.store.maintenance.check import DamagedBlock
from tukur.hub.store.maintenance.copying import Copied
from tukur.hub.store.maintenance.retention_policy import RetentionPolicy
from tukur.hub.store.maintenance.salvage import Salvaged, salvage
from tukur.hub.store.store import Store

Progress = Callable[[int, int], None]
"""Called with (blocks done, blocks in all)."""


@dataclass(slots=True)
class Findings:
    """The result of a verification."""

    blocks: int = 0
    """Number of blocks read."""
    structure: list[str] = field(default_factory=list)
    """Faults that the database's own check reported."""
    damaged: list[DamagedBlock] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Compacted:
    """The result of a compaction."""

    merged: int
    """Blocks merged into longer ones."""
    before_bytes: int
    after_bytes: int


class RecordConsole(Console):
    """Every method raises StoreError."""

    async def outlook(self, keep: RetentionPolicy) -> Outlook:
        """The record's size and forecast."""
        async with self.open_store() as store:
            return await Maintenance(store, keep, self.data_dir).outlook()

    async def verify(self, progress: Progress) -> Findings:
        """Reads and checks the whole record."""
        async with self.open_store() as store:
            return await verify_store(store, progress)

    async def repair(self, progress: Progress) -> tuple[Findings, list[Salvaged]]:
        """Moves damaged blocks into ``damaged/``; rebuilds a file that SQLite cannot read.

        The hub must not run. The damaged file is kept next to the new one.
        """
        saved: list[Salvaged] = []
        if self.server is None and _is_broken(self.data_dir / DATABASE):
            saved = await _rebuild(self.data_dir)
        async with self.open_store() as store:
            findings = await verify_store(store, progress)
            check, folder = store.check, self.data_dir / "damaged"
            for block in findings.damaged:
                folder.mkdir(mode=0o700, exist_ok=True)
                content = await check.remove(block)
                (folder / f"block-{block.boot}-{block.first_ns}").write_bytes(content)
        return findings, saved

    async def copy_to(self, server: ServerAddress, progress: Progress) -> list[Copied]:
        """Copies the database in the data directory to the server.

        Changes made meanwhile are copied by the next call.
        """
        if not (self.data_dir / DATABASE).is_file():
            raise NotWritableError(f"there is no record at {self.data_dir / DATABASE}")
        done: dict[str, Copied] = {}
        async with self.open_store() as source, Console(self.data_dir, server).open_store() as target:
            run = source.copy_to(target)
            total = await run.rows()
            async for state in run.run():
                done[state.table] = state
                progress(min(sum(table.rows for table in done.values()), total), total)
        return list(done.values())

    async def compact(self) -> Compacted:
        """Merges all blocks that are old enough and frees unused pages; the hub must not run."""
        async with self.open_store() as store:
            space, merging, merged = store.space, store.merging, 0
            before = await space.file_bytes()
            before_ms = time.time_ns() // 1_000_000 - SETTLED_MS
            for boot in await merging.boots():
                while done := await merging.merge(boot, before_ms):
                    merged += done.blocks
            await space.rewrite()
            return Compacted(merged, before, await space.file_bytes())


async def verify_store(store: Store, progress: Progress) -> Findings:
    """Reads and checks a whole record. Raises StoreError."""
    check = store.check
    findings, total = Findings(), await check.count()
    findings.structure = await check.structure()
    async for number, damaged in check.blocks():
        findings.blocks += number
        findings.damaged += damaged
        progress(findings.blocks, total)
    return findings


def _is_broken(path: Path) -> bool:
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=rw", uri=True)) as connection:
            (result,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.DatabaseError:
        return True
    return bool(result != "ok")


async def _rebuild(data_dir: Path) -> list[Salvaged]:
    path, fresh = data_dir / DATABASE, data_dir / f"{DATABASE}.salvaged"
    _remove(fresh)
    await SqliteFile(fresh).prepare()
    saved = salvage(path, fresh)
    if not any(table.copied for table in saved):
        _remove(fresh)
        raise DamagedError(f"no table of {path} can be read; restore a backup")
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    for suffix in ("", "-wal", "-shm"):
        old = path.with_name(path.name + suffix)
        if old.exists():
            old.rename(path.with_name(f"{DATABASE}.damaged-{stamp}{suffix}"))
    fresh.rename(path)
    return saved


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
