"""Which machines of Google Compute Engine may join, and where Google is asked."""

import re
from dataclasses import dataclass

CERTS_URL = "https://www.googleapis.com/oauth2/v3/certs"
COMPUTE_URL = "https://compute.googleapis.com/compute/v1"

_PROJECT = re.compile(r"(?:[a-z0-9.-]{1,100}:)?[a-z][a-z0-9-]{4,28}[a-z0-9]")
_GROUP = re.compile(
    r"(?:regions|zones)/[a-z0-9-]{1,63}/instanceGroupManagers/[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"
)


@dataclass(frozen=True, slots=True)
class GoogleSettings:
    """Fixed while the hub runs."""

    project: str
    """The project's ID."""
    groups: tuple[str, ...]
    """Managed instance groups whose machines may join: ``regions/REGION/instanceGroupManagers/NAME``."""
    certs_url: str = CERTS_URL
    """The JSON Web Key Set by which Google signs identity tokens."""
    compute_url: str = COMPUTE_URL
    """The Compute Engine API, without a slash at its end."""


def check_project(text: str) -> str:
    """The project's ID. Raises ValueError."""
    if not _PROJECT.fullmatch(text):
        raise ValueError(f"{text[:100]!r}; the ID of a Google Cloud project such as my-project-123 expected")
    return text


def check_group(text: str) -> str:
    """The path of a managed instance group in its project. Raises ValueError."""
    if not _GROUP.fullmatch(text):
        raise ValueError(
            f"{text[:200]!r}; regions/REGION/instanceGroupManagers/NAME "
            "or zones/ZONE/instanceGroupManagers/NAME expected"
        )
    return text
