"""What the tests' Google holds: resources by their names, and operations."""

import datetime
import hashlib
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

SITE = "https://www.googleapis.com/compute/v1/"
_OWN = re.compile(r"projects/[^/]+/(?:global|(?:zones|regions)/[^/]+)/\w+/[^/]+")
# What Google keeps itself, and is not made by requests.
_GIVEN = ("machineTypes", "images", "diskTypes", "operations")


class ApiError(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, reason: str, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status, self.reason, self.message, self.retry_after = status, reason, message, retry_after


@dataclass(slots=True)
class Operation:
    """One that runs: `polls` more questions until it is done, then `error` if it failed."""

    body: Json
    polls: int = 0
    error: tuple[str, str] | None = None
    undo: str | None = None
    """The name of what it would have made."""


@dataclass(slots=True)
class State:
    """Everything, by full name: ``projects/P/zones/Z/disks/NAME``."""

    resources: dict[str, Json] = field(default_factory=dict)
    operations: dict[str, Operation] = field(default_factory=dict)
    policies: dict[str, Json] = field(default_factory=dict)
    """IAM policies of projects, secrets and service accounts."""
    services: set[str] = field(default_factory=set)
    """APIs that are enabled."""
    projects: set[str] = field(default_factory=lambda: {"rehearsal"})
    regions: dict[str, tuple[str, ...]] = field(
        default_factory=lambda: {
            "europe-west1": ("europe-west1-b", "europe-west1-c", "europe-west1-d"),
            "us-central1": ("us-central1-a", "us-central1-b", "us-central1-c", "us-central1-f"),
        }
    )
    quotas: dict[str, float] = field(default_factory=lambda: {"CPUS": 72.0, "N2_CPUS": 24.0})
    """Of each region."""
    machine_types: dict[str, tuple[int, int]] = field(
        default_factory=lambda: (
            {"e2-micro": (2, 1024), "e2-small": (2, 2048), "e2-medium": (2, 4096)}
            | {"e2-standard-2": (2, 8192), "e2-standard-4": (4, 16384), "n2-standard-2": (2, 8192)}
        )
    )
    """Cores and MiB."""
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1001))

    def number(self) -> str:
        """A new ID."""
        return f"7{next(self._numbers):018d}"

    def get(self, name: str) -> Json:
        """One resource. Raises ApiError 404."""
        found = self.resources.get(name)
        if found is None:
            raise ApiError(404, "notFound", f"The resource '{name}' was not found")
        return found

    def under(self, collection: str) -> list[Json]:
        """Those directly in a collection, ``projects/P/zones/Z/disks``."""
        return [
            body for name, body in sorted(self.resources.items()) if name.rpartition("/")[0] == collection
        ]

    def add(self, name: str, body: Json) -> None:
        """Raises ApiError 409 where the name is taken."""
        if name in self.resources:
            raise ApiError(409, "alreadyExists", f"The resource '{name}' already exists")
        self.resources[name] = body

    def remove(self, name: str) -> None:
        """Raises ApiError where it is not there, or something uses it."""
        self.get(name)
        if users := [
            other for other, body in self.resources.items() if other != name and mentions(body, name)
        ]:
            raise ApiError(
                400,
                "resourceInUseByAnotherResource",
                f"The {name.split('/')[-2]} resource '{name}' is already being used by '{users[0]}'",
            )
        del self.resources[name]

    def check_references(self, body: Json) -> None:
        """Raises ApiError where the body names a resource that does not exist."""
        for text in strings(body):
            name = text.removeprefix(SITE)
            if text.startswith(SITE) and _OWN.fullmatch(name) and name.split("/")[-2] not in _GIVEN:
                known = name in self.resources or name.split("/")[1] not in self.projects
                if not known:
                    raise ApiError(404, "notFound", f"The resource '{name}' was not found")


def strings(value: Any) -> Iterator[str]:
    """Every string in a body."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def mentions(body: Json, name: str) -> bool:
    """Whether a body refers to a resource."""
    return any(
        text == SITE + name for key, value in body.items() if key != "selfLink" for text in strings(value)
    )


def expanded(value: Any, project: str) -> Any:
    """A body as Google gives it back: whole addresses in place of short references."""
    if isinstance(value, dict):
        # Metadata are texts of the user's own, whatever they look like.
        return {key: inner if key == "metadata" else expanded(inner, project) for key, inner in value.items()}
    if isinstance(value, list):
        return [expanded(inner, project) for inner in value]
    if isinstance(value, str):
        return _expanded_text(value, project)
    return value


def _expanded_text(text: str, project: str) -> str:
    text = re.sub(r"^https://compute\.googleapis\.com/compute/v1/", SITE, text)
    if re.match(r"projects/[^/]+/(global|zones|regions)/", text):
        return SITE + text
    if re.match(r"(global/\w+|zones/[^/]+/\w+|regions/[^/]+/\w+)/[^/]+$", text):
        return f"{SITE}projects/{project}/{text}"
    return text


def fingerprint(value: Any) -> str:
    """Changes with the content, as Google's fingerprints and etags do."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:11] + "="


def now() -> str:
    """RFC 3339."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
