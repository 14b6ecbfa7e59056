"""Who asks, and how a secret is kept."""

import hashlib
import re
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal

from tukur.hub.models.common import RoleName


class Role(IntEnum):
    """Each may do what the one before it may."""

    NONE = 0
    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3

    @property
    def word(self) -> RoleName:
        """As the API and the database write it."""
        words: dict[Role, RoleName] = {
            Role.NONE: "none",
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


_GROUP = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_GROUPS = 15
"""So many groups at most for a host, and grants for a user or token: they fit their columns."""


def groups_of(words: Collection[str]) -> tuple[str, ...]:
    """Names of groups of hosts, in order, each once. Raises ValueError."""
    for word in words:
        if not _GROUP.fullmatch(word):
            raise ValueError(
                f"group {word[:100]!r}; up to 63 of a-z 0-9 . _ - expected, a letter or digit first"
            )
    if len(words) > _GROUPS:
        raise ValueError(f"{len(words)} groups; {_GROUPS} at most expected")
    return tuple(sorted(set(words)))


@dataclass(frozen=True, slots=True)
class Rights:
    """What somebody may do, and where."""

    role: Role
    """On all hosts, and on what is the fleet's as a whole."""
    grants: Mapping[str, Role] = field(default_factory=dict)
    """Group of hosts to the role on those."""

    @classmethod
    def parse(cls, role: str, grants: str) -> "Rights":
        """From the words of :meth:`grants_text`. Raises ValueError."""
        pairs = (grant.partition("=") for grant in grants.split())
        return cls(Role.of(role), {group: Role.of(word) for group, _, word in pairs})

    def grants_text(self) -> str:
        """As the database keeps them."""
        return " ".join(f"{group}={role.word}" for group, role in sorted(self.grants.items()))

    def on(self, groups: Collection[str]) -> Role:
        """The role on a host that is in these groups."""
        return max([self.role, *(role for group, role in self.grants.items() if group in groups)])

    @property
    def best(self) -> Role:
        """The highest role on any host that there might be."""
        return max([self.role, *self.grants.values()])


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who is signed in."""

    user: str
    """Name; of a token ``token:`` and its name."""
    rights: Rights
    expires_ms: int
    via: Literal["cookie", "bearer"]
    secret_hash: bytes
    """Of the session or token, to see later whether it still holds."""

    @property
    def role(self) -> Role:
        """On all hosts."""
        return self.rights.role

    def sees(self, groups: Collection[str]) -> bool:
        """Whether a host of these groups is there for them at all."""
        return self.rights.on(groups) >= Role.VIEWER


Sees = Callable[[Collection[str]], bool]
"""Of the groups that a host is in, whether the asker sees it: ``Identity.sees``."""

TOKEN_PREFIX = "tukur_"  # noqa: S105


def new_secret(prefix: str = "") -> str:
    """256 random bits as text."""
    return prefix + secrets.token_urlsafe(32)


def hash_of(secret: str | bytes) -> bytes:
    """What is stored of a secret. A plain hash is enough: the secret is 192 random bits or more."""
    return hashlib.sha256(secret.encode() if isinstance(secret, str) else secret).digest()
