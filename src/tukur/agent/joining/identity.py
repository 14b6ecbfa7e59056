"""Who this host is to its hub, and by what it knows the hub: kept in one file, or given by a command."""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import msgspec
from msgspec import Struct

from tukur.agent.joining.trust import Trust, parse_pem
from tukur.files import write_secret
from tukur.protocol.errors import UNREADABLE
from tukur.protocol.messages import Certificate, Digest, HostId

FILE = "joined.json"
"""Within the data directory."""


class IdentityError(Exception):
    """The identity cannot be read or kept. The text says what was found and what was expected."""


class Identity(Struct, frozen=True, kw_only=True):
    """One host of one hub."""

    hub: str
    """http(s)://host[:port][/path]"""
    host_id: HostId
    key: Digest
    """Ed25519 secret."""
    next_key: bytes = b""
    """The secret that a rotation has begun to put in its place; empty: none has."""
    order_key: Digest
    """The hub's public order key: pinned."""
    authorities: list[Certificate] | None = None
    """Whose certificates are the hub's; None: any authority of the system is believed."""
    tls_name: str = ""
    """What the hub's certificate is made out to; empty: the host of its address."""
    google: bool = False
    """Whether the host joined as a virtual machine of Google."""

    @property
    def trust(self) -> Trust:
        """By what the hub is known."""
        return Trust(None if self.authorities is None else tuple(self.authorities), self.tls_name)


class IdentitySource(Protocol):
    """Where an agent finds its identity, each time that it connects."""

    def load(self) -> Identity:
        """The identity as it is now. Raises IdentityError."""

    def trust_authorities(self, authorities: Sequence[bytes]) -> bool:
        """Trusts these authorities from now on; whether that is anything new. Raises IdentityError."""

    def pin_order_key(self, order_key: bytes) -> None:
        """Pins another order key. Raises IdentityError."""


class JoinedFile:
    """The identity of a machine that has joined: a file that only its owner can read."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE

    def exists(self) -> bool:
        """Whether the machine has joined a hub."""
        return self.path.exists()

    def load(self) -> Identity:
        """As it is now. Raises IdentityError."""
        try:
            status = self.path.stat()
            if status.st_uid != os.geteuid() or status.st_mode & 0o077:
                raise IdentityError(
                    f"{self.path} has mode {status.st_mode & 0o777:04o} and owner {status.st_uid}; "
                    f"0600 and {os.geteuid()} expected: it holds a secret key"
                )
            return msgspec.json.decode(self.path.read_bytes(), type=Identity)
        except OSError as error:
            raise IdentityError(f"{self.path} cannot be read: {error.strerror}") from error
        except UNREADABLE as error:
            raise IdentityError(f"{self.path} is no identity: {error}") from error

    def save(self, identity: Identity) -> None:
        """Replaces it. Raises IdentityError."""
        try:
            write_secret(self.path, msgspec.json.encode(identity))
        except OSError as error:
            raise IdentityError(f"{self.path} cannot be written: {error.strerror}") from error

    def change(self, how: Callable[[Identity], Identity]) -> Identity:
        """Changes it; the running agent and a command may do so at once. Raises IdentityError."""
        with self._alone():
            changed = how(self.load())
            self.save(changed)
            return changed

    def trust_authorities(self, authorities: Sequence[bytes]) -> bool:
        """Pins these authorities where some are pinned; whether they are others. Raises IdentityError."""
        known = self.load().authorities
        if known is None or known == list(authorities):
            return False
        self.change(lambda identity: msgspec.structs.replace(identity, authorities=list(authorities)))
        return True

    def pin_order_key(self, order_key: bytes) -> None:
        """Pins another order key. Raises IdentityError."""
        self.change(lambda identity: msgspec.structs.replace(identity, order_key=order_key))

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            descriptor = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise IdentityError(f"{self.path.parent} cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


class GivenIdentity:
    """The identity of an agent whose hub was told of it, as ``tukur up`` does."""

    def __init__(self, identity: Identity, pin: Path | None = None) -> None:
        """`pin`: a file of certificates, read each time; None: as the identity says."""
        self._identity = identity
        self._pin = pin

    def load(self) -> Identity:
        """As it is now. Raises IdentityError."""
        if self._pin is None:
            return self._identity
        try:
            authorities = parse_pem(self._pin.read_text(encoding="ascii"))
        except OSError as error:
            raise IdentityError(f"{self._pin} cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise IdentityError(f"{self._pin} holds no certificate; PEM expected: {error}") from error
        return msgspec.structs.replace(self._identity, authorities=authorities)

    def trust_authorities(self, _: Sequence[bytes]) -> bool:
        """Never anything new: the file says what to trust."""
        return False

    def pin_order_key(self, order_key: bytes) -> None:
        """Pins another order key while this process runs; the hub leads to it again."""
        self._identity = msgspec.structs.replace(self._identity, order_key=order_key)
