"""Entries of the audit log: as they are chained and stored, and as the API shows them."""

from typing import Annotated

from msgspec import Meta, Struct

START = bytes(32)
"""The hash before the first entry."""


class Entry(Struct, frozen=True, kw_only=True):
    """One thing that somebody did, or tried."""

    seq: int
    """1, 2, 3, ...: no number is left out."""
    at_ms: int
    actor: str
    """Who: a user, ``token:NAME``, ``host:ID``, ``local:USER`` (the command line) or ``hub``."""
    origin: str
    """From which address; empty: from the hub's own machine."""
    action: str
    """What, such as ``order.issue``."""
    target: str
    """To whom: a host, a user, a token's name."""
    result: str
    """``done``, or why not."""
    detail: str
    """All else, as JSON."""
    hash: bytes
    signature: bytes


class Head(Struct, frozen=True, kw_only=True):
    """The newest entry when this was written."""

    seq: int
    hash: bytes
    signature: bytes


class AuditEntry(Struct, kw_only=True):
    """One thing that somebody did, or tried."""

    seq: Annotated[int, Meta(description="1, 2, 3, ...: no number is left out.")]
    at_ms: int
    actor: Annotated[
        str,
        Meta(
            description=(
                "A user, ``token:NAME``, ``host:ID``, ``local:USER`` (a command on the hub's machine)"
                " or ``hub``."
            )
        ),
    ]
    origin: Annotated[str, Meta(description="The client's address; empty: the hub's own machine.")]
    action: str
    target: str
    result: Annotated[str, Meta(description="``done``, or why not.")]
    detail: Annotated[str, Meta(description="All else, as JSON.")]
    hash: Annotated[
        str,
        Meta(
            description=(
                "Of all that this entry says and of the hash before it; hexadecimal, likewise the next."
            )
        ),
    ]
    signature: str


class AuditEntries(Struct, kw_only=True):
    entries: Annotated[list[AuditEntry], Meta(description="Newest first.")]
    next: Annotated[int | None, Meta(description="For `before`; null: there are no older ones.")]
