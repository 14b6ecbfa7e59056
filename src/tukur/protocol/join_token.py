"""The text of a join token: a secret, and by what its bearer knows the hub before it says the secret."""

import base64
import binascii
import hashlib
from dataclasses import dataclass

PREFIX = "tukur-join-"
SECRET = 24
"""Bytes."""
_SYSTEM, _PINNED = 1, 2
_CHECK = 4


class TokenError(Exception):
    """Not a token. The text says what was found and what was expected."""


@dataclass(frozen=True, slots=True)
class JoinToken:
    """What one join needs to know."""

    secret: bytes
    authority: bytes | None
    """SHA-256 of the certificate of the hub's own authority; None: the system's authorities know the hub."""

    def text(self) -> str:
        """As a person passes it on."""
        kind = bytes([_SYSTEM]) if self.authority is None else bytes([_PINNED]) + self.authority
        body = kind + self.secret
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
        sizes = {_SYSTEM: 1 + SECRET, _PINNED: 33 + SECRET}
        if sizes.get(body[0]) != len(body):
            raise TokenError(f"a token of kind {body[0]}; a newer tukur may have made it")
        return cls(body[-SECRET:], None if body[0] == _SYSTEM else body[1:33])


def _check(body: bytes) -> bytes:
    return hashlib.sha256(b"tukur join token" + body).digest()[:_CHECK]
