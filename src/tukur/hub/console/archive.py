"""The file of a backup: a tar archive that begins with its own table of contents.

``manifest.json``, ``manifest.sha256`` (of those bytes), then each file of the manifest in its order. Reading
trusts nothing: names, sizes and checksums are the manifest's, and nothing else is unpacked.
"""

import contextlib
import errno
import hashlib
import io
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO, Literal

import msgspec

from tukur.files import new_secret
from tukur.hub.store.errors import BackupDamagedError, DiskFullError, NewerVersionError, NotWritableError

FORMAT = 1
MANIFEST = "manifest.json"
_CHECKSUM = "manifest.sha256"
_CHUNK = 2**20
_MAX_MANIFEST = 2**20

Progress = Callable[[int, int], None]
"""Called with (done, in all)."""


class Member(msgspec.Struct, frozen=True):
    """One file of the backup."""

    name: str
    """Relative to the data directory."""
    size: int
    """Bytes."""
    sha256: str
    """64 hexadecimal digits."""


class Manifest(msgspec.Struct, frozen=True):
    """The table of contents."""

    program: Literal["tukur backup"]
    format: int
    """Version of this layout."""
    version: str
    """Of the tukur that made it."""
    created: str
    """UTC, ISO 8601."""
    database: Literal["sqlite", "mysql"]
    """Kind of database that the record came from; in the backup it is always a SQLite file."""
    schema: str
    """Revision of the record's schema."""
    files: tuple[Member, ...]


class _Head(msgspec.Struct):
    program: str
    format: int
    version: str


def member(name: str, path: Path) -> Member:
    """A file's entry in the manifest. Raises OSError."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Member(name, file.tell(), digest)


def write_archive(path: Path, manifest: Manifest, sources: Mapping[str, Path]) -> None:
    """Writes a new file with mode 0600 to the disk; `sources`: where each file is. Raises StoreError."""
    head = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    with (
        file_errors(path),
        new_secret(path) as file,
        tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        _add(archive, MANIFEST, len(head), io.BytesIO(head))
        checksum = hashlib.sha256(head).hexdigest().encode()
        _add(archive, _CHECKSUM, len(checksum), io.BytesIO(checksum))
        for each in manifest.files:
            with sources[each.name].open("rb") as source:
                _add(archive, each.name, each.size, source)


def _add(archive: tarfile.TarFile, name: str, size: int, source: IO[bytes]) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    archive.addfile(info, source)


def read_archive(path: Path, folder: Path, progress: Progress) -> Manifest:
    """Unpacks a backup into an empty folder. Raises StoreError, whatever the file holds."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise BackupDamagedError(f"cannot read the backup {path}: {error.strerror}") from error
    with file, _damage(path):
        with tarfile.open(fileobj=file, mode="r:") as archive:
            manifest = _manifest(path, archive)
            total, done = sum(each.size for each in manifest.files), 0
            for each in manifest.files:
                _unpack(path, archive, each, folder / each.name)
                done += each.size
                progress(done, total)
        return manifest


@contextlib.contextmanager
def _damage(path: Path) -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, EOFError, UnicodeDecodeError, ValueError, OverflowError) as error:
        raise BackupDamagedError(f"{path} is not a backup of tukur: {error}") from error


def _manifest(path: Path, archive: tarfile.TarFile) -> Manifest:
    content = _next(path, archive, MANIFEST, _MAX_MANIFEST)
    try:
        head = msgspec.json.decode(content, type=_Head)
    except msgspec.MsgspecError as error:
        raise BackupDamagedError(f"{path} is not a backup of tukur: {error}") from error
    checksum = _next(path, archive, _CHECKSUM, 64)
    if hashlib.sha256(content).hexdigest().encode() != checksum:
        raise BackupDamagedError(f"{path} is damaged: its manifest does not have the checksum that it should")
    if head.program == "tukur backup" and head.format > FORMAT:
        raise NewerVersionError(
            f"{path} is of format {head.format}, made by tukur {head.version}; this one knows up to {FORMAT}"
        )
    manifest = msgspec.json.decode(content, type=Manifest)
    for each in manifest.files:
        name = PurePosixPath(each.name)
        if name.is_absolute() or ".." in name.parts or len(name.parts) > 2:
            raise BackupDamagedError(f"{path} names a file {each.name!r} outside of the data directory")
    return manifest


def _next(path: Path, archive: tarfile.TarFile, name: str, max_size: int) -> bytes:
    info = archive.next()
    if info is None or info.name != name or not info.isreg() or info.size > max_size:
        raise BackupDamagedError(f"{path} is not a backup of tukur: it has no {name} where one is expected")
    source = archive.extractfile(info)
    return source.read() if source is not None else b""


def _unpack(path: Path, archive: tarfile.TarFile, each: Member, target: Path) -> None:
    try:
        info = archive.next()
    except tarfile.ReadError:
        info = None
    source = archive.extractfile(info) if info is not None and info.isreg() else None
    if info is None or source is None or info.name != each.name or info.size != each.size:
        raise BackupDamagedError(f"{path} is truncated or damaged: {each.name} is missing")
    digest, size = hashlib.sha256(), 0
    with file_errors(target):
        target.parent.mkdir(mode=0o700, exist_ok=True)
        with new_secret(target) as file:
            while size < each.size and (chunk := _chunk(source)):
                digest.update(chunk)
                file.write(chunk)
                size += len(chunk)
    if size < each.size:
        raise BackupDamagedError(
            f"{path} is truncated: {size} bytes of {each.name} found, {each.size} expected"
        )
    if digest.hexdigest() != each.sha256:
        raise BackupDamagedError(f"{path} is damaged: {each.name} does not have the checksum that it should")


def _chunk(source: IO[bytes]) -> bytes:
    try:
        return source.read(_CHUNK)
    except tarfile.ReadError:
        # "unexpected end of data"
        return b""


@contextlib.contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """Turns the system's errors inside into a StoreError about `path`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(f"no space left for {path}") from error
        raise NotWritableError(f"cannot write {path}: {error.strerror or error}") from error
