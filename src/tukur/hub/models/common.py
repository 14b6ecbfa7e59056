"""Shared by the whole API: errors, health, role names."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

RoleName = Literal["none", "viewer", "operator", "admin"]


class Problem(Struct, kw_only=True):
    """The body of every error response."""

    code: Annotated[str, Meta(description="Stable code, such as ``host_unknown``.")]
    detail: Annotated[str, Meta(description="What was found and what was expected.")]


class Health(Struct, kw_only=True):
    status: Literal["ok"]
