"""Who asks, and how a secret is kept."""

import hashlib
import secrets
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal


class Role(IntEnum):
    """Each may do what the one before it may."""

    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3

    @property
    def word(self) -> Literal["viewer", "operator", "admin"]:
        """As the API and the database write it."""
        words: dict[Role, Literal["viewer", "operator", "admin"]] = {
            Role.VIEWER: "viewer",
            Role.OPERATOR: "operator",
            Role.ADMIN: "admin",
        }
        return words[self]

    @classmethod
    def of(cls, word: str) -> "Role":
        """The role that a word names. Raises ValueError."""
        try:
            return cls[word.upper()]
        except KeyError:
            known = ", ".join(role.word for role in cls)
            raise ValueError(f"role {word!r}; one of {known} expected") from None


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who is signed in."""

    user: str
    """Name; of a token ``token:`` and its name."""
    role: Role
    expires_ms: int
    via: Literal["cookie", "bearer"]
    secret_hash: bytes
    """Of the session or token, to see later whether it still holds."""


TOKEN_PREFIX = "tukur_"  # noqa: S105


def new_secret(prefix: str = "") -> str:
    """256 random bits as text."""
    return prefix + secrets.token_urlsafe(32)


def hash_of(secret: str | bytes) -> bytes:
    """What is stored of a secret. A plain hash is enough: the secret is 192 random bits or more."""
    return hashlib.sha256(secret.encode() if isinstance(secret, str) else secret).digest()
