"""Entries of the audit log as a chain: each is bound to all before it, and signed. Pure.

What an entry says is hashed with the hash of the one before it, so that none can be changed, taken out or
moved without all after it; the hub signs each hash, so that the database alone is not
enough to write entries.
Whoever cuts the chain off at its end leaves a chain that is whole: the *head*, the newest entry's number and
hash with a signature of its own, is kept outside the database and shows it.
"""

import hashlib
from collections.abc import Iterable, Iterator

import msgspec

from tukur.hub.models.audit import START, Entry, Head
from tukur.protocol import auth

_ENTRY = b"tukur audit entry v1\0"
_HEAD = b"tukur audit head v1\0"


def hash_of(entry: Entry, before: bytes) -> bytes:
    """What binds the entry to all before it; `before`: the hash of the one before."""
    said = [getattr(entry, name) for name in Entry.__struct_fields__ if name not in ("hash", "signature")]
    return hashlib.sha256(_ENTRY + before + msgspec.json.encode(said)).digest()


def sealed(entry: Entry, before: bytes, key: bytes) -> Entry:
    """The entry with its hash and the hub's signature."""
    found = hash_of(entry, before)
    return msgspec.structs.replace(entry, hash=found, signature=auth.sign(key, _ENTRY + found))


def head_of(entry: Entry, key: bytes) -> Head:
    """What shows that the chain went so far."""
    return Head(seq=entry.seq, hash=entry.hash, signature=auth.sign(key, _head_text(entry.seq, entry.hash)))


def _head_text(seq: int, found: bytes) -> bytes:
    return _HEAD + str(seq).encode() + b"\0" + found


class Check:
    """Goes through a chain from its beginning; each fault is a sentence."""

    def __init__(self, public: bytes, head: Head | None) -> None:
        """`head`: what was kept outside; None: it is not there."""
        self._public = public
        self._head = head
        self._last = START
        self.seq = 0
        """The newest entry seen."""

    def entries(self, entries: Iterable[Entry]) -> Iterator[str]:
        """Takes the next entries in."""
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
        if hash_of(entry, self._last) != entry.hash:
            yield f"entry {entry.seq} is not what was written, or not after what it was written after"
        elif not auth.verify(self._public, _ENTRY + entry.hash, entry.signature):
            yield f"entry {entry.seq} was not written by this hub"
        if self._head is not None and entry.seq == self._head.seq and entry.hash != self._head.hash:
            yield f"entry {entry.seq} is not the one that the head names"
        self.seq, self._last = entry.seq, entry.hash

    def end(self) -> Iterator[str]:
        """What the end of the chain shows."""
        head = self._head
        if head is None:
            if self.seq:
                yield "the head is missing: cannot determine whether entries are missing at the end"
            return
        if not auth.verify(self._public, _head_text(head.seq, head.hash), head.signature):
            yield "the head was not written by this hub"
        elif head.seq > self.seq:
            yield f"the entries after {self.seq} are missing: there were {head.seq}"
