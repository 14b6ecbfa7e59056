"""What differs between what is declared and what is there."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

_SITE = re.compile(r"^https://(?:www|compute)\.googleapis\.com/compute/v1/")


class Difference(NamedTuple):
    """One field."""

    field: str
    """Dotted, ``autoscalingPolicy.maxNumReplicas``."""
    found: Any
    expected: Any

    def __str__(self) -> str:
        return f"{self.field}: found {_shown(self.found)}, {_shown(self.expected)} expected"


def differences(
    desired: Mapping[str, Any], actual: Mapping[str, Any], where: str = ""
) -> Iterator[Difference]:
    """Fields that `actual` does not have as `desired` has them; what is not declared may be anything."""
    for key, expected in desired.items():
        yield from _compare(expected, actual.get(key), f"{where}{key}")


def _compare(expected: Any, found: Any, where: str) -> Iterator[Difference]:
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        yield from differences(expected, found, f"{where}.")
    elif _is_attributes(expected) and (found is None or _is_attributes(found)):
        yield from differences(_attributes(expected), _attributes(found or []), f"{where}.")
    elif _is_bodies(expected) and _is_bodies(found) and len(expected) == len(found):
        for index, (one, other) in enumerate(zip(expected, found, strict=True)):
            yield from _compare(one, other, f"{where}[{index}]")
    elif _plain(expected) != _plain(found):
        yield Difference(where, found, expected)


def _is_bodies(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, Mapping) for item in value)


def _is_attributes(value: Any) -> bool:
    """Whether it is a list of metadata, ``[{"key": ..., "value": ...}]``."""
    return _is_bodies(value) and all(item.keys() == {"key", "value"} for item in value)


def _attributes(items: list[dict[str, str]]) -> dict[str, str]:
    return {item["key"]: item["value"] for item in items}


def _plain(value: Any) -> Any:
    """Without what Google writes in its own way: whole addresses, numbers as text, order, empty lists."""
    if isinstance(value, str):
        return _SITE.sub("", value)
    if isinstance(value, bool) or value is None:
        return value or None
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list):
        return sorted((_plain(item) for item in value), key=str) or None
    return {key: _plain(item) for key, item in value.items()} or None


def _shown(value: Any) -> str:
    if value is None or value in ([], {}, ""):
        return "nothing"
    if isinstance(value, list) and not _is_bodies(value):
        return f"[{', '.join(_shown(item) for item in value)}]"
    text = str(_plain(value) if isinstance(value, str) else value)
    # A start script is not for a line.
    return text if len(text) <= 80 and "\n" not in text else f"a text of {len(text)} characters"
