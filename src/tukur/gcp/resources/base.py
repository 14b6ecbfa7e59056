"""What every kind of resource can do."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from tukur.gcp.client import Api, Client, Json
from tukur.gcp.compare import Difference
from tukur.gcp.marks import is_ours


class Resource(ABC):
    """One thing as it is declared."""

    title: str
    """What a person calls its kind, ``firewall rule``."""
    name: str
    service: ClassVar[str] = "compute.googleapis.com"
    """The API that has to be switched on before it can be asked for."""
    holds_data: bool = False
    """Whether `destroy` leaves it unless the data shall go too."""

    @abstractmethod
    def read(self, client: Client) -> Json | None:
        """What is there under its name. Raises CloudError."""

    @abstractmethod
    def differences(self, actual: Json) -> Sequence[Difference]:
        """What of it is not as declared."""

    @abstractmethod
    def create(self, client: Client) -> None:
        """Makes it. Raises CloudError, of status 409 where the name is taken."""

    @abstractmethod
    def repair(self, client: Client, actual: Json, found: Sequence[Difference]) -> None:
        """Makes it as declared. Raises CloudError."""

    @abstractmethod
    def delete(self, client: Client, actual: Json) -> None:
        """Deletes it. Raises CloudError."""

    def is_ours(self, actual: Json, installation: str) -> bool:
        """Whether tukur made it for this installation."""
        return is_ours(actual, installation)

    def exists(self, actual: Json) -> bool:  # noqa: ARG002 - some kinds look at it
        """Whether there is anything to delete."""
        return True

    def fixed(self, difference: Difference) -> bool:  # noqa: ARG002 - some kinds look at it
        """Whether a difference cannot be removed in place."""
        return False


@dataclass(frozen=True, kw_only=True)
class ProjectResource(Resource):
    """One that an API has in a collection of the project, and is read and deleted by its path there."""

    name: str
    project: str
    body: Json
    api: ClassVar[Api]
    collection: ClassVar[str]

    @property
    def parent(self) -> str:
        """The collection's path."""
        return f"projects/{self.project}/{self.collection}"

    @property
    def path(self) -> str:
        """Its whole name."""
        return f"{self.parent}/{self.name}"

    def read(self, client: Client) -> Json | None:
        return client.read(self.api, self.path)

    def delete(self, client: Client, actual: Json) -> None:  # noqa: ARG002
        client.call("DELETE", self.api, self.path)
