"""Resources of Compute Engine."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tukur.gcp.client import Client, Json
from tukur.gcp.compare import Difference, differences
from tukur.gcp.resources.base import Resource


@dataclass(frozen=True, kw_only=True)
class ComputeResource(Resource):
    """One whose kind Google treats as most: GET, POST, PATCH and DELETE on its name."""

    title: str
    collection: str
    """``projects/P/regions/R/subnetworks``."""
    body: Json
    unchangeable: frozenset[str] = frozenset()
    """Fields that Google does not change once it is made."""
    once: frozenset[str] = frozenset()
    """Fields that count when it is made, and may differ later."""
    holds_data: bool = False

    @property
    def name(self) -> str:  # type: ignore[override]
        """Its own name."""
        return str(self.body["name"])

    @property
    def path(self) -> str:
        """Its whole name."""
        return f"{self.collection}/{self.name}"

    def read(self, client: Client) -> Json | None:
        return client.read("compute", self.path)

    def differences(self, actual: Json) -> Sequence[Difference]:
        # The description is the mark: without it this is not ours, unless labels say so.
        ignored = {"description", *self.once}
        compared = {key: value for key, value in self.body.items() if key not in ignored}
        return list(differences(compared, actual))

    def create(self, client: Client) -> None:
        client.change("POST", self.collection, self.body)

    def repair(self, client: Client, actual: Json, found: Sequence[Difference]) -> None:
        fields = fields_of(found)
        if "labels" in fields:
            self._set_labels(client, actual)
        if rest := fields - {"labels"}:
            self._patch(client, actual, rest)

    def _set_labels(self, client: Client, actual: Json) -> None:
        labels = {**actual.get("labels", {}), **self.body["labels"]}
        body = {"labels": labels, "labelFingerprint": actual["labelFingerprint"]}
        client.change("POST", f"{self.path}/setLabels", body)

    def _patch(self, client: Client, actual: Json, fields: set[str]) -> None:  # noqa: ARG002 - some kinds need it
        client.change("PATCH", self.path, self._fields(fields))

    def _fields(self, fields: Iterable[str]) -> Json:
        # Some kinds want the name in the body as well.
        return {"name": self.name, **{key: self.body[key] for key in fields}}

    def delete(self, client: Client, actual: Json) -> None:  # noqa: ARG002
        client.change("DELETE", self.path)

    def fixed(self, difference: Difference) -> bool:
        return field_of(difference) in self.unchangeable


def field_of(difference: Difference) -> str:
    """The outermost field."""
    return difference.field.partition(".")[0].partition("[")[0]


def fields_of(found: Sequence[Difference]) -> set[str]:
    """The outermost fields of all."""
    return {field_of(difference) for difference in found}


class Address(ComputeResource):
    """A static address; its labels can only be set once it is there."""

    def create(self, client: Client) -> None:
        client.change("POST", self.collection, {key: self.body[key] for key in self.body if key != "labels"})
        actual = self.read(client)
        if actual is not None:
            self._set_labels(client, actual)


class Subnetwork(ComputeResource):
    """A subnetwork; access to Google without a public address has a method of its own."""

    def _patch(self, client: Client, actual: Json, fields: set[str]) -> None:
        access = {"privateIpGoogleAccess"}
        if fields & access:
            client.change(
                "POST", f"{self.path}/setPrivateIpGoogleAccess", {key: self.body[key] for key in access}
            )
        if rest := fields - access:
            client.change("PATCH", self.path, {**self._fields(rest), "fingerprint": actual["fingerprint"]})


class Disk(ComputeResource):
    """A persistent disk."""

    def differences(self, actual: Json) -> Sequence[Difference]:
        # One that somebody made larger stays so: it cannot be made smaller, and it holds what it holds.
        larger = int(actual.get("sizeGb", 0)) > int(self.body["sizeGb"])
        return [found for found in super().differences(actual) if not (larger and found.field == "sizeGb")]

    def _patch(self, client: Client, actual: Json, fields: set[str]) -> None:
        if "sizeGb" in fields:
            client.change("POST", f"{self.path}/resize", {"sizeGb": self.body["sizeGb"]})
        if "resourcePolicies" in fields:
            if others := actual.get("resourcePolicies"):
                client.change("POST", f"{self.path}/removeResourcePolicies", {"resourcePolicies": others})
            policies = {"resourcePolicies": self.body["resourcePolicies"]}
            client.change("POST", f"{self.path}/addResourcePolicies", policies)


class Instance(ComputeResource):
    """A VM, which shall run."""

    def differences(self, actual: Json) -> Sequence[Difference]:
        found = list(super().differences(actual))
        attached = [disk.get("source", "").rpartition("/")[2] for disk in actual.get("disks", ())]
        for disk in self.body["disks"]:
            name = disk.get("source", "").rpartition("/")[2]
            if name and name not in attached:
                found.append(Difference("disks", attached, name))
        if actual.get("status") in ("STOPPING", "STOPPED", "TERMINATED", "SUSPENDED", "SUSPENDING"):
            found.append(Difference("status", actual["status"], "RUNNING"))
        return found

    def repair(self, client: Client, actual: Json, found: Sequence[Difference]) -> None:
        fields = fields_of(found)
        if "labels" in fields:
            self._set_labels(client, actual)
        if "metadata" in fields:
            self._set_metadata(client, actual["metadata"])
        if "tags" in fields:
            tags = {**self.body["tags"], "fingerprint": actual["tags"]["fingerprint"]}
            client.change("POST", f"{self.path}/setTags", tags)
        if "machineType" in fields:
            if actual["status"] != "TERMINATED":
                client.change("POST", f"{self.path}/stop")
            client.change("POST", f"{self.path}/setMachineType", {"machineType": self.body["machineType"]})
        if fields & {"machineType", "status"}:
            client.change("POST", f"{self.path}/start")

    def _set_metadata(self, client: Client, actual: Json) -> None:
        # Other attributes stay: `gcloud compute ssh` keeps people's keys there.
        items = {item["key"]: item.get("value", "") for item in actual.get("items", ())}
        items |= {item["key"]: item["value"] for item in self.body["metadata"]["items"]}
        body = {"fingerprint": actual["fingerprint"], "items": attributes(items)}
        client.change("POST", f"{self.path}/setMetadata", body)


class Autoscaler(ComputeResource):
    """The autoscaler of a group; Google changes it at its collection."""

    def _patch(self, client: Client, actual: Json, fields: set[str]) -> None:  # noqa: ARG002
        client.change("PATCH", self.collection, self._fields(fields), autoscaler=self.name)


def attributes(items: Mapping[str, Any]) -> list[dict[str, str]]:
    """Metadata as Compute Engine has them."""
    return [{"key": key, "value": str(value)} for key, value in sorted(items.items())]
