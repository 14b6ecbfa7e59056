"""How tukur knows again what it made: by labels, and by the description where a kind has no labels."""

from collections.abc import Mapping
from typing import Any


def labels(installation: str) -> dict[str, str]:
    """Labels of everything that can carry some."""
    return {"managed-by": "tukur", "tukur-installation": installation}


def description(installation: str) -> str:
    """The description of what has no labels."""
    return f"Made by tukur gcp for the installation {installation}."


def is_ours(body: Mapping[str, Any], installation: str) -> bool:
    """Whether tukur made it for this installation."""
    carried = body.get("labels") or {}
    ours = labels(installation).items() <= carried.items()
    return ours or body.get("description") == description(installation)
