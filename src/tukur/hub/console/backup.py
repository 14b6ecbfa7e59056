"""A hub's record, keys and certificates in one file, and an empty data directory made of it."""

import asyncio
import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import delete, func, select, text

from tukur import __version__
from tukur.files import fill_secret
from tukur.hub.console.archive import (
    FORMAT,
    Manifest,
    Progress,
    file_errors,
    member,
    read_archive,
    write_archive,
)
from tukur.hub.console.console import Console
from tukur.hub.console.record import Findings, verify_store
from tukur.hub.store.backends.address import ServerAddress
from tukur.hub.store.backends.database import Database
from tukur.hub.store.backends.engine import store_errors
from tukur.hub.store.backends.mysql import MysqlServer
from tukur.hub.store.backends.sqlite import DATABASE, SqliteFile
from tukur.hub.store.errors import BusyError, NotEmptyError, NotWritableError, StoreError
from tukur.hub.store.migrate import check_known, newest_revision
from tukur.hub.store.schema import metadata
from tukur.hub.store.store import Store

KEPT = (
    "audit.key",
    "audit.head",
    "accounts.key",
    "order.key",
    "host_id",
    "agent.key",
    "joined.json",
    "tls/authority.pem",
    "tls/ca.pem",
    "tls/server.pem",
)
"""What a backup takes from the data directory beside the record, where it is there."""
LEFT_OUT = ("hub.lock", "audit.lock", "address.json", "spool", "damaged")
"""What it does not: of the running process, of the agent's way to the hub, or known to be damaged."""
_AUDIT_HEAD = "audit.head"
_ALLOWED = ("hub.lock", "lost+found")
"""What an empty data directory may hold."""
_PAGES = 1024
"""Pages of SQLite (4 KiB) copied at once."""


@dataclass(frozen=True, slots=True)
class Restored:
    """The result of a restore."""

    manifest: Manifest
    findings: Findings


class BackupConsole(Console):
    """``backup`` and ``restore`` raise StoreError, and leave nothing half-made behind."""

    def backup(self, target: Path, progress: Progress) -> Manifest:
        """Writes a new file with mode 0600; the hub may be running.

        Needs room for twice the record beside it.
        """
        if target.exists() or target.is_symlink():
            raise NotEmptyError(f"{target} exists already; a new file expected")
        if self.server is None and not (self.data_dir / DATABASE).is_file():
            raise NotWritableError(f"there is no record at {self.data_dir / DATABASE}")
        with _staging(target) as folder:
            # The files first: the audit log's head is then one that the record holds already.
            files = self._keep_files(folder)
            self._keep_record(folder / DATABASE, progress)
            self._check_unchanged(files)
            manifest = self._describe(folder, [*files, DATABASE])
            sources = {name: folder / name for name in (*files, DATABASE)}
            write_archive(folder / ".archive", manifest, sources)
            _publish(folder / ".archive", target)
        return manifest

    def add_to_audit_log(self, target: Path, manifest: Manifest) -> str:
        """Records a backup that was made; why it was not recorded, or empty. Never migrates a database."""
        if manifest.schema != newest_revision():
            return (
                f"the hub's database is of revision {manifest.schema}, which another version of tukur made; "
                f"this one writes revision {newest_revision()}"
            )
        if self.data_dir.stat().st_uid != os.geteuid():
            # The log's signed head would be a file that the hub cannot read.
            return f"{self.data_dir} belongs to another user; run the backup as the hub's user"
        try:
            asyncio.run(self._add_to_audit_log(target))
        except StoreError as error:
            return str(error)
        return ""

    async def _add_to_audit_log(self, target: Path) -> None:
        async with self.open_store() as store:
            await self._audit(store, "backup.create", str(target))

    def _keep_files(self, folder: Path) -> dict[str, bytes]:
        found = self._read_files()
        with file_errors(folder):
            for name, content in found.items():
                (folder / name).parent.mkdir(mode=0o700, exist_ok=True)
                fill_secret(folder / name, content)
        return found

    def _read_files(self) -> dict[str, bytes]:
        found = {}
        for name in KEPT:
            with contextlib.suppress(FileNotFoundError):
                try:
                    found[name] = (self.data_dir / name).read_bytes()
                except PermissionError as error:
                    raise NotWritableError(
                        f"cannot read {self.data_dir / name}: {error.strerror}; run it as the hub's user"
                    ) from error
        return found

    def _check_unchanged(self, before: Mapping[str, bytes]) -> None:
        now = self._read_files()
        changed = [name for name in KEPT if name != _AUDIT_HEAD and before.get(name) != now.get(name)]
        if changed:
            raise BusyError(f"{changed[0]} was replaced while the backup ran; run the backup again")

    def _keep_record(self, path: Path, progress: Progress) -> None:
        if self.server is None:
            _copy_file(self.data_dir / DATABASE, path, progress)
        else:
            asyncio.run(self._copy_from_server(self.server, path, progress))

    async def _copy_from_server(self, server: ServerAddress, path: Path, progress: Progress) -> None:
        # Opening the store would bring the schema up to date, perhaps under an older hub that is running.
        await _check_revision(MysqlServer(server))
        async with self.open_store() as source, Console(path.parent).open_store() as target:
            total, tables = await source.copy_to(target).rows(), dict[str, int]()
            async with source.snapshot_to(target) as run:
                async for state in run.run():
                    tables[state.table] = state.rows
                    progress(min(sum(tables.values()), total), total)
        _settle(path)

    def _describe(self, folder: Path, names: list[str]) -> Manifest:
        with file_errors(folder):
            return Manifest(
                program="tukur backup",
                format=FORMAT,
                version=__version__,
                created=datetime.now(UTC).isoformat(timespec="seconds"),
                database="sqlite" if self.server is None else "mysql",
                schema=_revision(folder / DATABASE),
                files=tuple(member(name, folder / name) for name in names),
            )

    def restore(self, source: Path, progress: Progress) -> Restored:
        """Makes the empty data directory, and the server's empty database, what the backup holds.

        The hub must not run. Files appear under their names only after everything was checked.
        """
        self._check_empty()
        with _restoring(self.data_dir) as folder:
            manifest = read_archive(source, folder, progress)
            check_known(manifest.schema, str(source))
            findings = asyncio.run(self._restore_record(folder, progress))
            if self.server is not None:
                (folder / DATABASE).unlink()
            with file_errors(self.data_dir):
                for path in sorted(folder.iterdir(), key=lambda path: path.name == DATABASE):
                    path.rename(self.data_dir / path.name)
        return Restored(manifest, findings)

    def _check_empty(self) -> None:
        present = sorted(path.name for path in self.data_dir.iterdir() if path.name not in _ALLOWED)
        if present:
            raise NotEmptyError(f"{self.data_dir} holds {present[0]!r}; an empty data directory expected")

    async def _restore_record(self, folder: Path, progress: Progress) -> Findings:
        async with Console(folder).open_store() as staged:
            findings = await verify_store(staged, progress)
            if self.server is not None:
                async with self.open_store() as target:
                    await _fill(staged, target, progress)
        _settle(folder / DATABASE)
        return findings


