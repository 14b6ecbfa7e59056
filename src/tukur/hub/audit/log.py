"""The audit log: who did what, from where, to what, with which result. Append-only."""

import asyncio
import fcntl
import logging
import os
import pwd
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from tukur.files import kept_secret, write_secret
from tukur.hub.audit.chain import ChainVerifier, head_of, sealed
from tukur.hub.models.audit import Entry, Head
from tukur.hub.store.control.audit import AuditQuery, AuditStore, EntryContent
from tukur.hub.store.control.change import Change
from tukur.hub.store.errors import NotWritableError
from tukur.protocol import auth
from tukur.protocol.errors import UNREADABLE
from tukur.text import readable

log = logging.getLogger(__name__)

HEAD = "audit.head"
"""In the data directory: the newest entry's number and hash, signed."""
KEY = "audit.key"
"""In the data directory: the private key that signs entries."""
DONE = "done"
_MAX_LENGTH = 255


def audit_key(data_dir: Path) -> bytes:
    """The private key that signs entries, created at first use. Raises NotWritableError."""
    path = data_dir / KEY
    try:
        return kept_secret(path, auth.new_key())
    except OSError as error:
        raise NotWritableError(f"cannot access the audit key {path}: {error.strerror}") from error


def local_user() -> str:
    """The actor of a command on the hub's machine."""
    uid = os.getuid()
    name = os.environ.get("SUDO_USER") if uid == 0 else None
    if name is None:
        try:
            name = pwd.getpwuid(uid).pw_name
        except KeyError:
            name = str(uid)
    return f"local:{readable(name)}"


class AuditLog:
    """All methods raise StoreError. An action that cannot be logged is refused."""

    def __init__(self, store: AuditStore, data_dir: Path, key: bytes) -> None:
        """`key`: see :func:`audit_key`."""
        self._store = store
        self._head = data_dir / HEAD
        self._key = key
        self._writing = asyncio.Lock()

    async def add(
        self, actor: str, action: str, target: str = "", result: str = DONE, origin: str = "", **detail: Any
    ) -> None:
        """Writes one entry, on disk when this returns."""
        await self._append(_content(actor, action, target, result, origin, detail), None)

    async def add_with(
        self,
        change: Change,
        actor: str,
        action: str,
        target: str = "",
        result: str = DONE,
        origin: str = "",
        **detail: Any,
    ) -> bool:
        """Makes a change and writes its entry, both or neither; False: its condition does not hold."""
        content = _content(actor, action, target, result, origin, detail)
        return await self._append(content, change) is not None

    async def _append(self, content: EntryContent, change: Change | None) -> Entry | None:
        async with self._writing:
            entry = await self._store.append(content, self._seal, change)
            if entry is not None and await self.is_whole():
                await asyncio.to_thread(self._write_head, head_of(entry, self._key))
        return entry

    def _seal(self, entry: Entry, previous_hash: bytes) -> Entry:
        return sealed(entry, previous_hash, self._key)

    async def is_whole(self) -> bool:
        """Whether the entry that the head refers to is unchanged; if not, logs it.

        The head then stays as it is: it is the evidence.
        """
        head = await asyncio.to_thread(read_head, self._head)
        if head is None or await self._store.hash_at(head.seq) == head.hash:
            return True
        log.critical("the audit log was altered at entry %d; see `tukur audit verify`", head.seq)
        return False

    async def find(self, query: AuditQuery, limit: int) -> list[Entry]:
        """Entries, the newest first."""
        return await self._store.find(query, limit)

    def _write_head(self, head: Head) -> None:
        """Writes the head unless another process has written a newer one."""
        with self._head.with_suffix(".lock").open("a", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            stored = read_head(self._head)
            if stored is not None and stored.seq > head.seq:
                return
            write_secret(self._head, msgspec.json.encode(head))

    async def verify(self) -> AsyncGenerator[tuple[int, str], None]:
        """Reads the whole log; yields (number of the newest entry read, fault or empty)."""
        verifier = ChainVerifier(auth.public_key(self._key), await asyncio.to_thread(read_head, self._head))
        async for entries in self._store.chain():
            valid = True
            for fault in verifier.entries(entries):
                valid = False
                yield verifier.seq, fault
            if valid:
                yield verifier.seq, ""
        for fault in verifier.end():
            yield verifier.seq, fault

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """Every entry as a line of JSON, the oldest first; hash and signature in hexadecimal."""
        async for entries in self._store.chain():
            yield b"".join(msgspec.json.encode(to_json(entry)) + b"\n" for entry in entries)


def _content(
    actor: str, action: str, target: str, result: str, origin: str, detail: Mapping[str, Any]
) -> EntryContent:
    return EntryContent(
        actor=actor[:_MAX_LENGTH],
        origin=origin[:_MAX_LENGTH],
        action=action,
        target=target[:_MAX_LENGTH],
        result=result[:_MAX_LENGTH],
        detail=msgspec.json.encode(detail).decode() if detail else "",
    )


def to_json(entry: Entry) -> dict[str, Any]:
    """The fields of an entry, with hash and signature in hexadecimal."""
    content = {name: getattr(entry, name) for name in Entry.__struct_fields__}
    return {**content, "hash": entry.hash.hex(), "signature": entry.signature.hex()}


def read_head(path: Path) -> Head | None:
    """The head; None if it is missing or cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Head)
    except (FileNotFoundError, *UNREADABLE):
        return None
