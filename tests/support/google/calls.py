"""One request, as the tests read it."""

from collections.abc import Mapping
from typing import NamedTuple

from tests.support.google.discovery import Method
from tests.support.google.state import Json


class Call(NamedTuple):
    """A valid request."""

    method: Method
    params: Mapping[str, str]
    """Of its path."""
    query: Mapping[str, str]
    body: Json
    path: str
    headers: Mapping[str, str]

    @property
    def id(self) -> str:
        """The method, ``compute.disks.insert``."""
        return self.method.id
