"""Sessions, users, and the user's own account."""

from typing import Annotated

from msgspec import Meta, Struct

from tukur.hub.models.common import RoleName

Name = Annotated[str, Meta(min_length=1, max_length=100)]
Password = Annotated[str, Meta(max_length=1000)]
Code = Annotated[str, Meta(max_length=100)]
Grants = Annotated[dict[str, RoleName], Meta(max_length=15)]


class SignIn(Struct, kw_only=True):
    """Either a link's token, or user and password."""

    token: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=200,
                description="From the link that ``tukur up`` prints; valid once.",
            ),
        ]
        | None
    ) = None
    user: Name | None = None
    password: Password = ""
    code: Annotated[
        Code, Meta(description="Of the second factor, if the user has one; or a recovery code.")
    ] = ""


class SignInWays(Struct, kw_only=True):
    provider: Annotated[
        str | None,
        Meta(description=("Display name of the OpenID provider behind `/api/oidc/start`; null: none.")),
    ]


class Session(Struct, kw_only=True):
    user: str
    role: Annotated[RoleName, Meta(description="On all hosts.")]
    grants: Annotated[dict[str, RoleName], Meta(description="Host group to the role on its hosts.")]
    expires_ms: int


class OpenSession(Struct, kw_only=True):
    """A browser that is signed in."""

    session_id: str
    current: Annotated[bool, Meta(description="The session of this request.")]
    via: Annotated[str, Meta(description="How it began: link, password or provider.")]
    address: str
    browser: str
    created_ms: int
    used_ms: Annotated[int, Meta(description="Last use, to the minute.")]
    expires_ms: int


class Account(Struct, kw_only=True):
    """The user's own account."""

    user: str
    role: Annotated[RoleName, Meta(description="On all hosts.")]
    grants: Annotated[dict[str, RoleName], Meta(description="Host group to the role on its hosts.")]
    password: Annotated[bool, Meta(description="Whether one is set.")]
    provider: Annotated[
        bool, Meta(description="The OpenID provider authenticates this user, who has no password here.")
    ]
    needs_present: Annotated[
        bool, Meta(description="Setting another requires the present one, or a new link.")
    ]
    second_factor: bool
    recovery_codes: Annotated[int, Meta(description="Number of unused ones.")]
    sessions: list[OpenSession]


class PasswordChange(Struct, kw_only=True, forbid_unknown_fields=True):
    new: Annotated[Password, Meta(description="12 to 128 characters of any kind.")]
    present: Annotated[
        Password, Meta(description="Not required within 15 minutes after a sign-in with a link.")
    ] = ""


class SecondFactorSecret(Struct, kw_only=True):
    """Shown only once; active after a code has confirmed it."""

    secret: Annotated[str, Meta(description="Base32, to type into an authenticator.")]
    uri: str
    picture: Annotated[str, Meta(description="The same as a QR code: an SVG as a data URL.")]


class SecondFactorCode(Struct, kw_only=True, forbid_unknown_fields=True):
    code: Code


class RecoveryCodes(Struct, kw_only=True):
    codes: Annotated[list[str], Meta(description="Each replaces a code once; shown only once.")]


class User(Struct, kw_only=True):
    """A user as administrators see it."""

    name: str
    role: Annotated[RoleName, Meta(description="On all hosts.")]
    grants: Annotated[dict[str, RoleName], Meta(description="Host group to the role on its hosts.")]
    disabled: bool
    password: Annotated[bool, Meta(description="Whether one is set.")]
    second_factor: bool
    provider: Annotated[
        bool, Meta(description="Signs in with the OpenID provider, whose claims determine the roles.")
    ]
    created_ms: int


class UserList(Struct, kw_only=True):
    users: list[User]


class NewUser(Struct, kw_only=True, forbid_unknown_fields=True):
    name: Name
    role: RoleName = "viewer"
    grants: Grants = {}


class UserChange(Struct, kw_only=True, forbid_unknown_fields=True):
    """Changes to a user; null: unchanged."""

    role: Annotated[RoleName | None, Meta(description="On all hosts; with `grants`, both are set.")] = None
    grants: Grants | None = None
    disabled: bool | None = None


class UserReset(Struct, kw_only=True, forbid_unknown_fields=True):
    second_factor: Annotated[bool, Meta(description="Also remove the second factor.")] = False


class Invitation(Struct, kw_only=True):
    """Shown only once."""

    user: str
    link: Annotated[
        str,
        Meta(
            description=(
                "A path of this site. Whoever opens it first is signed in as the user and may set a password."
            )
        ),
    ]
    expires_ms: int
