"""Service accounts, and what they may do."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import stamina

from tukur.gcp.client import Api, Client, Json
from tukur.gcp.compare import Difference, differences
from tukur.gcp.errors import CloudError
from tukur.gcp.resources.base import ProjectResource, Resource


def member(email: str) -> str:
    """A service account as policies name it."""
    return f"serviceAccount:{email}"


@dataclass(frozen=True, kw_only=True)
class ServiceAccount(ProjectResource):
    """A service account."""

    title: str = "service account"
    service: ClassVar[str] = "iam.googleapis.com"
    api: ClassVar[Api] = "iam"
    collection: ClassVar[str] = "serviceAccounts"

    @property
    def email(self) -> str:
        """Its address."""
        return f"{self.name}@{self.project}.iam.gserviceaccount.com"

    @property
    def path(self) -> str:
        """Its whole name."""
        return f"{self.parent}/{self.email}"

    def differences(self, actual: Json) -> Sequence[Difference]:
        expected = {**self.body, "disabled": False}
        return list(differences(expected, actual))

    def create(self, client: Client) -> None:
        body = {"accountId": self.name, "serviceAccount": self.body}
        client.call("POST", self.api, self.parent, body)

    def repair(self, client: Client, actual: Json, found: Sequence[Difference]) -> None:  # noqa: ARG002
        if any(difference.field == "disabled" for difference in found):
            client.call("POST", self.api, f"{self.path}:enable", {})
        if any(difference.field != "disabled" for difference in found):
            body = {"serviceAccount": self.body, "updateMask": ",".join(self.body)}
            client.call("PATCH", self.api, self.path, body)


@dataclass(frozen=True, kw_only=True)
class CustomRole(ProjectResource):
    """A role with just the permissions that are needed."""

    title: str = "role"
    service: ClassVar[str] = "iam.googleapis.com"
    api: ClassVar[Api] = "iam"
    collection: ClassVar[str] = "roles"

    def exists(self, actual: Json) -> bool:
        return not actual.get("deleted")

    def differences(self, actual: Json) -> Sequence[Difference]:
        return list(differences({**self.body, "deleted": False}, actual))

    def create(self, client: Client) -> None:
        body = {"roleId": self.name, "role": self.body}
        client.call("POST", self.api, self.parent, body)

    def repair(self, client: Client, actual: Json, found: Sequence[Difference]) -> None:
        # A deleted role keeps its name for some weeks.
        if actual.get("deleted"):
            client.call("POST", self.api, f"{self.path}:undelete", {})
        if any(difference.field != "deleted" for difference in found):
            client.call("PATCH", self.api, self.path, self.body, updateMask=",".join(self.body))


@dataclass(frozen=True, kw_only=True)
class ProjectRoles(Resource):
    """The roles that a service account has on the project: those and no others."""

    title: str = "project roles"
    name: str
    """The account's."""
    account: str
    """Its address."""
    project: str
    roles: tuple[str, ...]
    service: ClassVar[str] = "cloudresourcemanager.googleapis.com"

    def read(self, client: Client) -> Json | None:
        policy = self._policy(client)
        names = {member(self.account)}
        return {
            "roles": sorted(one["role"] for one in policy.get("bindings", ()) if names & set(one["members"]))
        }

    def _policy(self, client: Client) -> Json:
        # With version 3 also bindings on a condition come whole, and are written back whole.
        body = {"options": {"requestedPolicyVersion": 3}}
        return client.call("POST", "cloudresourcemanager", f"projects/{self.project}:getIamPolicy", body)

    def is_ours(self, actual: Json, installation: str) -> bool:  # noqa: ARG002 - those of our own account
        return True

    def exists(self, actual: Json) -> bool:
        return bool(actual["roles"])

    def differences(self, actual: Json) -> Sequence[Difference]:
        return list(differences({"roles": list(self.roles)}, actual))

    def create(self, client: Client) -> None:
        self._write(client, self.roles)

    def repair(self, client: Client, actual: Json, found: Sequence[Difference]) -> None:  # noqa: ARG002
        self._write(client, self.roles)

    def delete(self, client: Client, actual: Json) -> None:  # noqa: ARG002
        self._write(client, ())

    def _write(self, client: Client, roles: Sequence[str]) -> None:
        path = f"projects/{self.project}:setIamPolicy"

        def write() -> None:
            policy = self._policy(client)
            policy["bindings"] = with_roles(policy.get("bindings", []), member(self.account), roles)
            client.call("POST", "cloudresourcemanager", path, {"policy": policy})

        _on_conflict(write)


