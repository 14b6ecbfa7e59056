"""The audit log's hash chain: each entry is bound to all previous ones and signed. No I/O.

Each hash covers the entry and the previous hash, so that no entry can be changed, removed or moved without
changing all later ones; the hub signs each hash, so that access to the database is not enough to add entries.
Truncation leaves a valid chain; it is detected by the *head*: the newest entry's number and hash, signed and
stored outside the database.
"""

import hashlib
from collections.abc import Iterable, Iterator

import msgspec

from tukur.hub.models.audit import START, Entry, Head
from tukur.protocol import auth

_ENTRY = b"tukur audit entry v1\0"
_HEAD = b"tukur audit head v1\0"


def hash_of(entry: Entry, previous_hash: bytes) -> bytes:
    """The hash of an entry, which covers the previous hash."""
    content = [getattr(entry, name) for name in Entry.__struct_fields__ if name not in ("hash", "signature")]
    return hashlib.sha256(_ENTRY + previous_hash + msgspec.json.encode(content)).digest()


def sealed(entry: Entry, previous_hash: bytes, key: bytes) -> Entry:
    """The entry with its hash and the hub's signature."""
    entry_hash = hash_of(entry, previous_hash)
    return msgspec.structs.replace(entry, hash=entry_hash, signature=auth.sign(key, _ENTRY + entry_hash))


def head_of(entry: Entry, key: bytes) -> Head:
    """The signed head of a chain that ends with this entry."""
    return Head(seq=entry.seq, hash=entry.hash, signature=auth.sign(key, _head_text(entry.seq, entry.hash)))


def _head_text(seq: int, entry_hash: bytes) -> bytes:
    return _HEAD + str(seq).encode() + b"\0" + entry_hash


class ChainVerifier:
    """Verifies a chain from its first entry; yields each fault as a sentence."""

    def __init__(self, public: bytes, head: Head | None) -> None:
        """`head`: the stored head; None if it is missing."""
        self._public = public
        self._head = head
        self._previous_hash = START
        self.seq = 0
        """The newest entry read."""

    def entries(self, entries: Iterable[Entry]) -> Iterator[str]:
        """Verifies the next entries."""
        for entry in entries:
            yield from self._entry(entry)

    def _entry(self, entry: Entry) -> Iterator[str]:
        if entry.seq != self.seq + 1:
            missing = (
                f"entry {self.seq + 1} is"
                if entry.seq == self.seq + 2
                else (f"entries {self.seq + 1} to {entry.seq - 1} are")
            )
            yield f"{missing} missing"
        if hash_of(entry, self._previous_hash) != entry.hash:
            yield f"entry {entry.seq} was altered, or does not follow its predecessor"
        elif not auth.verify(self._public, _ENTRY + entry.hash, entry.signature):
            yield f"entry {entry.seq} was not written by this hub"
        if self._head is not None and entry.seq == self._head.seq and entry.hash != self._head.hash:
            yield f"entry {entry.seq} does not match the head"
        self.seq, self._previous_hash = entry.seq, entry.hash

    def end(self) -> Iterator[str]:
        """Compares the end of the chain with the head."""
        head = self._head
        if head is None:
            if self.seq:
                yield "the head is missing: cannot determine whether entries are missing at the end"
            return
        if not auth.verify(self._public, _head_text(head.seq, head.hash), head.signature):
            yield "the head was not written by this hub"
        elif head.seq > self.seq:
            yield f"the entries after {self.seq} are missing: there were {head.seq}"
