"""The OpenID provider, and which rights its claims give."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tukur.hub.auth.identity import Rights, Role, parse_host_groups


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """Fixed while the hub runs."""

    issuer: str
    """Issuer URL, exactly as in the provider's metadata."""
    client_id: str
    client_secret: str = field(default="", repr=False)
    """Empty: a public client, protected by PKCE only."""
    name: str = "OpenID"
    """Its name on the sign-in page."""
    role_claim: str = "groups"
    """The claim with a user's groups or roles: a string or a list of strings."""
    roles: Mapping[str, Rights] | None = None
    """Value of that claim to rights. Users with none of these values cannot sign in."""
    ca: Path | None = None
    """CA file for the provider's certificate; None: the system's CAs."""


def combine_rights(roles: Mapping[str, Rights], values: Iterable[str]) -> Rights:
    """The rights of all values: the highest role on all hosts, and on each host group."""
    role, grants = Role.NONE, dict[str, Role]()
    for value in values:
        given = roles.get(value)
        if given is None:
            continue
        role = max(role, given.role)
        for group, group_role in given.grants.items():
            grants[group] = max(group_role, grants.get(group, Role.NONE))
    return Rights(role, grants)


def parse_roles(texts: Iterable[str]) -> dict[str, Rights]:
    """Parses ``VALUE=ROLE`` and ``VALUE=ROLE@GROUP``; values may be repeated. Raises ValueError."""
    roles: dict[str, Rights] = {}
    for text in texts:
        # The value itself may contain an equals sign, as an LDAP group name does.
        value, equals, given = text.rpartition("=")
        label, separator, group = given.partition("@")
        if not equals or not value:
            raise ValueError(f"{text[:100]!r}; VALUE=ROLE or VALUE=ROLE@GROUP expected")
        role = Role.parse(label)
        added = Rights(Role.NONE, {parse_host_groups([group])[0]: role}) if separator else Rights(role)
        roles[value] = combine_rights(
            {"before": roles.get(value, Rights(Role.NONE)), "added": added}, ("before", "added")
        )
    return roles
