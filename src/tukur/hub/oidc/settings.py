"""By which OpenID provider people may sign in, and what that makes them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tukur.hub.auth.identity import Rights, Role, groups_of


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """Fixed while the hub runs."""

    issuer: str
    """URL, as the provider itself writes it."""
    client_id: str
    client_secret: str = field(default="", repr=False)
    """Empty: a public client, proved by PKCE alone."""
    name: str = "OpenID"
    """What the sign-in page calls it."""
    role_claim: str = "groups"
    """The claim that says what somebody is: a text or a list of texts."""
    roles: Mapping[str, Rights] | None = None
    """A value of that claim to the rights that it gives. Who has none of them is not let in."""
    ca: Path | None = None
    """The authority of the provider's certificate; None: those of the system."""


def rights_of(roles: Mapping[str, Rights], values: Iterable[str]) -> Rights:
    """All that the values give together: for all hosts and for each group the highest."""
    role, grants = Role.NONE, dict[str, Role]()
    for value in values:
        given = roles.get(value)
        if given is None:
            continue
        role = max(role, given.role)
        for group, word in given.grants.items():
            grants[group] = max(word, grants.get(group, Role.NONE))
    return Rights(role, grants)


def parse_roles(texts: Iterable[str]) -> dict[str, Rights]:
    """Of ``VALUE=ROLE`` and ``VALUE=ROLE@GROUP``; a value may come several times. Raises ValueError."""
    roles: dict[str, Rights] = {}
    for text in texts:
        # A value may hold an equals sign itself, as the name of a directory's group does.
        value, equals, given = text.rpartition("=")
        word, at, group = given.partition("@")
        if not equals or not value:
            raise ValueError(f"{text[:100]!r}; VALUE=ROLE or VALUE=ROLE@GROUP expected")
        role = Role.of(word)
        more = Rights(Role.NONE, {groups_of([group])[0]: role}) if at else Rights(role)
        roles[value] = rights_of(
            {"before": roles.get(value, Rights(Role.NONE)), "more": more}, ("before", "more")
        )
    return roles
