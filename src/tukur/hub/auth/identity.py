"""Roles, rights and identities; how secrets are generated and hashed."""

import hashlib
import re
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal

from tukur.hub.models.common import RoleName


class Role(IntEnum):
    """In ascending order: each role includes the rights of the lower ones."""

    NONE = 0
    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3

    @property
    def label(self) -> RoleName:
        """The name used by the API and the database."""
        labels: dict[Role, RoleName] = {
            Role.NONE: "none",
            Role.VIEWER: "viewer",
            Role.OPERATOR: "operator",
            Role.ADMIN: "admin",
        }
        return labels[self]

    @classmethod
    def parse(cls, text: str) -> "Role":
        """The role with this name. Raises ValueError."""
        try:
            return cls[text.upper()]
        except KeyError:
            known = ", ".join(role.label for role in cls)
            raise ValueError(f"role {text!r}; one of {known} expected") from None


_GROUP_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_MAX_GROUPS = 15
"""Per host, and grants per user or token: what fits their database columns."""


def parse_host_groups(names: Collection[str]) -> tuple[str, ...]:
    """Valid host group names, sorted, without duplicates. Raises ValueError."""
    for name in names:
        if not _GROUP_NAME.fullmatch(name):
            raise ValueError(
                f"group {name[:100]!r}; up to 63 of a-z 0-9 . _ - expected, a letter or digit first"
            )
    if len(names) > _MAX_GROUPS:
        raise ValueError(f"{len(names)} groups; at most {_MAX_GROUPS} expected")
    return tuple(sorted(set(names)))


@dataclass(frozen=True, slots=True)
class Rights:
    """The roles of a user or token, per host group."""

    role: Role
    """On all hosts, and for what concerns the whole fleet."""
    grants: Mapping[str, Role] = field(default_factory=dict)
    """Host group to the role on its hosts."""

    @classmethod
    def parse(cls, role: str, grants: str) -> "Rights":
        """The inverse of :meth:`grants_text`. Raises ValueError."""
        pairs = (grant.partition("=") for grant in grants.split())
        return cls(Role.parse(role), {group: Role.parse(label) for group, _, label in pairs})

    def grants_text(self) -> str:
        """As stored in the database."""
        return " ".join(f"{group}={role.label}" for group, role in sorted(self.grants.items()))

    def on(self, groups: Collection[str]) -> Role:
        """The role on a host in these groups."""
        return max([self.role, *(role for group, role in self.grants.items() if group in groups)])

    @property
    def max_role(self) -> Role:
        """The highest role on any host group."""
        return max([self.role, *self.grants.values()])


@dataclass(frozen=True, slots=True)
class Identity:
    """An authenticated user or token."""

    user: str
    """User name, or ``token:`` and the token's name."""
    rights: Rights
    expires_ms: int
    via: Literal["cookie", "bearer"]
    secret_hash: bytes
    """Of the session or token, to check later that it is still valid."""

    @property
    def role(self) -> Role:
        """On all hosts."""
        return self.rights.role

    def sees(self, groups: Collection[str]) -> bool:
        """Whether hosts in these groups are visible to them."""
        return self.rights.on(groups) >= Role.VIEWER


Sees = Callable[[Collection[str]], bool]
"""Takes a host's groups; whether the requester may see it: ``Identity.sees``."""

TOKEN_PREFIX = "tukur_"  # noqa: S105


def new_secret(prefix: str = "") -> str:
    """256 random bits as text."""
    return prefix + secrets.token_urlsafe(32)


def hash_of(secret: str | bytes) -> bytes:
    """What is stored in place of a secret. A plain hash is enough for 192 random bits or more."""
    return hashlib.sha256(secret.encode() if isinstance(secret, str) else secret).digest()
