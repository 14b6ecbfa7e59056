"""The audit log: who did what, from where, to whom, with what result. Append-only."""

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
from tukur.hub.audit.chain import Check, head_of, sealed
from tukur.hub.models.audit import Entry, Head
from tukur.hub.store.control.audit import AuditQuery, AuditStore, EntryContent
from tukur.hub.store.control.change import Change
from tukur.hub.store.errors import NotWritableError
from tukur.protocol import auth
from tukur.protocol.errors import UNREADABLE

log = logging.getLogger(__name__)

HEAD = "audit.head"
"""In the data directory: the newest entry's number and hash, signed."""
KEY = "audit.key"
"""In the data directory: the secret key that signs entries."""
DONE = "done"
_LONGEST = 255


def audit_key(data_dir: Path) -> bytes:
    """The key that signs entries, made at first use. Raises NotWritableError."""
    path = data_dir / KEY
    try:
        return kept_secret(path, auth.new_key())
    except OSError as error:
        raise NotWritableError(f"the audit key {path} is not accessible: {error.strerror}") from error


def local_user() -> str:
    """Who runs a command on the hub's machine."""
    number = os.getuid()
    name = os.environ.get("SUDO_USER") if number == 0 else None
    if name is None:
        try:
            name = pwd.getpwuid(number).pw_name
        except KeyError:
            name = str(number)
    return f"local:{name}"


class AuditLog:
    """All methods raise StoreError. Actions are logged before they happen, else refused."""

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
                await asyncio.to_thread(self._keep_head, head_of(entry, self._key))
        return entry

    def _seal(self, entry: Entry, before: bytes) -> Entry:
        return sealed(entry, before, self._key)

    async def is_whole(self) -> bool:
        """Whether the entry that the head names is there as it was; where it is not, the log says so.

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

    def _keep_head(self, head: Head) -> None:
        """The newest of those that several programs may write at once."""
        with self._head.with_suffix(".lock").open("a", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            known = read_head(self._head)
            if known is not None and known.seq > head.seq:
                return
            write_secret(self._head, msgspec.json.encode(head))

    async def verify(self) -> AsyncGenerator[tuple[int, str], None]:
        """Reads the whole log; (entries read so far, what is wrong or empty) again and again."""
        check = Check(auth.public_key(self._key), await asyncio.to_thread(read_head, self._head))
        async for entries in self._store.chain():
            found = False
            for wrong in check.entries(entries):
                found = True
                yield check.seq, wrong
            if not found:
                yield check.seq, ""
        for wrong in check.end():
            yield check.seq, wrong

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """Every entry as a line of JSON, the oldest first; hash and signature in hexadecimal."""
        async for entries in self._store.chain():
            yield b"".join(msgspec.json.encode(told(entry)) + b"\n" for entry in entries)


def _content(
    actor: str, action: str, target: str, result: str, origin: str, detail: Mapping[str, Any]
) -> EntryContent:
    return EntryContent(
        actor=actor[:_LONGEST],
        origin=origin[:_LONGEST],
        action=action,
        target=target[:_LONGEST],
        result=result[:_LONGEST],
        detail=msgspec.json.encode(detail).decode() if detail else "",
    )


def told(entry: Entry) -> dict[str, Any]:
    """An entry as it is shown."""
    content = {name: getattr(entry, name) for name in Entry.__struct_fields__}
    return {**content, "hash": entry.hash.hex(), "signature": entry.signature.hex()}


def read_head(path: Path) -> Head | None:
    """The head; None: there is none that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Head)
    except (FileNotFoundError, *UNREADABLE):
        return None
