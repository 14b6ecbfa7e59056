"""The text of a join token: a secret, and by what its bearer knows the hub before it says the secret.

The token of a virtual machine of Google has no secret: the machine shows its identity token instead.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass

PREFIX = "tukur-join-"
SECRET = 24
"""Bytes."""
_HASH = 32
_PINNED, _INSTALLER, _GOOGLE = 1, 2, 4
"""Bits of the kind, less one: which hashes come before the secret, in this order; that there is no secret."""
_CHECK = 4


class TokenError(Exception):
    """Not a token. The text says what was found and what was expected."""


@dataclass(frozen=True, slots=True)
class JoinToken:
    """What one join needs to know."""

    secret: bytes
    """Empty: the machine proves by its instance identity token that it may join."""
    authority: bytes | None
    """SHA-256 of the certificate of the hub's own authority; None: the system's authorities know the hub."""
    installer: bytes | None = None
    """SHA-256 of the list of files that the hub's installer consists of; None: the hub serves none."""

    def text(self) -> str:
        """As a person passes it on."""
        authority, installer = self.authority or b"", self.installer or b""
        kind = 1 + (_PINNED if authority else 0) + (_INSTALLER if installer else 0)
        kind += 0 if self.secret else _GOOGLE
        body = bytes([kind]) + authority + installer + self.secret
        return PREFIX + base64.urlsafe_b64encode(body + _check(body)).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> "JoinToken":
        """The token of a text. Raises TokenError; the text itself is not repeated, for it is a secret."""
        text = text.strip()
        if not text.startswith(PREFIX):
            raise TokenError(f"a text of {len(text)} characters; {PREFIX}... expected")
        packed = text.removeprefix(PREFIX)
        try:
            data = base64.b64decode(packed + "=" * (-len(packed) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise TokenError("it holds characters that no token has; was it copied whole?") from error
        body, check = data[:-_CHECK], data[-_CHECK:]
        if _check(body) != check or not body:
            raise TokenError("its check sum is wrong; was it copied whole?")
        kind, rest = body[0] - 1, body[1:]
        size = 0 if kind & _GOOGLE else SECRET
        end = len(rest) - size
        hashes = [rest[at : at + _HASH] for at in range(0, end, _HASH)]
        known = 0 <= kind <= _PINNED | _INSTALLER | _GOOGLE
        if not known or end != _HASH * (kind & ~_GOOGLE).bit_count():
            raise TokenError(f"a token of kind {body[0]}; a newer tukur may have made it")
        authority = hashes.pop(0) if kind & _PINNED else None
        return cls(rest[end:], authority, hashes.pop(0) if kind & _INSTALLER else None)


def _check(body: bytes) -> bytes:
    return hashlib.sha256(b"tukur join token" + body).digest()[:_CHECK]
