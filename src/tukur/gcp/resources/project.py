"""What belongs to the project as a whole: the APIs that are switched on, and the custom metric."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from tukur.gcp.client import Api, Client, Json
from tukur.gcp.compare import Difference, differences
from tukur.gcp.resources.base import ProjectResource, Resource


@dataclass(frozen=True, kw_only=True)
class Services(Resource):
    """The APIs that are needed; they stay on when the rest goes, since others may use them."""

    title: str = "APIs"
    name: str
    project: str
    needed: tuple[str, ...]
    known: tuple[str, ...]
    """Those that some declaration needs; only of them it is known whether they are on."""
    service: ClassVar[str] = ""

    def read(self, client: Client) -> Json | None:
        parent = f"projects/{self.project}"
        names = [f"{parent}/services/{service}" for service in self.known]
        found = client.call("GET", "serviceusage", f"{parent}/services:batchGet", names=names)
        on = [
            one["name"].rpartition("/")[2] for one in found.get("services", ()) if one["state"] == "ENABLED"
        ]
        return {"enabled": sorted(on)}

    def is_ours(self, actual: Json, installation: str) -> bool:  # noqa: ARG002
        return True

    def exists(self, actual: Json) -> bool:  # noqa: ARG002
        return False

    def differences(self, actual: Json) -> Sequence[Difference]:
        missing = sorted({*self.needed} - {*actual["enabled"]})
        return [Difference(service, "off", "on") for service in missing]

    def create(self, client: Client) -> None:
        body = {"serviceIds": list(self.needed)}
        operation = client.call("POST", "serviceusage", f"projects/{self.project}/services:batchEnable", body)
        client.wait_long_running("serviceusage", operation)

    def repair(self, client: Client, actual: Json, found: Sequence[Difference]) -> None:  # noqa: ARG002
        self.create(client)

    def delete(self, client: Client, actual: Json) -> None:
        """They stay on."""


@dataclass(frozen=True, kw_only=True)
class Metric(ProjectResource):
    """The definition of a custom metric; its name is its type, ``custom.googleapis.com/…``."""

    title: str = "metric"
    service: ClassVar[str] = "monitoring.googleapis.com"
    api: ClassVar[Api] = "monitoring"
    collection: ClassVar[str] = "metricDescriptors"

    def differences(self, actual: Json) -> Sequence[Difference]:
        return list(differences(self.body, actual))

    def create(self, client: Client) -> None:
        client.call("POST", self.api, self.parent, self.body)

    def repair(self, client: Client, actual: Json, found: Sequence[Difference]) -> None:  # noqa: ARG002
        # Creating it again replaces it.
        self.create(client)
