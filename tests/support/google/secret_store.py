"""The secrets of the tests' Google, as the machines that use them see them."""

import base64
from dataclasses import dataclass

from tests.support.google.metadata import ACCESS_TOKEN
from tests.support.google.server import PROJECT, Google

ACCESS = "secretmanager.projects.secrets.versions.access"


@dataclass(slots=True)
class SecretStore:
    """Secrets that have no version at first. Who asks needs the metadata server's access token."""

    google: Google
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        self.google.token = ACCESS_TOKEN
        for name in self.names:
            full = self._full(name)
            self.google.state.add(full, {"name": full, "replication": {"automatic": {}}})

    def versions(self, name: str) -> list[bytes]:
        """Of a secret, the oldest first."""
        found = self.google.state.under(f"{self._full(name)}/versions")
        return [base64.b64decode(version["payload"]["data"]) for version in found]

    def add(self, name: str, value: bytes) -> None:
        """A new version."""
        full = f"{self._full(name)}/versions/{len(self.versions(name)) + 1}"
        payload = {"data": base64.b64encode(value).decode()}
        self.google.state.add(full, {"name": full, "state": "ENABLED", "payload": payload})

    def empty(self, name: str) -> None:
        """Without a version."""
        for number in range(len(self.versions(name)), 0, -1):
            self.google.state.remove(f"{self._full(name)}/versions/{number}")

    def asked(self, name: str) -> int:
        """How often somebody asked for its newest version."""
        wanted = f"{self._full(name)}/versions/latest"
        return sum(call.id == ACCESS and wanted in call.path for call in self.google.calls)

    @staticmethod
    def _full(name: str) -> str:
        return f"projects/{PROJECT}/secrets/{name}"
