"""Sessions, users, and one's own account."""

from typing import Annotated

from msgspec import Meta, Struct

from tukur.hub.models.common import RoleName

Name = Annotated[str, Meta(min_length=1, max_length=100)]
Password = Annotated[str, Meta(max_length=1000)]
Code = Annotated[str, Meta(max_length=100)]
Grants = Annotated[dict[str, RoleName], Meta(max_length=15)]


class SignIn(Struct, kw_only=True):
    """A link's token, or a name with its password."""

    token: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=200,
                description="From the link that ``tukur up`` prints; used once.",
            ),
        ]
        | None
    ) = None
    user: Name | None = None
    password: Password = ""
    code: Annotated[
        Code, Meta(description="Of the second factor, where the user has one; or a recovery code.")
    ] = ""


class SignInWays(Struct, kw_only=True):
    provider: Annotated[
        str | None,
        Meta(
            description=(
                "What to call the OpenID provider that `/api/oidc/start` leads to; null: there is none."
            )
        ),
    ]


class Session(Struct, kw_only=True):
    user: str
    role: Annotated[RoleName, Meta(description="On all hosts.")]
    grants: Annotated[dict[str, RoleName], Meta(description="Group of hosts to the role on those.")]
    expires_ms: int


class OpenSession(Struct, kw_only=True):
    """A browser that is signed in."""

    session_id: str
    current: Annotated[bool, Meta(description="It is the one that asks.")]
    via: Annotated[str, Meta(description="What it began with: link, password or provider.")]
    address: str
    browser: str
    created_ms: int
    used_ms: Annotated[int, Meta(description="Its last use, to the minute.")]
    expires_ms: int


class Account(Struct, kw_only=True):
    """Somebody's own account."""

    user: str
    role: Annotated[RoleName, Meta(description="On all hosts.")]
    grants: Annotated[dict[str, RoleName], Meta(description="Group of hosts to the role on those.")]
    password: Annotated[bool, Meta(description="One is set.")]
    provider: Annotated[
        bool, Meta(description="The OpenID provider vouches for this user, who has no password here.")
    ]
    needs_present: Annotated[bool, Meta(description="To set another takes the present one, or a new link.")]
    second_factor: bool
    recovery_codes: Annotated[int, Meta(description="How many are left.")]
    sessions: list[OpenSession]


class PasswordChange(Struct, kw_only=True, forbid_unknown_fields=True):
    new: Annotated[Password, Meta(description="12 to 128 characters of any kind.")]
    present: Annotated[
        Password, Meta(description="Not needed within 15 minutes after a sign-in by a link.")
    ] = ""


class SecondFactorSecret(Struct, kw_only=True):
    """Shown this once; it counts when a code of it has been given."""

    secret: Annotated[str, Meta(description="Base32, to be typed into an authenticator.")]
    uri: str
    picture: Annotated[str, Meta(description="The same as a QR code: an SVG as a data URL.")]


class SecondFactorCode(Struct, kw_only=True, forbid_unknown_fields=True):
    code: Code


class RecoveryCodes(Struct, kw_only=True):
    codes: Annotated[list[str], Meta(description="Each is good once in place of a code; shown this once.")]


class User(Struct, kw_only=True):
    """A user as administrators see it."""

    name: str
    role: Annotated[RoleName, Meta(description="On all hosts.")]
    grants: Annotated[dict[str, RoleName], Meta(description="Group of hosts to the role on those.")]
    disabled: bool
    password: Annotated[bool, Meta(description="One is set.")]
    second_factor: bool
    provider: Annotated[
        bool, Meta(description="Signs in by the OpenID provider, which says what roles it has.")
    ]
    created_ms: int


class UserList(Struct, kw_only=True):
    users: list[User]


class NewUser(Struct, kw_only=True, forbid_unknown_fields=True):
    name: Name
    role: RoleName = "viewer"
    grants: Grants = {}


class UserChange(Struct, kw_only=True, forbid_unknown_fields=True):
    """What is to become of a user; what is null stays as it is."""

    role: Annotated[RoleName | None, Meta(description="On all hosts; with `grants`, both are set.")] = None
    grants: Grants | None = None
    disabled: bool | None = None


class UserReset(Struct, kw_only=True, forbid_unknown_fields=True):
    second_factor: Annotated[bool, Meta(description="Take this off as well.")] = False


class Invitation(Struct, kw_only=True):
    """Shown this once."""

    user: str
    link: Annotated[
        str,
        Meta(
            description=(
                "A path of this site: whoever opens it is signed in as the user, once, and may set a "
                "password."
            )
        ),
    ]
    expires_ms: int
