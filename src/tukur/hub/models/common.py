"""What every part of the API shares: errors, health, the names of roles."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

RoleName = Literal["none", "viewer", "operator", "admin"]


class Problem(Struct, kw_only=True):
    """Every error, whatever its status."""

    code: Annotated[str, Meta(description="A stable word, such as ``host_unknown``.")]
    detail: Annotated[str, Meta(description="What was found and what was expected.")]


class Health(Struct, kw_only=True):
    status: Literal["ok"]
