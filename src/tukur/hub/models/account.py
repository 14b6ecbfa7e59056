"""What the API takes and gives of users and their accounts; see ``models``."""

from typing import Annotated

from msgspec import Meta, Struct

from tukur.hub.models.models import RoleWord

Name = Annotated[str, Meta(min_length=1, max_length=100)]
Password = Annotated[str, Meta(max_length=1000)]
Code = Annotated[str, Meta(max_length=100)]
Grants = Annotated[dict[str, RoleWord], Meta(max_length=15)]


class SignIn(Struct, kw_only=True):
    """A link's token, or a name with its password."""

    token: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    """From the link that ``tukur up`` prints; used once."""
    user: Name | None = None
    password: Password = ""
    code: Code = ""
    """Of the second factor, where the user has one; or a recovery code."""


class SignInWays(Struct, kw_only=True):
    provider: str | None
    """What to call the OpenID provider that `/api/oidc/start` leads to; null: there is none."""


class OpenSession(Struct, kw_only=True):
    """A browser that is signed in."""

    session_id: str
    current: bool
    """It is the one that asks."""
    via: str
    """What it began with: link, password or provider."""
    address: str
    browser: str
    created_ms: int
    used_ms: int
    """Its last use, to the minute."""
    expires_ms: int


class Account(Struct, kw_only=True):
    """Somebody's own account."""

    user: str
    role: RoleWord
    """On all hosts."""
    grants: dict[str, RoleWord]
    """Group of hosts to the role on those."""
    password: bool
    """One is set."""
    provider: bool
    """The OpenID provider vouches for this user, who has no password here."""
    needs_present: bool
    """To set another takes the present one, or a new link."""
    second_factor: bool
    recovery_codes: int
    """How many are left."""
    sessions: list[OpenSession]


class PasswordChange(Struct, kw_only=True, forbid_unknown_fields=True):
    new: Password
    """12 to 128 characters of any kind."""
    present: Password = ""
    """Not needed within 15 minutes after a sign-in by a link."""


class SecondFactorSecret(Struct, kw_only=True):
    """Shown this once; it counts when a code of it has been given."""

    secret: str
    """Base32, to be typed into an authenticator."""
    uri: str
    picture: str
    """The same as a QR code: an SVG as a data URL."""


class SecondFactorCode(Struct, kw_only=True, forbid_unknown_fields=True):
    code: Code


class RecoveryCodes(Struct, kw_only=True):
    codes: list[str]
    """Each is good once in place of a code; shown this once."""


class User(Struct, kw_only=True):
    """A user as administrators see it."""

    name: str
    role: RoleWord
    """On all hosts."""
    grants: dict[str, RoleWord]
    """Group of hosts to the role on those."""
    disabled: bool
    password: bool
    """One is set."""
    second_factor: bool
    provider: bool
    """Signs in by the OpenID provider, which says what roles it has."""
    created_ms: int


class UserList(Struct, kw_only=True):
    users: list[User]


class NewUser(Struct, kw_only=True, forbid_unknown_fields=True):
    name: Name
    role: RoleWord = "viewer"
    grants: Grants = {}


class UserChange(Struct, kw_only=True, forbid_unknown_fields=True):
    """What is to become of a user; what is null stays as it is."""

    role: RoleWord | None = None
    """On all hosts; with `grants`, both are set."""
    grants: Grants | None = None
    disabled: bool | None = None


class UserReset(Struct, kw_only=True, forbid_unknown_fields=True):
    second_factor: bool = False
    """Take this off as well."""


class Invitation(Struct, kw_only=True):
    """Shown this once."""

    user: str
    link: str
    """A path of this site: whoever opens it is signed in as the user, once, and may set a password."""
    expires_ms: int
