"""What there is, what is declared, and what to do about it."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum

from tukur.gcp.client import Client, Json
from tukur.gcp.compare import Difference
from tukur.gcp.declaration import Declaration
from tukur.gcp.desired import Desired
from tukur.gcp.errors import CloudError, NameTakenError
from tukur.gcp.preflight import find_warnings
from tukur.gcp.resources.base import Resource
from tukur.gcp.resources.compute import ComputeResource

_READERS = 8
_COMPUTE = "compute.googleapis.com"


class Action(Enum):
    """What `apply` does; the value is the sign in front of it."""

    KEEP = " "
    CREATE = "+"
    CHANGE = "~"
    DELETE = "-"
    BLOCKED = "!"
    """It is not as declared, and Google cannot change it in place."""


@dataclass(frozen=True, slots=True)
class Step:
    """One resource."""

    resource: Resource
    action: Action
    actual: Json | None
    found: Sequence[Difference] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything, in order."""

    declared: Declaration
    desired: Desired
    steps: Sequence[Step]
    address: str | None
    """The hub's, once it is reserved."""
    warnings: Sequence[str]
    """What `apply` does nothing about: quotas that are too small, firewall rules of others."""

    @property
    def changes(self) -> list[Step]:
        """The steps that do something."""
        return [step for step in self.steps if step.action is not Action.KEEP]

    def of(self, action: Action) -> list[Step]:
        """The steps of one kind."""
        return [step for step in self.steps if step.action is action]


def make_plan(client: Client, declared: Declaration) -> Plan:
    """Reads everything and compares. Changes nothing. Raises CloudError."""
    desired = Desired(declared)
    services = desired.services().read(client) or {}
    enabled = set(services.get("enabled", ()))
    address = read_if_enabled(client, desired.address, enabled)
    desired = Desired(declared, (address or {}).get("address"))
    resources = desired.all()[2:]
    with ThreadPoolExecutor(_READERS) as pool:
        on = _COMPUTE in enabled
        warnings = pool.submit(find_warnings, client, declared) if on else None
        older = pool.submit(older_templates, client, desired) if on else None
        read = list(pool.map(lambda resource: read_if_enabled(client, resource, enabled), resources))
    actual = [services, address, *read]
    everything = desired.all()
    refuse_taken(declared, everything, actual)
    steps = [_step(resource, body) for resource, body in zip(everything, actual, strict=True)]
    steps += [Step(one, Action.DELETE, one.body) for one in (older.result() if older else ())]
    found = warnings.result() if warnings else []
    return Plan(declared, desired, steps, (address or {}).get("address"), found)


def read_if_enabled(client: Client, resource: Resource, enabled: set[str]) -> Json | None:
    """What is there; nothing where the API has never been switched on. Raises CloudError."""
    if resource.service and resource.service not in enabled:
        return None
    try:
        return resource.read(client)
    except CloudError as error:
        raise error.within(f"{resource.title} {resource.name}") from error


def older_templates(client: Client, desired: Desired) -> list[ComputeResource]:
    """Templates of this installation that new VMs are no longer made of."""
    current = desired.template()
    return [
        ComputeResource(title="instance template", collection=desired.templates, body=body)
        for body in client.items(desired.templates)
        if current.is_ours(body, desired.name) and body["name"] != current.name
    ]


def refuse_taken(declared: Declaration, resources: Sequence[Resource], actual: Sequence[Json | None]) -> None:
    """Raises NameTakenError for what has one of our names and is not ours."""
    taken = [
        f"{resource.title} {resource.name}"
        for resource, body in zip(resources, actual, strict=True)
        if body is not None and not resource.is_ours(body, declared.name)
    ]
    if taken:
        raise NameTakenError(
            f"{', '.join(taken)} in the project {declared.project} was not made by tukur "
            f"for the installation {declared.name}; choose another `name` in the declaration"
        )


def _step(resource: Resource, actual: Json | None) -> Step:
    if actual is None:
        return Step(resource, Action.CREATE, None)
    found = resource.differences(actual)
    if any(resource.fixed(difference) for difference in found):
        return Step(resource, Action.BLOCKED, actual, found)
    return Step(resource, Action.CHANGE if found else Action.KEEP, actual, found)