def with_roles(bindings: Sequence[Json], name: str, roles: Sequence[str]) -> list[Json]:
    """Bindings in which a member has these roles and no others; other members keep theirs."""
    changed = []
    for binding in bindings:
        if "condition" in binding or binding["role"] not in roles:
            members = [one for one in binding["members"] if one != name]
        else:
            members = sorted({*binding["members"], name})
        if members:
            changed.append({**binding, "members": members})
    present = {binding["role"] for binding in changed if "condition" not in binding}
    return [*changed, *({"role": role, "members": [name]} for role in roles if role not in present)]


@dataclass(frozen=True, kw_only=True)
class Secret(ProjectResource):
    """A secret, without a value: those that use it store it themselves."""

    title: str = "secret"
    holds_data: bool = False
    service: ClassVar[str] = "secretmanager.googleapis.com"
    api: ClassVar[Api] = "secretmanager"
    collection: ClassVar[str] = "secrets"

    def differences(self, actual: Json) -> Sequence[Difference]:
        return list(differences({"labels": self.body["labels"]}, actual))

    def create(self, client: Client) -> None:
        client.call("POST", self.api, self.parent, self.body, secretId=self.name)

    def repair(self, client: Client, actual: Json, found: Sequence[Difference]) -> None:  # noqa: ARG002
        labels = {**actual.get("labels", {}), **self.body["labels"]}
        client.call("PATCH", self.api, self.path, {"labels": labels}, updateMask="labels")


@dataclass(frozen=True, kw_only=True)
class SecretAccess(Resource):
    """Who may read and write one of our secrets: those and nobody else."""

    title: str = "secret access"
    secret: Secret
    members: Mapping[str, tuple[str, ...]]
    """Role to members."""
    service: ClassVar[str] = "secretmanager.googleapis.com"

    @property
    def name(self) -> str:  # type: ignore[override]
        """The secret's."""
        return self.secret.name

    def read(self, client: Client) -> Json | None:
        policy = client.read("secretmanager", f"{self.secret.path}:getIamPolicy")
        if policy is None:
            return None
        bindings = {binding["role"]: sorted(binding["members"]) for binding in policy.get("bindings", ())}
        return {"bindings": bindings, "etag": policy.get("etag")} if bindings else None

    def is_ours(self, actual: Json, installation: str) -> bool:  # noqa: ARG002 - it is the secret's
        return True

    def exists(self, actual: Json) -> bool:  # noqa: ARG002 - it goes with the secret
        return False

    def differences(self, actual: Json) -> Sequence[Difference]:
        bindings = actual["bindings"]
        roles = sorted({*self.members, *bindings})
        wanted: dict[str, Any] = {role: list(self.members.get(role, ())) for role in roles}
        return list(differences(wanted, bindings))

    def create(self, client: Client) -> None:
        def write() -> None:
            policy = client.call("GET", "secretmanager", f"{self.secret.path}:getIamPolicy")
            policy["bindings"] = [
                {"role": role, "members": list(members)} for role, members in self.members.items()
            ]
            client.call("POST", "secretmanager", f"{self.secret.path}:setIamPolicy", {"policy": policy})

        _on_conflict(write)

    def repair(self, client: Client, actual: Json, found: Sequence[Difference]) -> None:  # noqa: ARG002
        self.create(client)

    def delete(self, client: Client, actual: Json) -> None:
        """It goes with the secret."""


def _on_conflict(write: Callable[[], None]) -> None:
    """Reads and writes again where somebody else wrote a policy in between."""
    for attempt in stamina.retry_context(on=_is_conflict, attempts=10, timeout=120, wait_initial=0.2):
        with attempt:
            write()


def _is_conflict(error: Exception) -> bool:
    return isinstance(error, CloudError) and error.status == 409
