"""What there is, what is declared, and what to do about it."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum

from tukur.gcp.client import Client, Json
from tukur.gcp.compare import Difference
from tukur.gcp.declaration import Declaration
from tukur.gcp.desired import Desired
from tukur.gcp.errors import CloudError, DeclarationError, NameTakenError
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
    strange_rules: Sequence[str]
    """Firewall rules on the network that tukur did not make."""

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
        checked = pool.submit(check_region, client, declared) if _COMPUTE in enabled else None
        older = pool.submit(older_templates, client, desired) if _COMPUTE in enabled else None
        rules = pool.submit(strange_rules, client, declared) if _COMPUTE in enabled else None
        read = list(pool.map(lambda resource: read_if_enabled(client, resource, enabled), resources))
        if checked is not None:
            checked.result()
        leftovers = older.result() if older else []
        strangers = rules.result() if rules else []
    actual = [services, address, *read]
    everything = desired.all()
    refuse_taken(declared, everything, actual)
    steps = [_step(resource, body) for resource, body in zip(everything, actual, strict=True)]
    steps += [Step(resource, Action.DELETE, resource.body) for resource in leftovers]
    return Plan(declared, desired, steps, (address or {}).get("address"), strangers)


def read_if_enabled(client: Client, resource: Resource, enabled: set[str]) -> Json | None:
    """What is there; nothing where the API has never been switched on. Raises CloudError."""
    if resource.service and resource.service not in enabled:
        return None
    try:
        return resource.read(client)
    except CloudError as error:
        raise error.within(f"{resource.title} {resource.name}") from error


def check_region(client: Client, declared: Declaration) -> None:
    """Raises DeclarationError where the region, a zone or a machine type does not exist."""
    project, group = f"projects/{declared.project}", declared.group
    region = client.read("compute", f"{project}/regions/{declared.region}")
    if region is None:
        raise DeclarationError(f"there is no region {declared.region} in Google Cloud")
    zones = {address.rpartition("/")[2] for address in region.get("zones", ())}
    for zone in (declared.zone, *group.zones):
        if zone not in zones:
            known = ", ".join(sorted(zones))
            raise DeclarationError(
                f"the region {declared.region} has no zone {zone}; one of {known} expected"
            )
    wanted = {("platform", declared.platform.machine, declared.zone)}
    wanted |= {("group", group.machine, zone) for zone in group.zones or (declared.zone,)}
    for table, machine, zone in sorted(wanted):
        if client.read("compute", f"{project}/zones/{zone}/machineTypes/{machine}") is None:
            raise DeclarationError(f"{table}.machine: the zone {zone} has no machine type {machine}")


def older_templates(client: Client, desired: Desired) -> list[ComputeResource]:
    """Templates of this installation that new VMs are no longer made of."""
    current = desired.template()
    return [
        ComputeResource(title="instance template", collection=desired.templates, body=body)
        for body in client.items(desired.templates)
        if current.is_ours(body, desired.name) and body["name"] != current.name
    ]


def strange_rules(client: Client, declared: Declaration) -> list[str]:
    """Names of firewall rules on the installation's network that tukur did not make."""
    project = f"projects/{declared.project}"
    network = f"/{project}/global/networks/{declared.name}"
    mine = {f"{declared.name}-https", f"{declared.name}-iap-ssh"}
    rules = client.items(f"{project}/global/firewalls")
    here = {rule["name"] for rule in rules if rule["network"].endswith(network)}
    return sorted(here - mine)


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
