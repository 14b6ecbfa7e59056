"""Audit log entries, as stored and as the API returns them."""

from typing import Annotated

from msgspec import Meta, Struct

START = bytes(32)
"""The previous hash of the first entry."""


class Entry(Struct, frozen=True, kw_only=True):
    """An action that somebody took or tried."""

    seq: int
    """1, 2, 3, ... without gaps."""
    at_ms: int
    actor: str
    """A user, ``token:NAME``, ``host:ID``, ``local:USER`` (the command line) or ``hub``."""
    origin: str
    """The client's address; empty: the hub's own machine."""
    action: str
    """Such as ``order.issue``."""
    target: str
    """What it was done to: a host, a user, a token's name."""
    result: str
    """``done``, or why it failed."""
    detail: str
    """Further details as JSON."""
    hash: bytes
    signature: bytes


class Head(Struct, frozen=True, kw_only=True):
    """The newest entry when this was written."""

    seq: int
    hash: bytes
    signature: bytes


class AuditEntry(Struct, kw_only=True):
    """An action that somebody took or tried."""

    seq: Annotated[int, Meta(description="1, 2, 3, ... without gaps.")]
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
    result: Annotated[str, Meta(description="``done``, or why it failed.")]
    detail: Annotated[str, Meta(description="Further details as JSON.")]
    hash: Annotated[
        str,
        Meta(description=("SHA-256 over this entry and the previous hash; hexadecimal, like the signature.")),
    ]
    signature: str


class AuditEntries(Struct, kw_only=True):
    entries: Annotated[list[AuditEntry], Meta(description="Newest first.")]
    next: Annotated[int | None, Meta(description="For `before`; null: no older entries.")]