async def _fill(source: Store, target: Store, progress: Progress) -> None:
    """Copies into an empty database; whatever stops it, the database is empty again."""
    for table in metadata.sorted_tables:
        async with target.database.read() as connection:
            rows = (await connection.execute(select(func.count()).select_from(table))).scalar_one()
        if rows:
            raise NotEmptyError(
                f"{target.database.backend} holds {rows} rows of {table.name}; an empty database expected"
            )
    run, tables = source.copy_to(target), dict[str, int]()
    total = await run.rows()
    try:
        async for state in run.run():
            tables[state.table] = state.rows
            progress(min(sum(tables.values()), total), total)
    except BaseException:
        for table in reversed(metadata.sorted_tables):
            async with target.database.write(no_timeout=True) as connection:
                await connection.execute(delete(table))
        raise


async def _check_revision(backend: MysqlServer) -> None:
    """Raises StoreError unless the server's database is of this version."""
    database = Database(backend)
    try:
        async with database.read() as connection:
            found = (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar_one()
    finally:
        await database.close()
    check_known(found, str(backend))
    if found != newest_revision():
        raise StoreError(
            f"the database {backend} is of revision {found}, {newest_revision()} expected: an older tukur "
            "made it. Make the backup with that version, or start the hub of this one, which brings it "
            "up to date"
        )


def _copy_file(source: Path, target: Path, progress: Progress) -> None:
    """A SQLite file as it is at one moment; others may write to it meanwhile."""
    with store_errors(SqliteFile(target)), contextlib.ExitStack() as opened:
        reader = opened.enter_context(contextlib.closing(sqlite3.connect(f"file:{source}?mode=rw", uri=True)))
        writer = opened.enter_context(contextlib.closing(sqlite3.connect(target)))
        # Without a transaction of its own the copy would begin anew with every change.
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM sqlite_master").fetchone()
        reader.backup(writer, pages=_PAGES, progress=lambda _, left, total: progress(total - left, total))
    _settle(target)


def _settle(path: Path) -> None:
    """Puts the log of a SQLite file into it, so that the one file is all."""
    with store_errors(SqliteFile(path)), contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _revision(path: Path) -> str:
    with store_errors(SqliteFile(path)), contextlib.closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


@contextlib.contextmanager
def _staging(target: Path) -> Iterator[Path]:
    """A private folder beside the target, gone afterwards."""
    with file_errors(target):
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _restoring(data_dir: Path) -> Iterator[Path]:
    folder = data_dir / ".restore"
    with file_errors(folder):
        folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _publish(archive: Path, target: Path) -> None:
    try:
        # Never over a file that came up meanwhile.
        with file_errors(target):
            target.hardlink_to(archive)
    except NotWritableError as error:
        if target.exists():
            raise NotEmptyError(f"{target} exists already; a new file expected") from error
        raise
